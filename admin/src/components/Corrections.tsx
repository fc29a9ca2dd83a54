import { Button, Checkbox, Group, Paper, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import {
  IconEye,
  IconEyeOff,
  IconFaceIdError,
  IconReload,
  IconUserPlus,
  IconUserQuestion,
} from "@tabler/icons-react";
import { useState } from "react";
import {
  assignDetection,
  mergePerson,
  retryDetection,
  stopIgnoring,
  updatePerson,
} from "../api/client";
import { useChange, usePerson } from "../api/queries";
import type { Detection, Person } from "../api/types";
import { count } from "../format";
import { outcomeOf, personName } from "../outcome";
import { WhoForm } from "./WhoForm";

/** What can be done about a detection: say who it is, ignore them, or take it out. */
export function Corrections({ detection }: { detection: Detection }) {
  const change = useChange();
  const { tone } = outcomeOf(detection);
  if (tone === "waiting") return null;

  function apply(request: () => Promise<unknown>, done: string) {
    change.mutate(request, { onSuccess: () => notifications.show({ message: done }) });
  }

  const person = detection.status === "classified" ? detection.person : undefined;
  return (
    <Stack gap="md">
      {tone === "unknown" && person && <StrangerForm detection={detection} personId={person.id} />}
      {tone !== "unknown" && tone !== "failed" && <ReassignForm detection={detection} />}
      <Group gap="xs">
        {tone === "failed" && (
          <Button
            variant="light"
            leftSection={<IconReload size={16} aria-hidden />}
            loading={change.isPending}
            onClick={() => apply(() => retryDetection(detection.id), "Trying again.")}
          >
            Try again
          </Button>
        )}
        {person?.kind === "unknown" && (
          <>
            <Button
              variant="default"
              leftSection={<IconEyeOff size={16} aria-hidden />}
              disabled={change.isPending}
              onClick={() =>
                apply(() => updatePerson(person.id, { kind: "ignored" }), "Ignored from now on.")
              }
            >
              Ignore this person
            </Button>
            <Button
              variant="default"
              leftSection={<IconUserPlus size={16} aria-hidden />}
              disabled={change.isPending}
              onClick={() =>
                apply(
                  () => assignDetection(detection.id, { new_person: true }),
                  "A stranger of their own from now on.",
                )
              }
            >
              Not the same stranger
            </Button>
          </>
        )}
        {person?.kind === "ignored" && (
          <Button
            variant="default"
            leftSection={<IconEye size={16} aria-hidden />}
            disabled={change.isPending}
            onClick={() => apply(() => stopIgnoring(person), "No longer ignored.")}
          >
            Stop ignoring
          </Button>
        )}
        {detection.status !== "not_a_face" && (
          <Button
            variant="default"
            leftSection={<IconFaceIdError size={16} aria-hidden />}
            disabled={change.isPending}
            onClick={() =>
              apply(
                () => assignDetection(detection.id, { not_a_face: true }),
                "Taken out: not a face.",
              )
            }
          >
            Not a face
          </Button>
        )}
      </Group>
    </Stack>
  );
}

/** Names a stranger, or says which person they turned out to be. */
function StrangerForm({ detection, personId }: { detection: Detection; personId: string }) {
  const stranger = usePerson(personId).data;
  const change = useChange();
  const [everything, setEverything] = useState(true);
  const sightings = stranger?.detections ?? 1;

  function join(person: Person) {
    change.mutate(
      () =>
        everything
          ? mergePerson(person.id, personId)
          : assignDetection(detection.id, { person_id: person.id }),
      { onSuccess: () => notifications.show({ message: `This is ${personName(person)}.` }) },
    );
  }

  function name(given: string) {
    change.mutate(() => updatePerson(personId, { name: given }), {
      onSuccess: () => notifications.show({ message: `Usher knows ${given} now.` }),
    });
  }

  return (
    <Paper withBorder p="md" bd="1px solid var(--usher-stranger-line)">
      <WhoForm exclude={personId} pending={change.isPending} onName={name} onPick={join}>
        {sightings > 1 && (
          <Checkbox
            size="xs"
            label={`Choosing somebody below moves all ${count(sightings, "sighting")} of this stranger`}
            checked={everything}
            onChange={(event) => setEverything(event.currentTarget.checked)}
          />
        )}
      </WhoForm>
    </Paper>
  );
}

/** Says that a detection shows somebody else, for this one picture. */
function ReassignForm({ detection }: { detection: Detection }) {
  const change = useChange();
  const [opened, setOpened] = useState(detection.status === "unidentifiable");

  if (!opened) {
    return (
      <Button
        variant="default"
        leftSection={<IconUserQuestion size={16} aria-hidden />}
        onClick={() => setOpened(true)}
      >
        {detection.status === "not_a_face" ? "It is a face" : "This is somebody else"}
      </Button>
    );
  }

  async function nameNewPerson(name: string) {
    const assigned = await assignDetection(detection.id, { new_person: true });
    if (assigned.person) await updatePerson(assigned.person.id, { name });
  }

  function say(request: () => Promise<unknown>, name: string) {
    change.mutate(request, {
      onSuccess: () => {
        setOpened(false);
        notifications.show({ message: `This is ${name}.` });
      },
    });
  }

  return (
    <Paper withBorder p="md">
      <WhoForm
        exclude={detection.person?.id}
        pending={change.isPending}
        onName={(name) => say(() => nameNewPerson(name), name)}
        onPick={(person) =>
          say(() => assignDetection(detection.id, { person_id: person.id }), personName(person))
        }
      >
        <Text fz="xs" c="dimmed">
          Changes this picture only.
        </Text>
      </WhoForm>
    </Paper>
  );
}
