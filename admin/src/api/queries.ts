// What the pages read, as queries. Every changing request refetches what is on the screen (see
// `queryClient`), and the event stream keeps it fresh in between (see `events.ts`).

import { notifications } from "@mantine/notifications";
import {
  type InfiniteData,
  infiniteQueryOptions,
  keepPreviousData,
  MutationCache,
  QueryCache,
  QueryClient,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { isoDay, midnight, startOfDay } from "../format";
import * as client from "./client";
import type {
  AlertRuleBody,
  Detection,
  Page,
  PairingCode,
  Person,
  PersonKind,
  Role,
  SearchResults,
  Visit,
} from "./types";

export const SESSION = ["session"];

const CAMERAS = { queryKey: ["cameras"], queryFn: client.listCameras };

/** Marks a mutation whose page shows the error itself, where others raise a notification. */
export const SHOWS_ERROR = { showsError: true };

/** Marks a mutation after which nobody is signed in. */
export const ENDS_SESSION = { endsSession: true };

/** Long enough for two sentences to be found, and read. */
const REFUSAL_SHOWN_MS = 12_000;

export function createQueryClient(): QueryClient {
  const queryClient: QueryClient = new QueryClient({
    queryCache: new QueryCache({ onError: leaveWhenSignedOut }),
    mutationCache: new MutationCache({
      onSuccess: (_data, _variables, _result, mutation) => {
        if (mutation.meta?.endsSession) endSession();
        else refetchAll(queryClient);
      },
      onError: (error, _variables, _result, mutation) => {
        if (mutation.meta?.showsError) return;
        leaveWhenSignedOut(error);
        notifications.show({
          color: "red",
          title: "That did not work",
          message: error.message,
          autoClose: REFUSAL_SHOWN_MS,
        });
      },
    }),
    defaultOptions: {
      queries: {
        staleTime: 30_000,
        retry: (failures, error) => failures < 2 && !isRefusal(error),
      },
    },
  });

  function leaveWhenSignedOut(error: Error) {
    if (error instanceof client.ApiError && error.status === 401) endSession();
  }

  function endSession() {
    queryClient.setQueryData(SESSION, null);
    forgetAll(queryClient);
  }
  return queryClient;
}

function isRefusal(error: Error): boolean {
  return error instanceof client.ApiError && error.status >= 400 && error.status < 500;
}

/** Fetches again everything that is on the screen, and the rest when it is next shown. */
export function refetchAll(queryClient: QueryClient): void {
  void queryClient.invalidateQueries({ predicate: isNotSession });
}

/** Nothing of what one person saw stays for the next. */
export function forgetAll(queryClient: QueryClient): void {
  queryClient.removeQueries({ predicate: isNotSession });
}

function isNotSession({ queryKey }: { queryKey: readonly unknown[] }): boolean {
  return queryKey[0] !== SESSION[0];
}

/**
 * Runs changing requests; one that fails raises a notification with the API's words. What follows
 * a success also follows where the form that asked has left the screen by then, which an event may
 * well bring about first.
 */
export function useChange<Result = unknown>() {
  type Change = { request: () => Promise<Result>; onDone?: (result: Result) => void };
  const isBusy = useRef(false);
  const { mutate, isPending } = useMutation({
    mutationFn: ({ request }: Change) =>
      request().finally(() => {
        isBusy.current = false;
      }),
    onSuccess: (result, { onDone }) => onDone?.(result),
  });

  // The second click of two comes before the button is drawn as busy.
  function run(request: Change["request"], onDone?: Change["onDone"]) {
    if (isBusy.current) return;
    isBusy.current = true;
    mutate({ request, onDone });
  }

  return { isPending, run };
}

export function useSession() {
  return useQuery({
    queryKey: SESSION,
    queryFn: client.fetchSession,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** A list that comes whole. */
function useList<Item>(
  queryKey: unknown[],
  queryFn: () => Promise<Page<Item>>,
  refetchInterval: number | false = false,
) {
  return useQuery({
    queryKey,
    queryFn,
    refetchInterval,
    select: (page) => page.items,
    placeholderData: keepPreviousData,
  });
}

type FetchPage<Item> = (cursor?: string) => Promise<Page<Item>>;

function pagesOf<Item>(queryKey: unknown[], fetchPage: FetchPage<Item>) {
  return infiniteQueryOptions({
    queryKey,
    queryFn: ({ pageParam }) => fetchPage(pageParam),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
}

/** A list that comes a page at a time. */
function usePages<Item>(queryKey: unknown[], fetchPage: FetchPage<Item>) {
  return useInfiniteQuery({
    ...pagesOf(queryKey, fetchPage),
    select: (data) => data.pages.flatMap((page) => page.items),
    placeholderData: keepPreviousData,
  });
}

/** A list that can be continued: what an infinite query returns, as far as `LoadMore` needs it. */
export type Continuable = {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  isFetchNextPageError: boolean;
  fetchNextPage: () => Promise<unknown>;
};

type Pages<Item> = [queryKey: unknown[], fetchPage: FetchPage<Item>];

const detections = (filter: client.DetectionFilter): Pages<Detection> => [
  ["detections", filter],
  (cursor) => client.listDetections(filter, cursor),
];
export const useDetections = (filter: client.DetectionFilter) => usePages(...detections(filter));

/**
 * Has the list that a page begins with in the cache, if anybody is signed in, so that the page is
 * drawn once. `ahead.js` has asked for it already.
 */
export async function prefetchFirstList(queryClient: QueryClient, { pathname, search }: Location) {
  const prefetch = <Item>(...pages: Pages<Item>) =>
    queryClient.prefetchInfiniteQuery(pagesOf(...pages));
  const lists: Record<string, () => Promise<void>> = {
    "/": () => prefetch(...visitsOfDay(isoDay(new Date()), "unknown")),
    "/detections": () => prefetch(...detections({})),
    "/people": () => prefetch(...persons({ kind: "known", q: "" })),
  };
  const list = lists[pathname];
  if (!list || search || !queryClient.getQueryData(SESSION)) return;
  await Promise.all([list(), queryClient.prefetchQuery(CAMERAS)]);
}

/** The detections that wait for an answer, and a function that takes answered ones out at once. */
export function useReview() {
  const filter = { review: true };
  const settle = useSettle<Detection>(["detections", filter]);
  return { waiting: useDetections(filter), settle };
}

/** The strangers, and a function that takes out at once those who are no strangers any more. */
export function useStrangers() {
  const filter: client.PersonFilter = { kind: "unknown" };
  const settle = useSettle<Person>(["persons", filter]);
  return { waiting: usePersons(filter), settle };
}

/** A function that takes items out of a list on the screen before it is fetched again. */
function useSettle<Item extends { id: string }>(queryKey: unknown[]) {
  const queryClient = useQueryClient();

  return (answered: Item[]) => {
    const ids = new Set(answered.map(({ id }) => id));
    const settled = ({ items, ...page }: Page<Item>) => ({
      ...page,
      items: items.filter(({ id }) => !ids.has(id)),
    });
    queryClient.setQueryData<InfiniteData<Page<Item>>>(
      queryKey,
      (data) => data && { ...data, pages: data.pages.map(settled) },
    );
  };
}

export const useDetection = (id: string) =>
  useQuery({ queryKey: ["detection", id], queryFn: () => client.getDetection(id) });

const persons = (filter: client.PersonFilter): Pages<Person> => [
  ["persons", filter],
  (cursor) => client.listPersons(filter, cursor),
];
export const usePersons = (filter: client.PersonFilter) => usePages(...persons(filter));

export const usePerson = (id: string | undefined) =>
  useQuery({
    queryKey: ["person", id],
    queryFn: () => client.getPerson(id as string),
    enabled: id !== undefined,
  });

export const useFaces = (personId: string) =>
  useList(["faces", personId], () => client.listFaces(personId));

export const useVisits = (personId: string) =>
  usePages(["visits", personId], (cursor) => client.listVisits(personId, cursor));

const visitsOfDay = (day: string, kind: PersonKind): Pages<Visit> => {
  const start = startOfDay(day);
  const filter = { kind, from: start.toISOString(), to: midnight(start, 1).toISOString() };
  return [["visits", filter], (cursor) => client.listVisitsOf(filter, cursor)];
};
/** The visits of a day of everybody of a kind. */
export const useVisitsOfDay = (day: string, kind: PersonKind) =>
  usePages(...visitsOfDay(day, kind));

/** Continues a list by itself, to its end or until it has so many items. */
export function useContinued(list: ReturnType<typeof usePages>, most: number): void {
  const { data, hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = list;
  const goesOn = hasNextPage && !isFetching && !isFetchNextPageError;
  const isShort = (data?.length ?? 0) < most;

  useEffect(() => {
    if (goesOn && isShort) void fetchNextPage();
  }, [goesOn, isShort, fetchNextPage]);
}

/** The classes that there are, to choose from. */
export const useClasses = () => useList(["classes"], client.listClasses);

/** A photograph that is searched for, told from others by its number. */
export type Probe = { number: number; photograph: File };

export const useFaceSearch = (probe: Probe | undefined, filter: client.SearchFilter) =>
  useInfiniteQuery({
    queryKey: ["search", probe?.number, filter],
    queryFn: ({ pageParam }) => client.searchFaces((probe as Probe).photograph, filter, pageParam),
    initialPageParam: 0,
    getNextPageParam: ({ total }, _parts, skipped) => {
      const skip = skipped + client.SEARCH_STEP;
      return skip < total ? skip : undefined;
    },
    select: ({ pages }) => joined(pages),
    // The same photograph always shows as many faces: it is not asked about again.
    enabled: ({ state }) => probe !== undefined && !client.isOfSeveralFaces(state.error),
    retry: false,
  });

/** The parts of a search as one. What was seen meanwhile moves the others: none counts twice. */
function joined(parts: SearchResults[]): SearchResults {
  const items = new Map(
    parts.flatMap((part) => part.items).map((item) => [item.detection.id, item]),
  );
  const { total = 0, searched = 0 } = parts.at(-1) ?? {};
  return { items: [...items.values()], total, searched };
}

/** Who a photograph that is searched for shows; undefined where one may not ask. */
export const useIdentification = (probe: Probe | undefined) => {
  const may = useMay("admin", "manager");
  return useQuery({
    queryKey: ["identification", probe?.number],
    queryFn: () => client.identify((probe as Probe).photograph),
    enabled: probe !== undefined && may,
    retry: false,
  });
};

export const useAttendance = (filter: client.AttendanceFilter) =>
  useQuery({
    queryKey: ["attendance", filter],
    queryFn: () => client.getAttendance(filter),
    placeholderData: keepPreviousData,
  });

export const useIdentityChanges = (personId?: string) =>
  usePages(["identity", "changes", personId], (cursor) => client.listChanges(personId, cursor));

export const useIdentityStats = () =>
  useQuery({
    queryKey: ["identity", "stats"],
    queryFn: client.getIdentityStats,
    refetchInterval: 60_000,
  });

export const useAlerts = (filter: client.AlertFilter) =>
  usePages(["alerts", filter], (cursor) => client.listAlerts(filter, cursor));

export const useAlertRules = () => useList(["alert-rules"], client.listAlertRules);

/** What a rule would have said of the last 24 hours; null: it is not complete. */
export const useRulePreview = (rule: AlertRuleBody | null) =>
  useQuery({
    queryKey: ["alert-rules", "preview", rule],
    queryFn: () => client.previewAlertRule(rule as AlertRuleBody),
    enabled: rule !== null,
    placeholderData: keepPreviousData,
    retry: false,
  });

/** The cameras; with an interval read again while the page is visible: they go offline silently. */
export const useCameras = (refetchInterval: number | false = false) =>
  useList(CAMERAS.queryKey, CAMERAS.queryFn, refetchInterval);

/** What became of a pairing code; asked for until a device has used it or it has expired. */
export const usePairingCode = (code: PairingCode) =>
  useQuery({
    queryKey: ["pairing", code.id],
    queryFn: () => client.getPairingCode(code.id),
    initialData: code,
    initialDataUpdatedAt: 0,
    refetchInterval: ({ state: { data } }) =>
      data?.device_id || Date.parse(code.expires_at) < Date.now() ? false : 2_000,
  });

/** Whether whoever is signed in has one of those roles. */
export function useMay(...roles: Role[]): boolean {
  const role = useSession().data?.user.role;
  return role !== undefined && roles.includes(role);
}

/** Whether whoever is signed in has all cameras. */
export function useHasAllCameras(): boolean {
  return useSession().data?.user.cameras?.length === 0;
}

export const useDevices = () => useList(["devices"], client.listDevices);

export const useUsers = () => useList(["users"], client.listUsers);

export const useTokens = () => useList(["tokens"], client.listTokens);

export const useAudit = (filter: client.AuditFilter) =>
  usePages(["audit", filter], (cursor) => client.listAudit(filter, cursor));

const SETTINGS_EVERY_MS = 2_000;

/** What an operator has set; asked again until the services have taken it up. */
export const useSettings = () =>
  useQuery({
    queryKey: ["settings"],
    queryFn: client.getSettings,
    refetchInterval: ({ state: { data } }) =>
      data?.taken_up === false ? SETTINGS_EVERY_MS : false,
  });

export const useSystem = () =>
  useQuery({ queryKey: ["system"], queryFn: client.getSystem, refetchInterval: 10_000 });

export const useStats = (since: string) =>
  useQuery({
    queryKey: ["stats", since],
    queryFn: () => client.getStats(since),
    refetchInterval: 15_000,
  });

/** A function from a camera's identifier to the name that people gave it. */
export function useCameraName(): (id: string) => string {
  const cameras = useCameras();
  const names = new Map(cameras.data?.map((camera) => [camera.id, camera.name]));
  return (id) => names.get(id) ?? id;
}
