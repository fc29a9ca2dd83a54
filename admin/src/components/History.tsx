import { Button, Skeleton, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { undoChange } from "../api/client";
import { useChange, useIdentityChanges } from "../api/queries";
import type { IdentityChange } from "../api/types";
import { changeWords } from "../changeWords";
import { Failure } from "./Failure";
import { ForManagers } from "./ForRoles";
import { LoadMore } from "./LoadMore";
import { Rows, RowText } from "./Rows";
import { TimeAgo } from "./TimeAgo";

/** Who changed who is who, when, and what: of one person, or of all. */
export function History({ personId, empty }: { personId?: string; empty: string }) {
  const changes = useIdentityChanges(personId);
  if (changes.isPending) return <Skeleton height={58} role="progressbar" aria-label="Loading" />;
  if (!changes.data) return <Failure error={changes.error} retry={changes.refetch} />;
  if (changes.data.length === 0) {
    return (
      <Text c="dimmed" fz="sm">
        {empty}
      </Text>
    );
  }
  return (
    <>
      <Rows label="History">
        {changes.data.map((change) => (
          <li key={change.id}>
            <What change={change} />
            {!change.undone_at && !change.final && (
              <ForManagers>
                <UndoButton change={change} />
              </ForManagers>
            )}
          </li>
        ))}
      </Rows>
      <LoadMore list={changes} label="Load older" />
    </>
  );
}

function What({ change }: { change: IdentityChange }) {
  const { at, undone_at: undoneAt, undone_by: undoneBy } = change;
  return (
    <RowText>
      <Text inherit c={undoneAt ? "dimmed" : undefined} td={undoneAt ? "line-through" : undefined}>
        {changeWords(change)}
      </Text>
      <Text fz="xs" c="dimmed">
        {actorName(change.actor)}, <TimeAgo at={at} />
        {undoneAt && (
          <>
            {" · "}Undone by {actorName(undoneBy ?? "somebody")}, <TimeAgo at={undoneAt} />
          </>
        )}
        {!undoneAt && change.final && ` · Cannot be taken back: ${change.final}`}
      </Text>
    </RowText>
  );
}

/** An account's name; Usher's own changes go by its name. */
const actorName = (actor: string) => (actor === "usher" ? "Usher" : actor);

function UndoButton({ change: { id, ...change } }: { change: IdentityChange }) {
  const undoing = useChange();
  return (
    <Button
      size="xs"
      variant="default"
      flex="none"
      loading={undoing.isPending}
      aria-label={`Undo: ${changeWords({ id, ...change })}`}
      onClick={() =>
        undoing.run(
          () => undoChange(id),
          () => notifications.show({ message: "Undone." }),
        )
      }
    >
      Undo
    </Button>
  );
}
