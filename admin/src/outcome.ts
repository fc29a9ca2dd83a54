// Who a detection shows, in words, and how it is to look.

import type { Confidence, Detection, PersonBrief, PersonKind } from "./api/types";

/** How a detection looks: by whom it shows, or by how far it came. */
export type Tone = PersonKind | "waiting" | "unusable" | "failed";

export type Outcome = { tone: Tone; label: string };

/** A person's name; strangers go by their identifier. */
export function personName(person: Pick<PersonBrief, "id" | "name">): string {
  return person.name ?? `Stranger ${person.id}`;
}

export function outcomeOf({ status, person }: Detection): Outcome {
  switch (status) {
    case "pending":
    case "embedded":
      return { tone: "waiting", label: "Identifying…" };
    case "failed":
      return { tone: "failed", label: "Failed" };
    case "unidentifiable":
      return { tone: "unusable", label: "Not identifiable" };
    case "not_a_face":
      return { tone: "unusable", label: "Not a face" };
    case "classified":
      // A person who was deleted leaves detections without one, for a moment.
      if (!person) return { tone: "unusable", label: "Nobody any more" };
      return { tone: person.kind, label: personName(person) };
  }
}

const EXPLANATIONS: Partial<Record<Tone, string>> = {
  unknown: "Nobody whom Usher knows by name.",
  waiting: "Usher is still comparing this face with the people it knows.",
  ignored: "Ignored: seen, and never reported.",
};

/** The bands are those of `usher/identity/decide.py`. */
const SO_ALIKE: Record<Confidence, string> = {
  high: "By likeness: Usher reckons that at most 1 stranger in 10,000 would be so like one of its people.",
  medium:
    "By likeness: Usher reckons that at most 1 stranger in 500 would be so like one of its people.",
  low: "By likeness, but look closely: more than 1 stranger in 500 would be so like one of Usher's people.",
};

/** Why a detection is what it is; undefined where its label says it. */
export function explanationOf(detection: Detection): string | undefined {
  const { tone } = outcomeOf(detection);
  if (tone !== "known") return EXPLANATIONS[tone];
  if (detection.confirmed) return "Somebody said so: Usher does not decide it again.";
  if (detection.confidence) return SO_ALIKE[detection.confidence];
  return "Not by likeness alone: this was a stranger's until they got a name, or goes with another picture of the same track.";
}
