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

/** A key held down, or pressed in a field, a dialog or a menu, is no answer. */
function isMeant({ repeat, target }: KeyboardEvent): boolean {
  const elsewhere = "[role=dialog], [role=menu], input:not([type=checkbox])";
  return !repeat && !(target instanceof Element && target.closest(elsewhere));
}
