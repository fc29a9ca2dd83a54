import styles from "./Figures.module.css";

/** A few counts, large, each with its word. */
export function Figures({ label, figures }: { label: string; figures: Record<string, number> }) {
  return (
    <dl className={styles.figures} aria-label={label}>
      {Object.entries(figures).map(([name, value]) => (
        <div key={name} className={styles.figure}>
          <dt>{name}</dt>
          <dd>{value.toLocaleString()}</dd>
        </div>
      ))}
    </dl>
  );
}
