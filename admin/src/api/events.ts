// The event stream: changes go straight into the cached lists.

import { type InfiniteData, type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { browserAlerts } from "../browserAlerts";
import { isQuestion } from "../review";
import { type AlertFilter, type DetectionFilter, openEvents, type Quality } from "./client";
import { refetchAll, SESSION } from "./queries";
import type { Alert, Detection, Page, Person, PersonRemoved } from "./types";

type Pages<Item> = InfiniteData<Page<Item>>;

const REOPEN_AFTER_MS = 5_000;
const REFETCH_AFTER_MS = 1_500;
/** A first page that grew longer than this by events is fetched anew, which shortens it. */
const LONG_PAGE = 200;

/** Follows the event stream while the page is visible; true while it is connected. */
export function useEvents(): boolean {
  const queryClient = useQueryClient();
  const [connected, setConnected] = useState(false);

  useEffect(() => {
    let source: EventSource | undefined;
    let reopening: number | undefined;
    const refetchSoon = throttle(() => refetchAll(queryClient));

    function open() {
      source = openEvents();
      source.onopen = () => {
        setConnected(true);
        // What happened while no stream was open is in no event. Not at once: a page that was just
        // opened is still fetching all of it.
        refetchSoon();
      };
      source.onerror = () => {
        setConnected(false);
        if (source?.readyState !== EventSource.CLOSED) return;
        // The browser gives up where the answer is an error: the session ended, or no API.
        void queryClient.invalidateQueries({ queryKey: SESSION });
        reopening = window.setTimeout(open, REOPEN_AFTER_MS);
      };
      applyEvents(source, queryClient);
    }

    function close() {
      window.clearTimeout(reopening);
      source?.close();
      setConnected(false);
    }

    // A browser allows six connections to one host: hidden tabs leave theirs to the visible one.
    function followVisibility() {
      close();
      if (!document.hidden) open();
    }

    followVisibility();
    document.addEventListener("visibilitychange", followVisibility);
    return () => {
      document.removeEventListener("visibilitychange", followVisibility);
      close();
    };
  }, [queryClient]);

  return connected;
}

function applyEvents(source: EventSource, queryClient: QueryClient): void {
  const refetchPersonsSoon = throttle(() => {
    void queryClient.invalidateQueries({ queryKey: ["persons"] });
    void queryClient.invalidateQueries({ queryKey: ["faces"] });
  });
  const refetchStatsSoon = throttle(() => {
    void queryClient.invalidateQueries({ queryKey: ["stats"] });
  });
  const refetchVisitsSoon = throttle(() => {
    void queryClient.invalidateQueries({ queryKey: ["visits"] });
  });
  const refetchIdentitySoon = throttle(() => {
    void queryClient.invalidateQueries({ queryKey: ["identity"] });
  });
  const refetchCameras = () => void queryClient.invalidateQueries({ queryKey: ["cameras"] });
  const refetchSoon = throttle(() => refetchAll(queryClient));

  source.addEventListener("detection", (event) => {
    const detection: Detection = JSON.parse(event.data);
    // Read anew: it may have changed again since the event was made, which is no event where it is
    // to be decided again.
    void queryClient.invalidateQueries({ queryKey: ["detection", detection.id] });
    placeInLists(queryClient, "detections", detection, belongsTo);
    refetchStatsSoon();
    if (detection.person) refetchVisitsSoon();
    if (detection.candidate) refetchIdentitySoon();
    // An answer that is on its way may be older than this event and about to replace it.
    if (queryClient.isFetching({ queryKey: ["detections"] })) refetchSoon();
  });
  source.addEventListener("person", (event) => {
    const person: Person = JSON.parse(event.data);
    queryClient.setQueryData<Person>(["person", person.id], (old) => old && person);
    nameInDetections(queryClient, person);
    refetchPersonsSoon();
    refetchVisitsSoon();
    refetchIdentitySoon();
  });
  source.addEventListener("person_removed", (event) => {
    const { id }: PersonRemoved = JSON.parse(event.data);
    void queryClient.resetQueries({ queryKey: ["person", id] });
    refetchSoon();
  });
  source.addEventListener("camera", refetchCameras);
  source.addEventListener("camera_removed", refetchCameras);
  source.addEventListener("alert", (event) => {
    const alert: Alert = JSON.parse(event.data);
    placeInLists(queryClient, "alerts", alert, hasStatus);
    browserAlerts.show(alert);
    refetchStatsSoon();
    if (queryClient.isFetching({ queryKey: ["alerts"] })) refetchSoon();
  });
}

function hasStatus(alert: Alert, filter: AlertFilter): boolean {
  return !filter.status || alert.status === filter.status;
}

function isOfQuality({ quality }: Detection, wanted: Quality): boolean {
  return quality != null && quality.acceptable === (wanted === "good");
}

function belongsTo(detection: Detection, filter: DetectionFilter): boolean {
  const captured = Date.parse(detection.captured_at);
  return (
    (!filter.camera_id || detection.camera_id === filter.camera_id) &&
    (!filter.person_id || detection.person?.id === filter.person_id) &&
    (!filter.status || detection.status === filter.status) &&
    (!filter.quality || isOfQuality(detection, filter.quality)) &&
    (!filter.review || isQuestion(detection)) &&
    (!filter.from || captured >= Date.parse(filter.from)) &&
    (!filter.to || captured < Date.parse(filter.to))
  );
}

/** Puts an item into every cached list where it belongs, and takes it out of the others. */
function placeInLists<Item extends { id: string; captured_at: string }, Filter>(
  queryClient: QueryClient,
  list: string,
  item: Item,
  belongs: (item: Item, filter: Filter) => boolean,
): void {
  const cached = queryClient.getQueriesData<Pages<Item>>({ queryKey: [list] });
  for (const [key, data] of cached) {
    if (!data) continue;
    const pages = place(data.pages, item, belongs(item, key[1] as Filter));
    queryClient.setQueryData<Pages<Item>>(key, { ...data, pages });
    if ((pages[0]?.items.length ?? 0) > LONG_PAGE) {
      void queryClient.invalidateQueries({ queryKey: key });
    }
  }
}

function place<Item extends { id: string; captured_at: string }>(
  pages: Page<Item>[],
  item: Item,
  belongs: boolean,
): Page<Item>[] {
  const others = pages.map((page) => ({
    ...page,
    items: page.items.filter((other) => other.id !== item.id),
  }));
  if (!belongs) return others;

  const captured = Date.parse(item.captured_at);
  const isOlder = (other: Item) => Date.parse(other.captured_at) <= captured;
  // An item older than all that is loaded comes with the pages that are not loaded yet.
  const target =
    others.find((page) => page.items.some(isOlder)) ??
    others.find((page) => page.next_cursor == null);
  if (!target) return others;
  const at = target.items.findIndex(isOlder);
  target.items.splice(at < 0 ? target.items.length : at, 0, item);
  return others;
}

/** A person was named or ignored: their detections say so at once. */
function nameInDetections(queryClient: QueryClient, person: Person): void {
  const brief = { id: person.id, name: person.name, kind: person.kind };
  const renamed = ({ person: shown, candidate, ...rest }: Detection): Detection => ({
    ...rest,
    person: shown?.id === person.id ? brief : shown,
    candidate: candidate?.id === person.id ? brief : candidate,
  });

  queryClient.setQueriesData<Pages<Detection>>(
    { queryKey: ["detections"] },
    (data) =>
      data && {
        ...data,
        pages: data.pages.map((page) => ({ ...page, items: page.items.map(renamed) })),
      },
  );
  queryClient.setQueriesData<Detection>(
    { queryKey: ["detection"] },
    (detection) => detection && renamed(detection),
  );
}

/** Runs `action` once for all calls within a little while, at its end. */
function throttle(action: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    window.setTimeout(() => {
      waiting = false;
      action();
    }, REFETCH_AFTER_MS);
  };
}
