import { useState } from "react";

/** Goes round items, which come and go; the one that is on the screen stays there. */
export function useQueue<Item>(items: Item[], keyOf: (item: Item) => string) {
  const [at, setAt] = useState<{ place: number; key?: string }>({ place: 0 });
  const keys = items.map(keyOf);
  const held = at.key === undefined ? -1 : keys.indexOf(at.key);
  const place = held < 0 ? at.place % Math.max(items.length, 1) : held;
  const shown = items[place];
  const key = keys[place];
  if (key !== undefined && (key !== at.key || place !== at.place)) setAt({ place, key });

  function move(steps: number) {
    const next = (place + steps + items.length) % items.length;
    const nextKey = keys[next];
    setAt(nextKey === undefined ? { place: next } : { place: next, key: nextKey });
  }

  return { place, shown, move };
}
