// Who a detection shows, in words, and how it is to look.

import type { Detection, PersonBrief, PersonKind } from "./api/types";

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
