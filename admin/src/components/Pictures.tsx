import { UnstyledButton } from "@mantine/core";
import { type ReactNode, useState } from "react";
import styles from "./Pictures.module.css";

export type Picture = { key: string; src: string; alt: string; caption: ReactNode };

const THUMBNAILS = 5;

/** One picture of somebody, with the next few small below it to choose from. */
export function Pictures({ pictures, none }: { pictures: Picture[]; none: ReactNode }) {
  const [chosen, setChosen] = useState<string>();
  const shown = pictures.find(({ key }) => key === chosen) ?? pictures[0];
  const several = pictures.length > 1 ? pictures : [];
  return (
    <figure className={styles.pictures}>
      <div className={styles.picture}>{shown ? <img src={shown.src} alt={shown.alt} /> : none}</div>
      <figcaption className={styles.caption}>{shown?.caption}</figcaption>
      <ul className={styles.strip} aria-label="Pictures to choose from">
        {several.slice(0, THUMBNAILS).map((picture) => (
          <li key={picture.key}>
            <UnstyledButton
              className={styles.thumbnail}
              aria-pressed={picture === shown}
              onClick={() => setChosen(picture.key)}
            >
              <img src={picture.src} alt={picture.alt} loading="lazy" />
            </UnstyledButton>
          </li>
        ))}
      </ul>
    </figure>
  );
}
