import { useEffect, useEffectEvent } from "react";

interface Overlay {
  /** The place in the history of the page that it lies over. */
  place: number | undefined;
  close: () => void;
}

const overlays: Overlay[] = [];
let isReturning = false;

/** The browser's Back closes `close`'s overlay while it is opened, the topmost first, and stays on
 * the page. */
export function useBackCloses(opened: boolean, close: () => void) {
  const closeNow = useEffectEvent(close);
  useEffect(() => {
    if (!opened) return;
    layFloor();
    const overlay = { place: placeOf(window.history.state), close: () => closeNow() };
    overlays.push(overlay);
    return () => {
      overlays.splice(overlays.indexOf(overlay), 1);
    };
  }, [opened]);
}

/** The router numbers the pages that one has gone to. */
function placeOf(state: { idx?: number } | null) {
  return state?.idx;
}

/** Back from the page that a tab begins with leaves Usher unheard: such a page gets an entry beneath
 * it, which Back passes over where nothing lies over the page. */
function layFloor() {
  const state = window.history.state;
  if (placeOf(state) !== 0) return;
  window.history.replaceState({ ...state, isFloor: true }, "");
  window.history.pushState({ ...state, idx: 1 }, "");
}

// Heard before the router hears it, which would show the page before.
window.addEventListener("popstate", (event) => {
  if (isReturning) {
    isReturning = false;
    event.stopImmediatePropagation();
    return;
  }
  const overlay = overlays.at(-1);
  if (!overlay && event.state?.isFloor) {
    event.stopImmediatePropagation();
    window.history.back();
    return;
  }
  const [from, to] = [overlay?.place, placeOf(event.state)];
  if (!overlay || from === undefined || to === undefined || from === to) return;
  event.stopImmediatePropagation();
  isReturning = true;
  window.history.go(from - to);
  overlay.close();
});
