import { useDisclosure } from "@mantine/hooks";
import { count } from "../format";
import type { Question } from "../review";
import { AnswerKeys, type Choice } from "./AnswerKeys";
import { useAnswers } from "./useAnswers";
import { useKeys } from "./useKeys";
import { WhoDialog } from "./WhoDialog";

/** The answers to a question and the skips, by button and by key. */
export function Answers({
  question,
  onAnswered,
  onSkip,
  onBack,
}: {
  question: Question;
  onAnswered: () => void;
  onSkip: () => void;
  onBack: () => void;
}) {
  const [asking, { open, close }] = useDisclosure();
  const { stranger, detections } = question;
  const answers = useAnswers(question, () => {
    close();
    onAnswered();
  });
  const choices: Choice[] = [
    { key: "Y", label: "Yes", answer: answers.accept, variant: "filled" },
    { key: "N", label: "No", answer: answers.reject },
    { key: "S", label: "Somebody else", answer: open },
    { key: "F", label: "Not a face", answer: answers.takeOut },
    { key: "ArrowRight", label: "Skip", answer: onSkip },
  ];
  if (answers.ignore) choices.splice(3, 0, { key: "I", label: "Ignore", answer: answers.ignore });

  useKeys([
    ["A", open],
    ["ArrowLeft", onBack],
  ]);

  return (
    <AnswerKeys choices={choices}>
      <WhoDialog
        title="Somebody else"
        exclude={stranger?.id}
        consequence={
          stranger
            ? `Goes for all that was seen of this stranger, here ${count(detections.length, "picture")}.`
            : "Goes for this picture only."
        }
        opened={asking}
        pending={answers.isPending}
        onName={answers.name}
        onPick={answers.pick}
        onClose={close}
      />
    </AnswerKeys>
  );
}
