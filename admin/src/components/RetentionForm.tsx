import { Button, Group, NativeSelect, Text } from "@mantine/core";
import { useState } from "react";
import { getRetentionDue, updateSettings } from "../api/client";
import { useChange, useMay } from "../api/queries";
import type { KeptDays, OperatingSettings, RetentionDue } from "../api/types";
import { count } from "../format";
import { Confirmation } from "./Confirmation";

const EVER = "";
const DAYS = [1, 7, 30, 90, 180, 365, 730];

/** For how long what was seen is kept; asks before anything goes that is there now. */
export function RetentionForm({ settings }: { settings: OperatingSettings }) {
  const [strangers, setStrangers] = useState(text(settings.strangers_kept_days));
  const [known, setKnown] = useState(text(settings.known_kept_days));
  const [due, setDue] = useState<RetentionDue>();
  const change = useChange<RetentionDue>();
  const saving = useChange();
  const mayChange = useMay("admin");
  const days: KeptDays = { strangers_kept_days: number(strangers), known_kept_days: number(known) };
  const wrong =
    days.known_kept_days !== null &&
    (days.strangers_kept_days === null || days.strangers_kept_days > days.known_kept_days);
  const changed =
    days.strangers_kept_days !== settings.strangers_kept_days ||
    days.known_kept_days !== settings.known_kept_days;

  function save() {
    saving.run(
      () => updateSettings(days),
      () => setDue(undefined),
    );
  }

  return (
    <>
      <Group gap="md" mt="xs" align="end">
        <NativeSelect
          label="Delete strangers who were not seen for"
          value={strangers}
          disabled={!mayChange}
          onChange={(event) => setStrangers(event.currentTarget.value)}
          data={choices(settings.strangers_kept_days)}
        />
        <NativeSelect
          label="Delete pictures of people Usher knows that are older than"
          value={known}
          disabled={!mayChange}
          onChange={(event) => setKnown(event.currentTarget.value)}
          data={choices(settings.known_kept_days)}
        />
        {mayChange && (
          <Button
            disabled={!changed || wrong}
            loading={change.isPending || saving.isPending}
            onClick={() => change.run(() => getRetentionDue(days), setDue)}
          >
            Save
          </Button>
        )}
      </Group>
      <Text fz="sm" c="dimmed" mt="xs" role="status">
        {wrong
          ? "Strangers are kept no longer than the people Usher knows: choose fewer days for them."
          : "What is older is deleted for good within the hour, pictures and all. What people are " +
            "recognised by stays."}
      </Text>
      <Confirmation
        opened={due !== undefined}
        title="Keep things for that long?"
        action="Save"
        pending={saving.isPending}
        onConfirm={save}
        onClose={() => setDue(undefined)}
      >
        {due && consequence(due)}
      </Confirmation>
    </>
  );
}

function consequence({ strangers, detections }: RetentionDue): string {
  if (strangers === 0 && detections === 0) return "Nothing is that old now.";
  return (
    `${count(strangers, "stranger")} and ${count(detections, "picture")} are that old now. ` +
    "They are deleted within the hour, and cannot be brought back."
  );
}

function choices(current: number | null) {
  const days = new Set(current === null ? DAYS : [...DAYS, current]);
  const sorted = [...days].sort((one, other) => one - other);
  return [
    { value: EVER, label: "Never" },
    ...sorted.map((number) => ({ value: String(number), label: count(number, "day") })),
  ];
}

const text = (days: number | null) => days?.toString() ?? EVER;
const number = (value: string) => (value === EVER ? null : Number(value));
