import { Anchor, Button, Group, Text } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { notifications, notificationsStore, useNotifications } from "@mantine/notifications";
import { useSyncExternalStore } from "react";
import { Link } from "react-router";
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
  hideTold();
  const [newest] = changes;
  if (!newest) {
    notifications.show({ message: done });
    return;
  }
  keep({ done, changes });
  const id = PREFIX + newest.id;
  notifications.show({
    id,
    autoClose: SHOWN_MS,
    message: <Undoable done={done} changes={changes} onUndo={() => notifications.hide(id)} />,
  });
}

type Kept = { done: string; changes: IdentityChange[] };

let kept: Kept | undefined;
const listeners = new Set<() => void>();

function keep(answer: Kept | undefined): void {
  kept = answer;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The newest answer, to be taken back also when its notification has gone; and all the others. */
export function LastAnswer() {
  const newest = useSyncExternalStore(subscribe, () => kept);
  const { notifications: shown } = useNotifications();
  const isTold = shown.some(({ id }) => id === PREFIX + newest?.changes[0]?.id);
  // While the notification is there, it has the words, the button and the keys.
  const answer = isTold ? undefined : newest;
  const change = useChange();

  function undo() {
    if (!answer) return;
    keep(undefined);
    change.run(
      () => undoAll(answer.changes),
      () => notifications.show({ message: "Undone." }),
    );
  }

  useHotkeys([["mod+Z", undo]]);
  useKeys([["U", undo]]);
  return (
    <Group gap="xs" mt="lg">
      {answer && (
        <>
          <Text fz="sm" c="dimmed">
            {answer.done}
          </Text>
          <Button size="compact-sm" variant="light" loading={change.isPending} onClick={undo}>
            Take this back
          </Button>
        </>
      )}
      <Anchor component={Link} to="/identity#changes" fz="sm">
        All that was decided lately
      </Anchor>
    </Group>
  );
}

function hideTold(): void {
  for (const { id } of notificationsStore.getState().notifications) {
    if (id?.startsWith(PREFIX)) notifications.hide(id);
  }
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
    keep(undefined);
    change.run(
      () => undoAll(changes),
      () => notifications.show({ message: "Undone." }),
    );
  }

  useHotkeys([["mod+Z", undo]]);
  useKeys([["U", undo]]);
  return (
    <Group justify="space-between" wrap="nowrap" gap="sm">
      <span>{done}</span>
      <Button
        size="compact-sm"
        variant="light"
        flex="none"
        aria-keyshortcuts="Control+Z U"
        onClick={undo}
      >
        Undo
      </Button>
    </Group>
  );
}
