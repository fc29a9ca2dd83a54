import { Button, Group } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { notifications, notificationsStore } from "@mantine/notifications";
import { changesOf, undoAll } from "../api/history";
import { useChange, useSession } from "../api/queries";
import type { IdentityChange } from "../api/types";
import { useKeys } from "./useKeys";

const SHOWN_MS = 12_000;
const PREFIX = "undo-";

type Words = {
  done: string;
  /** Somebody whom the change touches, whatever comes of it. */
  personId?: string | undefined;
  onDone?: () => void;
};

/** As `useChange`, for changes of who is who: says what was done, with a button to undo it. */
export function useIdentityChange() {
  const actor = useSession().data?.user.username;
  const change = useChange<IdentityChange[]>();
  return {
    isPending: change.isPending,
    run: (request: () => Promise<unknown>, { done, personId, onDone }: Words) =>
      change.run(
        () => changesOf(request, actor, personId),
        (changes) => {
          tell(done, changes);
          onDone?.();
        },
      ),
  };
}

/** Only the newest change has its button: the history has the others. */
function tell(done: string, changes: IdentityChange[]): void {
  for (const { id } of notificationsStore.getState().notifications) {
    if (id?.startsWith(PREFIX)) notifications.hide(id);
  }
  const [newest] = changes;
  if (!newest) {
    notifications.show({ message: done });
    return;
  }
  const id = PREFIX + newest.id;
  notifications.show({
    id,
    autoClose: SHOWN_MS,
    message: <Undoable done={done} changes={changes} onUndo={() => notifications.hide(id)} />,
  });
}

function Undoable({
  done,
  changes,
  onUndo,
}: {
  done: string;
  changes: IdentityChange[];
  onUndo: () => void;
}) {
  const change = useChange();

  function undo() {
    onUndo();
    change.run(
      () => undoAll(changes),
      () => notifications.show({ message: "Taken back." }),
    );
  }

  useHotkeys([["mod+Z", undo]]);
  useKeys([["U", undo]]);
  return (
    <Group justify="space-between" wrap="nowrap" gap="sm">
      <span>{done}</span>
      <Button size="compact-sm" variant="light" aria-keyshortcuts="Control+Z U" onClick={undo}>
        Undo
      </Button>
    </Group>
  );
}
