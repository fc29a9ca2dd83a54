import type { ReactNode } from "react";
import styles from "./ActionBar.module.css";

/** What can be done with what is chosen above; it stays in sight while the page scrolls. */
export function ActionBar({ children }: { children: ReactNode }) {
  return <div className={styles.bar}>{children}</div>;
}
