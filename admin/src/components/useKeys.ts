import { useHotkeys } from "@mantine/hooks";

/** Does things by key, wherever on the page the cursor is, except where keys have a meaning. */
export function useKeys(keys: [string, () => void][]): void {
  useHotkeys(
    keys.map(([key, act]) => [
      key,
      (event) => {
        if (!isMeant(event)) return;
        event.preventDefault();
        act();
      },
      { preventDefault: false },
    ]),
    ["TEXTAREA", "SELECT"],
  );
}

/**
 * A key held down, or pressed in a field or a menu, is no answer; nor is any while a dialog is open:
 * what somebody types there may come before the cursor does.
 */
function isMeant({ repeat, target }: KeyboardEvent): boolean {
  if (repeat || document.querySelector("[role=dialog]")) return false;
  return !(target instanceof Element && target.closest("[role=menu], input:not([type=checkbox])"));
}
