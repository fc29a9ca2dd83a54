import { Modal, Text } from "@mantine/core";
import type { Person } from "../api/types";
import { count } from "../format";
import type { Question } from "../review";
import { WhoForm } from "./WhoForm";

/** Asks who it is that was taken for the candidate. */
export function WhoDialog({
  question,
  opened,
  pending,
  onName,
  onPick,
  onClose,
}: {
  question: Question;
  opened: boolean;
  pending: boolean;
  onName: (name: string) => void;
  onPick: (person: Person) => void;
  onClose: () => void;
}) {
  const { stranger, detections } = question;
  return (
    <Modal opened={opened} onClose={onClose} title="Somebody else">
      <WhoForm exclude={stranger?.id} pending={pending} onName={onName} onPick={onPick} focusName>
        <Text fz="xs" c="dimmed">
          {stranger
            ? `Goes for all that was seen of this stranger, here ${count(detections.length, "picture")}.`
            : "Goes for this picture only."}
        </Text>
      </WhoForm>
    </Modal>
  );
}
