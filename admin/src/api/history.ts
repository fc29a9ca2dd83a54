// What a request left in the history of identities, so that it can be taken back.

import { listChanges, undoChange } from "./client";
import type { IdentityChange } from "./types";

/**
 * Sends a request, and returns the changes that it made and that can be undone, the newest first.
 * `personId` is somebody whom every one of them touches, where there is such a person.
 */
export async function changesOf(
  request: () => Promise<unknown>,
  actor: string | undefined,
  personId: string | undefined,
): Promise<IdentityChange[]> {
  const before = await listChanges(personId);
  await request();
  const after = await listChanges(personId);
  const known = after.items.findIndex(({ id }) => id === before.items[0]?.id);
  const since = known < 0 ? after.items : after.items.slice(0, known);
  return since.filter((change) => change.actor === actor && !change.undone_at && !change.final);
}

/** Takes changes back, the newest first. */
export async function undoAll(changes: IdentityChange[]): Promise<void> {
  for (const { id } of changes) await undoChange(id);
}
