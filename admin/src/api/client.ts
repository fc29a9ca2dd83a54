// Every request that the panel makes.

import type * as T from "./types";

const API = "/api/v1";

declare global {
  interface Window {
    /** By address, what `ahead.js` asked for. */
    askedAhead?: Map<string, Promise<Response>>;
  }
}

/** A request that failed; the message is the API's own `detail`, written for the user. */
export class ApiError extends Error {
  /** The HTTP status; 0 where the API did not answer. */
  readonly status: number;
  /** What the API calls the problem. */
  readonly code: string | undefined;

  constructor(message: string, status: number, code?: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Whether a photograph was refused because it shows several people, of whom one can be chosen. */
export function isOfSeveralFaces(error: Error | null): boolean {
  return error instanceof ApiError && error.code === "SeveralFaces";
}

/** Good enough to tell who somebody is, or not. */
export type Quality = "good" | "poor";
export type DetectionFilter = {
  camera_id?: string;
  person_id?: string;
  status?: T.DetectionStatus;
  quality?: Quality;
  from?: string;
  to?: string;
  /** Only those that wait for somebody to say whether they show their candidate. */
  review?: boolean;
};
export type PersonFilter = { kind?: T.PersonKind; q?: string; class?: string };
export type VisitFilter = { kind: T.PersonKind; from: string; to: string };
export type SearchFilter = { camera_id?: string; from?: string; to?: string };
export type AttendanceFilter = {
  /** The first and the last day: "2026-11-22". */
  from: string;
  to: string;
  tz: string;
  camera_id?: string;
  class?: string;
};
export type AlertFilter = { status?: T.AlertStatus };
export type AuditFilter = { actor?: string; action?: string; from?: string; to?: string };

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
type Parameters = Record<string, string | boolean | undefined>;

/** Goes with every changing request; the API hands it out with the session. */
let csrfToken = "";

async function send<Answer>(
  method: Method,
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const isForm = body instanceof FormData;
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken;
  if (body && !isForm) headers["Content-Type"] = "application/json";

  const init = { method, headers, body: isForm ? body : body && JSON.stringify(body) };
  const ahead = method === "GET" ? await answerAhead(API + path) : undefined;
  const response =
    ahead ??
    (await fetch(API + path, init).catch(() => {
      throw new ApiError("Usher does not answer. Check the connection and try again.", 0);
    }));
  if (!response.ok) throw await failure(response);
  return response.status === 204 ? (undefined as Answer) : response.json();
}

/** By what they send, the keys of requests of which it is not known what came of them. */
const openKeys = new Map<string, string>();

/** Creates something once, also where it is sent again because the answer was lost. */
async function create<Answer>(path: string, body: object, file?: File): Promise<Answer> {
  const content = path + JSON.stringify(file ? [file.name, file.size, file.lastModified] : body);
  const key = openKeys.get(content) ?? newKey();
  openKeys.set(content, key);
  try {
    const made = await send<Answer>("POST", path, body, { "Idempotency-Key": key });
    openKeys.delete(content);
    return made;
  } catch (error) {
    if (error instanceof ApiError && isFinal(error.status)) openKeys.delete(content);
    throw error;
  }
}

/** Whether such an answer says that nothing was made, and that nothing is being made. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 409;
}

/** As `crypto.randomUUID`, which browsers have over HTTPS alone. */
function newKey(): string {
  const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The good answer to what `ahead.js` asked for, for whoever asks first. */
async function answerAhead(address: string): Promise<Response | undefined> {
  const answer = window.askedAhead?.get(address);
  window.askedAhead?.delete(address);
  const response = await answer?.catch(() => undefined);
  return response?.ok ? response : undefined;
}

async function failure(response: Response): Promise<ApiError> {
  const problem: Partial<T.Problem> = await response.json().catch(() => ({}));
  const message = problem.detail ?? `Usher answered with status ${response.status}.`;
  const sentence = message.charAt(0).toUpperCase() + message.slice(1);
  return new ApiError(sentence, response.status, problem.code);
}

function get<Answer>(path: string, parameters: Parameters = {}): Promise<Answer> {
  return send("GET", address(path, parameters));
}

function address(path: string, parameters: Parameters): string {
  const given = Object.entries(parameters).filter(([, value]) => value);
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return query ? `${path}?${query}` : path;
}

function segment(id: string): string {
  return encodeURIComponent(id);
}

// ---- Session ----

/** Who is signed in; null where nobody is. */
export async function fetchSession(): Promise<T.Session | null> {
  try {
    return keepToken(await get<T.Session>("/session"));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

export async function signIn(credentials: T.Credentials): Promise<T.Session> {
  window.askedAhead?.clear();
  return keepToken(await send<T.Session>("POST", "/session", credentials));
}

function keepToken(session: T.Session): T.Session {
  csrfToken = session.csrf_token;
  return session;
}

export const signOut = () => send<void>("DELETE", "/session");
export const changePassword = (change: T.PasswordChange) =>
  send<void>("POST", "/session/password", change);

// ---- Detections ----

export const listDetections = (filter: DetectionFilter, cursor?: string) =>
  get<T.Page<T.Detection>>("/detections", { ...filter, cursor });
export const getDetection = (id: string) => get<T.Detection>(`/detections/${segment(id)}`);
export const assignDetection = (id: string, assignment: T.Assignment) =>
  send<T.Detection>("POST", `/detections/${segment(id)}/assign`, assignment);
/** Says whom a detection does not show. */
export const rejectDetection = (id: string, personId: string) =>
  send<void>("POST", `/detections/${segment(id)}/reject`, { person_id: personId });
export const retryDetection = (id: string) =>
  send<T.Detection>("POST", `/detections/${segment(id)}/retry`);
/** The longer side of a small picture, in pixels; without one a picture comes as it is kept. */
export type PictureSize = 160 | 320;
const sized = (size?: PictureSize) => (size ? `?size=${size}` : "");
export const detectionImage = (id: string, size?: PictureSize) =>
  `${API}/detections/${segment(id)}/image${sized(size)}`;

// ---- Persons ----

export const listPersons = (filter: PersonFilter, cursor?: string) =>
  get<T.Page<T.Person>>("/persons", { ...filter, cursor });
export const getPerson = (id: string) => get<T.Person>(`/persons/${segment(id)}`);
export const createPerson = (person: T.PersonCreate) => create<T.Person>("/persons", person);
export const updatePerson = (id: string, update: T.PersonUpdate) =>
  send<T.Person>("PATCH", `/persons/${segment(id)}`, update);
/** Takes "ignored" back: known by their name, or a stranger again. */
export const stopIgnoring = ({ id, name }: T.PersonBrief) =>
  updatePerson(id, name ? { name, kind: "known" } : { kind: "unknown" });
export const deletePerson = (id: string) =>
  send<T.DeletionReceipt>("DELETE", `/persons/${segment(id)}`);
/** Folds one person into another, who stays. */
export const mergePerson = (stays: string, goes: string) => mergePersons(stays, [goes]);
/** Folds several persons into another one, who stays. */
export const mergePersons = (stays: string, go: string[]) =>
  send<T.Person>("POST", `/persons/${segment(stays)}/merge`, { person_ids: go });
/** Takes detections away from a person who is not on them. */
export const splitPerson = (id: string, split: T.Split) =>
  send<void>("POST", `/persons/${segment(id)}/split`, split);

export const listFaces = (personId: string) =>
  get<T.Page<T.Face>>(`/persons/${segment(personId)}/faces`);
export function addFace(personId: string, photograph: File): Promise<T.Face> {
  const form = new FormData();
  form.append("image", photograph);
  return create(`/persons/${segment(personId)}/faces`, form, photograph);
}
/** The photographs that a video of a person gave. */
export async function addVideo(personId: string, video: File): Promise<T.Face[]> {
  const form = new FormData();
  form.append("video", video);
  const path = `/persons/${segment(personId)}/videos`;
  return (await create<T.Page<T.Face>>(path, form, video)).items;
}
export const removeFace = (personId: string, faceId: string) =>
  send<void>("DELETE", `/persons/${segment(personId)}/faces/${segment(faceId)}`);
export const faceImage = (personId: string, faceId: string, size?: PictureSize) =>
  `${API}/persons/${segment(personId)}/faces/${segment(faceId)}/image${sized(size)}`;

/** Every class that somebody is of. */
export const listClasses = () => get<T.Page<string>>("/persons/classes");
export const listVisits = (personId: string, cursor?: string) =>
  get<T.Page<T.Visit>>(`/persons/${segment(personId)}/visits`, { cursor });
/** The visits that began in a time, of everybody of a kind. `ahead.js` asks for the same. */
export const listVisitsOf = (filter: VisitFilter, cursor?: string) =>
  get<T.Page<T.Visit>>("/visits", { ...filter, limit: "200", cursor });
/** Where a browser fetches all that is known of a person. */
export const personExport = (id: string) => `${API}/persons/${segment(id)}/export`;

// ---- Search and attendance ----

export const SEARCH_STEP = 100;

/** The times that the one face of a photograph was seen, so many after the likest `skip`. */
export function searchFaces(
  photograph: File,
  filter: SearchFilter,
  skip: number,
): Promise<T.SearchResults> {
  const form = new FormData();
  form.append("image", photograph);
  const part = { skip: String(skip), limit: String(SEARCH_STEP) };
  return send("POST", address("/search", { ...filter, ...part }), form);
}
export const getAttendance = (filter: AttendanceFilter) => get<T.Attendance>("/attendance", filter);
/** Where a browser fetches the same as a table for a spreadsheet. */
export const attendanceTable = (filter: AttendanceFilter) =>
  API + address("/attendance", { ...filter, format: "csv" });

/** Who is in a picture, without keeping it. */
export function identify(picture: Blob): Promise<T.Identification> {
  const form = new FormData();
  form.append("image", picture, "frame.jpg");
  return send("POST", "/identify", form);
}

// ---- Identity ----

/** The history of who is who, the newest first; of one person, or of all. */
export const listChanges = (personId?: string, cursor?: string) =>
  get<T.Page<T.IdentityChange>>("/identity/changes", { person_id: personId, cursor });
export const undoChange = (id: string) => send<void>("POST", "/identity/undo", { change_id: id });
export const getIdentityStats = () => get<T.IdentityStats>("/stats/identity");

// ---- Alerts, cameras, devices, figures ----

export const listAlerts = (filter: AlertFilter, cursor?: string) =>
  get<T.Page<T.Alert>>("/alerts", { ...filter, cursor });

export const retryAlert = (id: string) => send<T.Alert>("POST", `/alerts/${segment(id)}/retry`);
/** Says that somebody takes care of an alert. */
export const answerAlert = (id: string, answer: string) =>
  send<T.Alert>("POST", `/alerts/${segment(id)}/answer`, { answer });
export const listAlertRules = () => get<T.Page<T.AlertRule>>("/alert-rules");
export const createAlertRule = (rule: T.AlertRuleBody) => create<T.AlertRule>("/alert-rules", rule);
export const replaceAlertRule = (id: string, rule: T.AlertRuleBody) =>
  send<T.AlertRule>("PUT", `/alert-rules/${segment(id)}`, rule);
export const removeAlertRule = (id: string) => send<void>("DELETE", `/alert-rules/${segment(id)}`);
/** What a rule would have said of the last 24 hours. */
export const previewAlertRule = (rule: T.AlertRuleBody) =>
  send<T.RulePreview>("POST", "/alert-rules/preview", rule);

export const listCameras = () => get<T.Page<T.Camera>>("/cameras");
export const updateCamera = (id: string, update: T.CameraUpdate) =>
  send<T.Camera>("PATCH", `/cameras/${segment(id)}`, update);
export const removeCamera = (id: string) => send<void>("DELETE", `/cameras/${segment(id)}`);
/** The camera's last picture; another address for each, so that the browser fetches a new one. */
export const cameraFrame = ({ id, frame_at: at }: T.Camera) =>
  `${API}/cameras/${segment(id)}/frame?at=${encodeURIComponent(at ?? "")}`;

export const listDevices = () => get<T.Page<T.Device>>("/devices");
export const createDevice = (device: T.DeviceCreate) =>
  send<T.DeviceCreated>("POST", "/devices", device);
export const removeDevice = (id: string) => send<void>("DELETE", `/devices/${segment(id)}`);

export const createPairingCode = (code: T.PairingCodeCreate) =>
  send<T.PairingCodeCreated>("POST", "/pairing-codes", code);
export const getPairingCode = (id: string) => get<T.PairingCode>(`/pairing-codes/${segment(id)}`);

export const getStats = (since: string) => get<T.Stats>("/stats", { since });

// ---- Operation ----

export const getSettings = () => get<T.OperatingSettings>("/settings");
export const updateSettings = (update: T.OperatingSettingsUpdate) =>
  send<T.OperatingSettings>("PATCH", "/settings", update);
/** What would go now if it were kept for so many days. */
export const getRetentionDue = (days: T.KeptDays) =>
  get<T.RetentionDue>("/settings/retention", {
    strangers_kept_days: days.strangers_kept_days?.toString(),
    known_kept_days: days.known_kept_days?.toString(),
  });
export const getSystem = () => get<T.System>("/system");

// ---- Users, tokens, audit ----

export const listUsers = () => get<T.Page<T.User>>("/users");
export const createUser = (user: T.UserCreate) => send<T.UserCreated>("POST", "/users", user);
export const updateUser = (id: string, update: T.UserUpdate) =>
  send<T.User>("PATCH", `/users/${segment(id)}`, update);
/** Gives somebody a new password, which comes back this once. */
export const resetPassword = (id: string) =>
  send<T.UserCreated>("POST", `/users/${segment(id)}/password`);
export const removeUser = (id: string) => send<void>("DELETE", `/users/${segment(id)}`);

export const listTokens = () => get<T.Page<T.Token>>("/tokens");
export const createToken = (token: T.TokenCreate) => send<T.TokenCreated>("POST", "/tokens", token);
export const removeToken = (id: string) => send<void>("DELETE", `/tokens/${segment(id)}`);

export const listAudit = (filter: AuditFilter, cursor?: string) =>
  get<T.Page<T.AuditEntry>>("/audit", { ...filter, cursor });
export const checkAudit = () => get<T.AuditVerdict>("/audit/chain");

// ---- Events ----

export const openEvents = () => new EventSource(`${API}/events`);
