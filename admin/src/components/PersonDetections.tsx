import { Button, Group, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconArrowsSplit2 } from "@tabler/icons-react";
import { useState } from "react";
import type { Person } from "../api/types";
import { personName } from "../outcome";
import { ActionBar } from "./ActionBar";
import { DetectionList } from "./DetectionList";
import { ForManagers } from "./ForRoles";
import styles from "./PersonDetections.module.css";
import { SplitDialog } from "./SplitDialog";

/** A person's detections, of which some can be chosen as somebody else's. */
export function PersonDetections({ person }: { person: Person }) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>();
  const [splitting, { open, close }] = useDisclosure();
  const name = personName(person);

  function toggle(id: string) {
    const next = new Set(chosen);
    if (!next.delete(id)) next.add(id);
    setChosen(next);
  }

  function leave() {
    close();
    setChosen(undefined);
  }

  return (
    <section aria-label="Detections">
      {person.detections > 0 && (
        <ForManagers>
          <Button
            className={styles.choose}
            variant="default"
            size="xs"
            leftSection={<IconArrowsSplit2 size={15} aria-hidden />}
            aria-pressed={chosen !== undefined}
            onClick={() => setChosen(chosen ? undefined : new Set())}
          >
            Some are not {name}
          </Button>
        </ForManagers>
      )}
      <DetectionList
        filter={{ person_id: person.id }}
        selection={chosen && { ids: chosen, toggle }}
        empty={
          <Text c="dimmed" fz="sm" mt="xs">
            No camera has seen {name} yet.
          </Text>
        }
      />
      {chosen && (
        <ActionBar>
          <Text fz="sm" fw={600} aria-live="polite">
            {chosen.size === 0 ? `Choose those that are not ${name}` : `${chosen.size} chosen`}
          </Text>
          <Group gap="xs">
            <Button size="xs" variant="default" onClick={leave}>
              Cancel
            </Button>
            <Button size="xs" disabled={chosen.size === 0} onClick={open}>
              These are somebody else's
            </Button>
          </Group>
        </ActionBar>
      )}
      <SplitDialog
        person={person}
        detectionIds={[...(chosen ?? [])]}
        opened={splitting}
        onClose={close}
        onSplit={leave}
      />
    </section>
  );
}
