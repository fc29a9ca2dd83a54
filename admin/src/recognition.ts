// Who is in the picture of the browser's own camera, in words, and how it is to look.

import { addFace, createPerson, deletePerson, updatePerson } from "./api/client";
import type { Confidence, IdentifiedFace, Person } from "./api/types";
import { personName } from "./outcome";

/** How a face looks: by whom it shows, or by what keeps Usher from saying so. */
export type FaceTone = "known" | "ignored" | "unknown" | "unsure" | "unusable";

export type FaceWords = { tone: FaceTone; label: string; detail: string };

const SURENESS: Record<Confidence, string> = {
  high: "Surely",
  medium: "Very likely",
  low: "Likely",
};

export function wordsOf({ person, candidate, confidence, quality }: IdentifiedFace): FaceWords {
  if (person && person.kind !== "unknown") {
    const sureness = confidence ? SURENESS[confidence] : "Likely";
    const ignored = person.kind === "ignored";
    return {
      tone: person.kind,
      label: personName(person),
      detail: ignored ? `${sureness}. No alert is sent about them.` : `${sureness}.`,
    };
  }
  if (candidate) {
    const label = `${personName(candidate)}?`;
    return { tone: "unsure", label, detail: "Perhaps. Usher would ask under Review." };
  }
  if (person) {
    return { tone: "unknown", label: personName(person), detail: "A stranger, seen before." };
  }
  if (!quality.acceptable) {
    return { tone: "unusable", label: "Not clear enough", detail: adviceOn(quality.reasons) };
  }
  return { tone: "unknown", label: "Stranger", detail: "Usher has not met them." };
}

/** What to do about a face that is not clear enough. */
export function adviceOn(reasons: string[]): string {
  const advice = "Come closer, look at the camera, and let light fall on the face.";
  return reasons.length > 0 ? `${advice} (${reasons.join("; ")})` : advice;
}

/** Makes a picture one of those that somebody is recognised by. */
export const enrolAs = (person: Pick<Person, "id">, picture: File) => addFace(person.id, picture);

/**
 * Gives somebody a name, and recognises them by a picture from now on. A stranger whom Usher has
 * met already keeps what was seen of them.
 */
export async function enrolAnew(
  name: string,
  picture: File,
  { person }: IdentifiedFace,
): Promise<Person> {
  if (person?.kind === "unknown") {
    await addFace(person.id, picture);
    return updatePerson(person.id, { name });
  }
  const created = await createPerson({ name });
  try {
    await addFace(created.id, picture);
  } catch (error) {
    await deletePerson(created.id);
    throw error;
  }
  return created;
}
