// What a change of identity did, in words.

import type { IdentityChange } from "./api/types";
import { count, listed } from "./format";
import { personName } from "./outcome";

/** "Merged Stranger p-1 into Alice: 5 pictures", and so on; who is deleted has no name any more. */
export function changeWords({ kind, persons, detections }: IdentityChange): string {
  const [first, ...rest] = persons.map(personName);
  const meant = first ?? "somebody";
  const others = rest.length > 0 ? listed(rest) : undefined;
  const pictures = count(detections, "picture");
  switch (kind) {
    case "merge":
      return `Merged ${others ?? "somebody"} into ${meant}: ${pictures}`;
    case "move":
      if (others) return `Moved ${pictures} from ${others} to ${meant}`;
      return detections > 0
        ? `Corrected ${pictures} of ${meant}`
        : `Confirmed that a picture shows ${meant}`;
    case "reject":
      return others ? `Said that ${others} is not ${meant}` : `Said that a picture is not ${meant}`;
    case "update":
      return `Changed the name of ${meant}, or whether they are ignored`;
    case "redecide":
      return `Recognised ${meant} in ${count(detections, "earlier picture")}`;
  }
}
