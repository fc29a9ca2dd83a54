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
/** Of a row that was not drawn yet. */
const ROW_PX = 227;

type Card = ReactElement<
  HTMLAttributes<HTMLLIElement> & RefAttributes<HTMLLIElement> & { "data-index"?: number }
>;

/**
 * A list of cards (`li`, all of one height) in as many columns as there is room for; two on a
 * phone. Of a long one only the rows near the window are in the document.
 */
export function CardGrid({
  label,
  cardWidth,
  children,
}: {
  label: string;
  cardWidth: number;
  children: ReactNode;
}) {
  const cards = Children.toArray(children) as Card[];
  const list = useRef<HTMLUListElement>(null);
  const { ref, width } = useElementSize<HTMLUListElement>();
  const windowed = cards.length >= WINDOWED_FROM && width > 0;
  const columns = windowed ? columnsOf(list.current) : 1;
  const rows = useWindowVirtualizer({
    enabled: windowed,
    count: Math.ceil(cards.length / columns),
    estimateSize: () => ROW_PX,
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
        : cards}
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
