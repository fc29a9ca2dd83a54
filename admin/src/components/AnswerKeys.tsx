import { Button, Kbd, Text } from "@mantine/core";
import type { ReactNode } from "react";
import styles from "./AnswerKeys.module.css";
import { useKeys } from "./useKeys";

export type Choice = {
  /** As a browser calls it; a letter in upper case. */
  key: string;
  label: string;
  answer: () => void;
  variant?: string;
  disabled?: boolean;
};

const SIGNS: Record<string, string> = { ArrowRight: "→", ArrowLeft: "←" };

/** Answers by button and by key, and a word on the keys that have no button. */
export function AnswerKeys({ choices, children }: { choices: Choice[]; children?: ReactNode }) {
  const given = choices.filter(({ disabled }) => !disabled);
  useKeys(given.map(({ key, answer }) => [key, answer]));

  return (
    <div className={styles.answers}>
      {choices.map(({ key, label, answer, variant = "default", disabled = false }) => (
        <Button
          key={key}
          variant={variant}
          disabled={disabled}
          rightSection={
            <Kbd className={styles.key} size="xs" aria-hidden>
              {SIGNS[key] ?? key}
            </Kbd>
          }
          aria-keyshortcuts={key}
          onClick={answer}
        >
          {label}
        </Button>
      ))}
      {children}
    </div>
  );
}

/** What can be done by key besides what the buttons say. */
export function KeyLegend({ back = true }: { back?: boolean }) {
  return (
    <Text className={styles.legend} fz="xs" c="dimmed" component="p">
      By key: the letters on the buttons
      {back && (
        <>
          , <Kbd size="xs">→</Kbd> and <Kbd size="xs">←</Kbd> for the next and the one before
        </>
      )}
      , <Kbd size="xs">U</Kbd> or <Kbd size="xs">Ctrl</Kbd> <Kbd size="xs">Z</Kbd> to take the last
      answer back.
    </Text>
  );
}
