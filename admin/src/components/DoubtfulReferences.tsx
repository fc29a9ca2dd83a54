import { Anchor, Button } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { faceImage, removeFace } from "../api/client";
import { useChange } from "../api/queries";
import type { DoubtfulReference } from "../api/types";
import { personName } from "../outcome";
import { Confirmation } from "./Confirmation";
import styles from "./DoubtfulReferences.module.css";
import { Rows, RowText } from "./Rows";

/** Photographs that do not fit their person, to look at and to remove. */
export function DoubtfulReferences({ references }: { references: DoubtfulReference[] }) {
  const [removing, setRemoving] = useState<DoubtfulReference>();
  const change = useChange();

  function remove({ person, face_id: faceId }: DoubtfulReference) {
    change.run(
      () => removeFace(person.id, faceId),
      () => setRemoving(undefined),
    );
  }

  return (
    <>
      <Rows label="Photographs that do not fit">
        {references.map((reference) => (
          <li key={reference.face_id}>
            <Doubt reference={reference} onRemove={() => setRemoving(reference)} />
          </li>
        ))}
      </Rows>
      <Confirmation
        opened={removing !== undefined}
        title="Remove this photograph?"
        action="Remove photograph"
        pending={change.isPending}
        onConfirm={() => removing && remove(removing)}
        onClose={() => setRemoving(undefined)}
      >
        New faces will no longer be compared with it. This cannot be taken back.
      </Confirmation>
    </>
  );
}

function Doubt({ reference, onRemove }: { reference: DoubtfulReference; onRemove: () => void }) {
  const { person, face_id: faceId, closer_to: closerTo } = reference;
  const name = personName(person);
  return (
    <>
      <img
        className={styles.picture}
        src={faceImage(person.id, faceId, 160)}
        alt={`Photograph of ${name}`}
        loading="lazy"
      />
      <RowText>
        <Anchor component={Link} to={`/people/${person.id}`} inherit fw={600} c="inherit">
          {name}
        </Anchor>
        <div>
          {closerTo
            ? `Looks more like ${personName(closerTo)}.`
            : "Looks unlike the other photographs."}
        </div>
      </RowText>
      <Button
        size="xs"
        variant="default"
        aria-label={`Remove this photograph of ${name}`}
        onClick={onRemove}
      >
        Remove
      </Button>
    </>
  );
}
