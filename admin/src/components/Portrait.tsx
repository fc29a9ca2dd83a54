import { IconUser } from "@tabler/icons-react";
import { useState } from "react";
import { faceImage } from "../api/client";
import type { Person, PersonBrief } from "../api/types";
import { personName } from "../outcome";
import styles from "./Portrait.module.css";

/** A person's picture; initials, or a silhouette, where there is none. */
export function Portrait({
  person,
  size,
}: {
  person: PersonBrief & Pick<Person, "face_id">;
  size: number | "100%";
}) {
  const [brokenFaceId, setBrokenFaceId] = useState<string>();
  const { face_id: faceId } = person;
  const width = typeof size === "number" ? size : undefined;
  return (
    <div
      className={styles.portrait}
      data-kind={person.kind}
      style={{ width: size, fontSize: width && width / 2.8 }}
    >
      {faceId && faceId !== brokenFaceId ? (
        <img
          src={faceImage(person.id, faceId, width && width <= 80 ? 160 : 320)}
          alt={`Portrait of ${personName(person)}`}
          loading="lazy"
          // It may have become somebody else's since the list was read.
          onError={() => setBrokenFaceId(faceId)}
        />
      ) : (
        (initials(person.name) ?? <IconUser size="45%" stroke={1.5} aria-hidden />)
      )}
    </div>
  );
}

function initials(name: string | null): string | undefined {
  const words = name?.split(/\s+/) ?? [];
  return words.length > 0
    ? [words.at(0), words.length > 1 ? words.at(-1) : ""]
        .map((word) => [...(word ?? "")][0] ?? "")
        .join("")
        .toUpperCase()
    : undefined;
}
