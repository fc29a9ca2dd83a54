// Areas of a camera's picture, as they are drawn.

import type { CameraRegions, Corner } from "./api/types";

/** `include`: faces are looked for there; `exclude`: they are not. */
export type AreaKind = "include" | "exclude";
export type Area = { kind: AreaKind; corners: Corner[] };

export const FEWEST_CORNERS = 3;

export const KIND_WORDS: Record<AreaKind, string> = {
  include: "look here",
  exclude: "leave out",
};

export function areasOf(regions: CameraRegions | null | undefined): Area[] {
  const kinds: AreaKind[] = ["include", "exclude"];
  return kinds.flatMap((kind) => (regions?.[kind] ?? []).map((corners) => ({ kind, corners })));
}

/** Null where nothing is drawn: the device's own configuration counts then. */
export function regionsOf(areas: Area[]): CameraRegions | null {
  if (areas.length === 0) return null;
  const ofKind = (wanted: AreaKind) =>
    areas.filter(({ kind }) => kind === wanted).map(({ corners }) => corners);
  return { include: ofKind("include"), exclude: ofKind("exclude") };
}

export function newArea(kind: AreaKind): Area {
  return {
    kind,
    corners: [
      [0.3, 0.3],
      [0.7, 0.3],
      [0.7, 0.7],
      [0.3, 0.7],
    ],
  };
}

/** With a corner somewhere else, inside the picture. */
export function moved({ kind, corners }: Area, place: number, [x, y]: Corner): Area {
  const inside = (share: number) => Math.round(Math.min(1, Math.max(0, share)) * 1e4) / 1e4;
  return { kind, corners: corners.with(place, [inside(x), inside(y)]) };
}

/** With another corner, half way to the one that follows. */
export function split({ kind, corners }: Area, place: number): Area {
  return { kind, corners: corners.toSpliced(place + 1, 0, halfWay(corners, place)) };
}

export function halfWay(corners: Corner[], place: number): Corner {
  const [x, y] = corners[place] as Corner;
  const [toX, toY] = corners[(place + 1) % corners.length] as Corner;
  return [(x + toX) / 2, (y + toY) / 2];
}

export function without({ kind, corners }: Area, place: number): Area {
  if (corners.length <= FEWEST_CORNERS) return { kind, corners };
  return { kind, corners: corners.toSpliced(place, 1) };
}
