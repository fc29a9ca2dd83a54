import { Text } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { ActionBar } from "./ActionBar";
import { AnswerKeys, type Choice, KeyLegend } from "./AnswerKeys";
import { CardGrid } from "./CardGrid";
import styles from "./Several.module.css";

const CARD_WIDTH_PX = 140;

export type Card = { key: string; picture: ReactNode; title: string; detail: string };

/** Which of several are chosen; those that have left the list are so no longer. */
export function useChosen<Item>(items: Item[], keyOf: (item: Item) => string) {
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());

  function toggle(key: string) {
    const next = new Set(marked);
    if (!next.delete(key)) next.add(key);
    setMarked(next);
  }

  return { chosen: items.filter((item) => marked.has(keyOf(item))), marked, toggle };
}

/** Cards to choose several of, which then get one answer. */
export function Several({
  label,
  cards,
  marked,
  toggle,
  choices,
  children,
}: {
  label: string;
  cards: Card[];
  marked: ReadonlySet<string>;
  toggle: (key: string) => void;
  choices: Choice[];
  children?: ReactNode;
}) {
  const chosen = cards.filter(({ key }) => marked.has(key)).length;
  return (
    <section aria-label={label}>
      <CardGrid label={label} cardWidth={CARD_WIDTH_PX}>
        {cards.map(({ key, picture, title, detail }) => (
          <li key={key}>
            <label className={styles.card} data-chosen={marked.has(key)}>
              <input
                type="checkbox"
                className={styles.choice}
                checked={marked.has(key)}
                onChange={() => toggle(key)}
              />
              {picture}
              <span className={styles.title}>{title}</span>
              <span className={styles.detail}>{detail}</span>
            </label>
          </li>
        ))}
      </CardGrid>
      {children}
      <ActionBar>
        <Text fz="sm" fw={600} role="status">
          {chosen === 0 ? "Choose some, then answer" : `${chosen} chosen`}
        </Text>
        <AnswerKeys
          choices={choices.map((choice) => ({
            ...choice,
            disabled: chosen === 0 || choice.disabled === true,
          }))}
        />
      </ActionBar>
      <KeyLegend back={false} />
    </section>
  );
}
