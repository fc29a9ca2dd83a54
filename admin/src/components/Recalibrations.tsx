import { Text } from "@mantine/core";
import type { Recalibration } from "../api/types";
import { count, sentence } from "../format";
import { Rows, RowText } from "./Rows";
import { TimeAgo } from "./TimeAgo";

const SHOWN = 8;

/** When Usher became stricter or less so, and why; the newest first. */
export function Recalibrations({ recalibrations }: { recalibrations: Recalibration[] }) {
  return (
    <Rows label="Adjustments">
      {recalibrations.slice(0, SHOWN).map(({ at, threshold, persons, reason }, place) => (
        <li key={at}>
          <RowText>
            <b>{direction(threshold, recalibrations[place + 1]?.threshold)}</b>
            <div>{sentence(reason)}</div>
            <Text fz="xs" c="dimmed">
              <TimeAgo at={at} />, with {count(persons, "known person", "known people")}
            </Text>
          </RowText>
        </li>
      ))}
    </Rows>
  );
}

function direction(threshold: number, before: number | undefined): string {
  if (before === undefined || threshold === before) return "Set";
  return threshold > before ? "Stricter" : "Less strict";
}
