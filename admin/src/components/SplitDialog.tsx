import { Button, Divider, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconSearch, IconUserPlus } from "@tabler/icons-react";
import { useState } from "react";
import { splitPerson } from "../api/client";
import type { Person } from "../api/types";
import { count } from "../format";
import { personName } from "../outcome";
import { Dialog } from "./Dialog";
import { PersonList } from "./PersonList";
import { useIdentityChange } from "./Undo";

/** Asks whose some of a person's detections are instead. */
export function SplitDialog({
  person,
  detectionIds,
  opened,
  onClose,
  onSplit,
}: {
  person: Person;
  detectionIds: string[];
  opened: boolean;
  onClose: () => void;
  onSplit: () => void;
}) {
  const change = useIdentityChange();
  const [text, setText] = useState("");
  const [q] = useDebouncedValue(text.trim(), 200);
  const pictures = count(detectionIds.length, "picture");

  function split(into?: Person) {
    const whose = into ? personName(into) : "a new stranger";
    change.run(() => splitPerson(person.id, { detection_ids: detectionIds, into: into?.id }), {
      done: `Given to ${whose}: ${pictures}.`,
      personId: person.id,
      onDone: onSplit,
    });
  }

  return (
    <Dialog opened={opened} onClose={onClose} title={`Not ${personName(person)}: ${pictures}`}>
      <Stack gap="sm">
        <Text fz="sm" c="dimmed">
          Whose are they? Usher remembers that they do not show {personName(person)}.
        </Text>
        <Button
          variant="light"
          leftSection={<IconUserPlus size={16} aria-hidden />}
          loading={change.isPending}
          onClick={() => split()}
        >
          A new stranger
        </Button>
        <Divider label="or somebody whom Usher has met" />
        <TextInput
          aria-label="Search by name or ID"
          placeholder="Search by name or ID"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <PersonList filter={{ q }} exclude={person.id} onPick={split} disabled={change.isPending} />
      </Stack>
    </Dialog>
  );
}
