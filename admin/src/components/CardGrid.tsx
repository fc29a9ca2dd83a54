import { useElementSize, useMergedRef } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import {
  Children,
  type CSSProperties,
  cloneElement,
  type HTMLAttributes,
  type ReactElement,
  type ReactNode,
  type RefAttributes,
  useRef,
} from "react";
import styles from "./CardGrid.module.css";

/** With fewer cards than these, all are in the document. */
const WINDOWED_FROM = 100;
const GAP_PX = 12;
const ROWS_BEYOND = 4;
/** Of a long list, while it is not known how many columns there are. */
const AT_FIRST = 24;

type Card = ReactElement<
  HTMLAttributes<HTMLLIElement> & RefAttributes<HTMLLIElement> & { "data-index"?: number }
>;

/**
 * A list of cards (`li`; those of a row are of one height) in as many columns as there is room for,
 * and on a phone no fewer than `fewest`. Of a long one only the rows near the window are in the
 * document. `cardHeight` is a guess, for rows that were not drawn yet.
 */
export function CardGrid({
  label,
  cardWidth,
  cardHeight = 215,
  fewest = 2,
  children,
}: {
  label: string;
  cardWidth: number;
  cardHeight?: number;
  fewest?: 1 | 2;
  children: ReactNode;
}) {
  const cards = Children.toArray(children) as Card[];
  const list = useRef<HTMLUListElement>(null);
  const { ref, width } = useElementSize<HTMLUListElement>();
  const long = cards.length >= WINDOWED_FROM;
  const windowed = long && width > 0;
  const columns = windowed ? columnsOf(list.current) : 1;
  const rows = useWindowVirtualizer({
    enabled: windowed,
    count: Math.ceil(cards.length / columns),
    estimateSize: () => cardHeight,
    gap: GAP_PX,
    overscan: ROWS_BEYOND,
    scrollMargin: windowed ? topOf(list.current) : 0,
  });
  const shown = rows.getVirtualItems();
  const { scrollMargin } = rows.options;
  const above = (shown[0]?.start ?? scrollMargin) - scrollMargin;
  const below = rows.getTotalSize() - (shown.at(-1)?.end ?? scrollMargin) + scrollMargin;

  return (
    <ul
      ref={useMergedRef(list, ref)}
      className={styles.grid}
      aria-label={label}
      data-windowed={windowed}
      style={
        {
          gap: GAP_PX,
          "--card-width": `${cardWidth}px`,
          "--card-height": `${cardHeight}px`,
          "--widest": fewest === 1 ? "100%" : "44%",
          ...(windowed && { paddingBlock: `${above}px ${below}px` }),
        } as CSSProperties
      }
    >
      {windowed
        ? shown.flatMap(({ index: row }) =>
            cards.slice(row * columns, (row + 1) * columns).map((card, column) =>
              cloneElement(card, {
                "aria-setsize": cards.length,
                "aria-posinset": row * columns + column + 1,
                ...(column === 0 && { ref: rows.measureElement, "data-index": row }),
              }),
            ),
          )
        : cards.slice(0, long ? AT_FIRST : undefined)}
    </ul>
  );
}

/** How many columns the style sheet has made of the width. */
function columnsOf(grid: Element | null): number {
  return grid ? getComputedStyle(grid).gridTemplateColumns.split(" ").length : 1;
}

/** Where an element begins, from the top of the page. */
function topOf(element: Element | null): number {
  return element ? element.getBoundingClientRect().top + window.scrollY : 0;
}
