import type { ReactNode } from "react";
import styles from "./Rows.module.css";

/** A list of rows: `li` elements, with what takes the room in a `RowText`. */
export function Rows({ label, children }: { label: string; children: ReactNode }) {
  return (
    <ul className={styles.rows} aria-label={label}>
      {children}
    </ul>
  );
}

export function RowText({ children }: { children: ReactNode }) {
  return <div className={styles.what}>{children}</div>;
}
