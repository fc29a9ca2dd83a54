import { Button, Text } from "@mantine/core";
import { IconPhotoPlus } from "@tabler/icons-react";
import { assignDetection } from "../api/client";
import { usePerson } from "../api/queries";
import type { Detection, PersonBrief } from "../api/types";
import { personName } from "../outcome";
import { useIdentityChange } from "./Undo";

/** The API keeps no more photographs of a person. */
const ENOUGH = 100;

/** Makes what a camera saw of somebody known one of their photographs, or says why it cannot be. */
export function KeepPhotograph({ detection }: { detection: Detection }) {
  const { person, status, confirmed } = detection;
  if (person?.kind !== "known" || status !== "classified" || confirmed) return null;
  return <Keep detection={detection} person={person} />;
}

function Keep({ detection, person }: { detection: Detection; person: PersonBrief }) {
  const change = useIdentityChange();
  const photographs = usePerson(person.id).data?.faces ?? 0;
  const obstacle = obstacleOf(detection, person, photographs);
  if (obstacle) {
    return (
      <Text fz="sm" c="dimmed">
        {obstacle}
      </Text>
    );
  }

  function keep() {
    change.run(() => assignDetection(detection.id, { person_id: person.id }), {
      done: `A photograph of ${personName(person)} from now on.`,
      personId: person.id,
    });
  }

  return (
    <Button
      variant="default"
      h="auto"
      mih={36}
      py={6}
      styles={{ label: { whiteSpace: "normal" } }}
      leftSection={<IconPhotoPlus size={16} aria-hidden />}
      disabled={change.isPending}
      onClick={keep}
    >
      Keep as a photograph of {personName(person)}
    </Button>
  );
}

function obstacleOf({ quality }: Detection, person: PersonBrief, photographs: number) {
  if (!quality?.acceptable) {
    return `Not good enough to be kept as a photograph of ${personName(person)}.`;
  }
  if (photographs >= ENOUGH) return `${personName(person)} has ${ENOUGH} photographs: enough.`;
  return undefined;
}
