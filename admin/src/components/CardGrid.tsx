import type { CSSProperties, ReactNode } from "react";
import styles from "./CardGrid.module.css";

/** A list of cards in as many columns as there is room for; two on a phone. */
export function CardGrid({
  label,
  cardWidth,
  children,
}: {
  label: string;
  cardWidth: number;
  children: ReactNode;
}) {
  return (
    <ul
      className={styles.grid}
      aria-label={label}
      style={{ "--card-width": `${cardWidth}px` } as CSSProperties}
    >
      {children}
    </ul>
  );
}
