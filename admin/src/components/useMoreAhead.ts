import { useEffect } from "react";
import type { Continuable } from "../api/queries";

/** So many items before the end of what is loaded, more are loaded. */
const AHEAD = 10;

/** Loads the next page of a list before somebody who goes through it one by one gets there. */
export function useMoreAhead(list: Continuable, place: number, loaded: number): void {
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = list;
  const runsShort = hasNextPage && !isFetchingNextPage && place + AHEAD > loaded;

  useEffect(() => {
    if (runsShort) void fetchNextPage();
  }, [runsShort, fetchNextPage]);
}
