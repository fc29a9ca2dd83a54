import { usePerson } from "../api/queries";
import type { PersonBrief } from "../api/types";
import { Portrait } from "./Portrait";

/** The portrait of a person of whom no more than the name is at hand. */
export function PersonPortrait({ person, size }: { person: PersonBrief; size: number | "100%" }) {
  const whole = usePerson(person.id).data;
  return <Portrait person={whole ?? person} size={size} />;
}
