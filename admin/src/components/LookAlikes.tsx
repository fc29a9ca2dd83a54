import { Link } from "react-router";
import type { Confidence, LookAlike } from "../api/types";
import { personName } from "../outcome";
import { ConfidenceMeter } from "./ConfidenceMeter";
import styles from "./LookAlikes.module.css";
import { PersonPortrait } from "./PersonPortrait";

const WORDS: Record<Confidence, string> = {
  high: "Would be taken for each other",
  medium: "May be taken for each other",
  low: "Could be taken for each other, seldom",
};

/** Pairs of people who are hard to tell apart, or are one person twice. */
export function LookAlikes({ pairs }: { pairs: LookAlike[] }) {
  return (
    <ul className={styles.pairs} aria-label="Look-alikes">
      {pairs.map(({ persons, confidence }) => (
        <li key={persons.map(({ id }) => id).join(" ")} className={styles.pair}>
          {persons.map((person) => (
            <Link key={person.id} className={styles.person} to={`/people/${person.id}`}>
              <PersonPortrait person={person} size="100%" />
              {personName(person)}
            </Link>
          ))}
          <span className={styles.alike}>
            <ConfidenceMeter confidence={confidence} />
            {WORDS[confidence]}
          </span>
        </li>
      ))}
    </ul>
  );
}
