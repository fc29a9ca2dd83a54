import { Button, Checkbox, Group, Paper, Stack, Text } from "@mantine/core";
import {
  type Icon,
  IconEye,
  IconEyeOff,
  IconFaceIdError,
  IconReload,
  IconUserPlus,
  IconUserQuestion,
  IconUserX,
} from "@tabler/icons-react";
import { useState } from "react";
import {
  assignDetection,
  mergePerson,
  rejectDetection,
  retryDetection,
  stopIgnoring,
  updatePerson,
} from "../api/client";
import { usePerson } from "../api/queries";
import type { Detection, Person } from "../api/types";
import { count } from "../format";
import { outcomeOf, personName } from "../outcome";
import { KeepPhotograph } from "./KeepPhotograph";
import { useIdentityChange } from "./Undo";
import { WhoForm } from "./WhoForm";

/** What can be done about a detection: say who it is, ignore them, or take it out. */
export function Corrections({ detection }: { detection: Detection }) {
  const change = useIdentityChange();
  const [naming, setNaming] = useState(detection.status === "unidentifiable");
  const { tone } = outcomeOf(detection);
  const mayBeOther = tone !== "unknown" && tone !== "failed";
  if (tone === "waiting") return null;

  return (
    <Stack gap="md">
      {tone === "unknown" && detection.person && (
        <StrangerForm detection={detection} personId={detection.person.id} />
      )}
      {mayBeOther && naming && (
        <ReassignForm detection={detection} onDone={() => setNaming(false)} />
      )}
      <Group gap="xs">
        <KeepPhotograph detection={detection} />
        {mayBeOther && !naming && (
          <Button
            variant="default"
            leftSection={<IconUserQuestion size={16} aria-hidden />}
            onClick={() => setNaming(true)}
          >
            {detection.status === "not_a_face" ? "It is a face" : "This is somebody else"}
          </Button>
        )}
        {actionsFor(detection).map(({ label, Icon, request, done }) => (
          <Button
            key={label}
            variant="default"
            leftSection={<Icon size={16} aria-hidden />}
            disabled={change.isPending}
            onClick={() => change.run(request, { done, personId: detection.person?.id })}
          >
            {label}
          </Button>
        ))}
      </Group>
    </Stack>
  );
}

type Action = { label: string; Icon: Icon; request: () => Promise<unknown>; done: string };

function actionsFor({ id, status, person }: Detection): Action[] {
  const actions: Action[] = [];
  if (status === "failed") {
    actions.push({
      label: "Try again",
      Icon: IconReload,
      request: () => retryDetection(id),
      done: "Trying again.",
    });
  }
  if (person?.kind === "unknown") {
    actions.push(
      {
        label: "Ignore this person",
        Icon: IconEyeOff,
        request: () => updatePerson(person.id, { kind: "ignored" }),
        done: "Ignored from now on.",
      },
      {
        label: "Not the same stranger",
        Icon: IconUserPlus,
        request: () => assignDetection(id, { new_person: true }),
        done: "A stranger of their own from now on.",
      },
    );
  }
  if (person?.kind === "known" && status === "classified") {
    actions.push({
      label: `Not ${personName(person)}`,
      Icon: IconUserX,
      request: () => rejectDetection(id, person.id),
      done: `Not ${personName(person)}. Usher decides again who it is.`,
    });
  }
  if (person?.kind === "ignored") {
    actions.push({
      label: "Stop ignoring",
      Icon: IconEye,
      request: () => stopIgnoring(person),
      done: "No longer ignored.",
    });
  }
  if (status === "not_a_face" || status === "unidentifiable") {
    actions.push({
      label: "A stranger",
      Icon: IconUserPlus,
      request: () => assignDetection(id, { new_person: true }),
      done: "A stranger from now on.",
    });
  }
  if (status !== "not_a_face") {
    actions.push({
      label: "Not a face",
      Icon: IconFaceIdError,
      request: () => assignDetection(id, { not_a_face: true }),
      done: "Taken out: not a face.",
    });
  }
  return actions;
}

/** Names a stranger, or says which person they turned out to be. */
function StrangerForm({ detection, personId }: { detection: Detection; personId: string }) {
  const stranger = usePerson(personId).data;
  const change = useIdentityChange();
  const [everything, setEverything] = useState(true);
  const sightings = stranger?.detections ?? 1;

  function join(person: Person) {
    change.run(
      () =>
        everything
          ? mergePerson(person.id, personId)
          : assignDetection(detection.id, { person_id: person.id }),
      { done: `This is ${personName(person)}.`, personId: person.id },
    );
  }

  function name(given: string) {
    change.run(() => updatePerson(personId, { name: given }), {
      done: `Usher knows ${given} now.`,
      personId,
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
function ReassignForm({ detection, onDone }: { detection: Detection; onDone: () => void }) {
  const change = useIdentityChange();

  async function nameNewPerson(name: string) {
    const assigned = await assignDetection(detection.id, { new_person: true });
    if (assigned.person) await updatePerson(assigned.person.id, { name });
  }

  function say(request: () => Promise<unknown>, name: string) {
    change.run(request, { done: `This is ${name}.`, onDone });
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
