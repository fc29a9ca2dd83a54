import { Button } from "@mantine/core";
import { Link } from "react-router";
import type { FewReferences } from "../api/types";
import { count } from "../format";
import { personName } from "../outcome";
import { PersonPortrait } from "./PersonPortrait";
import { Rows, RowText } from "./Rows";

/** People who would be recognised better with more photographs. */
export function FewPhotographs({ people }: { people: FewReferences[] }) {
  return (
    <Rows label="Too few photographs">
      {people.map(({ person, references }) => (
        <li key={person.id}>
          <PersonPortrait person={person} size={40} />
          <RowText>
            <b>{personName(person)}</b>
            <div>{references === 0 ? "No photograph" : count(references, "photograph")}</div>
          </RowText>
          <Button
            component={Link}
            to={`/people/${person.id}`}
            size="xs"
            variant="default"
            aria-label={`Add photographs of ${personName(person)}`}
          >
            Add photographs
          </Button>
        </li>
      ))}
    </Rows>
  );
}
