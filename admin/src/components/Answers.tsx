import { Button, Kbd } from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import type { Question } from "../review";
import styles from "./Answers.module.css";
import { useAnswers } from "./useAnswers";
import { WhoDialog } from "./WhoDialog";

type Answer = { key: string; label: string; answer: () => void; variant?: string };

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
  const answers = useAnswers(question, () => {
    close();
    onAnswered();
  });
  const choices: Answer[] = [
    { key: "Y", label: "Yes", answer: answers.accept, variant: "filled" },
    { key: "N", label: "No", answer: answers.reject },
    { key: "A", label: "Somebody else", answer: open },
    { key: "S", label: "Skip", answer: onSkip },
  ];
  if (answers.ignore) choices.splice(3, 0, { key: "I", label: "Ignore", answer: answers.ignore });

  useHotkeys([
    ...choices.map(({ key, answer }): [string, (event: KeyboardEvent) => void] => [
      key,
      (event) => isMeant(event) && answer(),
    ]),
    ["ArrowRight", (event) => isMeant(event) && onSkip(), { preventDefault: false }],
    ["ArrowLeft", (event) => isMeant(event) && onBack(), { preventDefault: false }],
  ]);

  return (
    <div className={styles.answers}>
      {choices.map(({ key, label, answer, variant = "default" }) => (
        <Button
          key={key}
          variant={variant}
          rightSection={
            <Kbd className={styles.key} size="xs" aria-hidden>
              {key}
            </Kbd>
          }
          aria-keyshortcuts={key}
          onClick={answer}
        >
          {label}
        </Button>
      ))}
      <WhoDialog
        question={question}
        opened={asking}
        pending={answers.isPending}
        onName={answers.name}
        onPick={answers.pick}
        onClose={close}
      />
    </div>
  );
}

/** A key held down, or pressed in a dialog or a menu, is no answer. */
function isMeant({ repeat, target }: KeyboardEvent): boolean {
  return !repeat && !(target instanceof Element && target.closest("[role=dialog], [role=menu]"));
}
