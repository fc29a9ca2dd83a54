// The API's bodies, field by field as in `usher/wire.py`. Fields with a default there may be
// missing here, as in the types that are generated from the API's description: `make lint` compares
// them in `admin/contract`.

export type Role = "admin" | "manager" | "viewer" | "device" | "notifier";
export type PersonKind = "known" | "unknown" | "ignored";
export type Confidence = "high" | "medium" | "low";
export type AlertStatus = "pending" | "sent" | "failed";
export type DetectionStatus =
  | "pending"
  | "embedded"
  | "classified"
  | "unidentifiable"
  | "failed"
  | "not_a_face";

export type Page<Item> = { items: Item[]; next_cursor?: string | null };

export type Problem = {
  type?: string;
  title: string;
  status: number;
  detail: string;
  code: string;
};

export type Credentials = { username: string; password: string };
export type PasswordChange = { current_password: string; new_password: string };
export type PersonRole = "admin" | "manager" | "viewer";
export type User = {
  id: string;
  username: string;
  role: Role;
  cameras?: string[];
  /** Theirs in the chat. */
  accounts?: string[];
  disabled?: boolean;
  must_renew?: boolean;
};
export type UserCreate = { username: string; role: PersonRole; cameras: string[] };
export type UserUpdate = Partial<UserCreate> & { accounts?: string[]; disabled?: boolean };
export type UserCreated = User & { password: string };

export type TokenCreate = {
  name: string;
  role: PersonRole;
  cameras: string[];
  expires_at?: string | null;
};
export type Token = {
  id: string;
  name: string;
  user_id: string;
  username: string;
  role: Role;
  cameras: string[];
  created_at: string;
  expires_at?: string | null;
  last_used_at?: string | null;
};
export type TokenCreated = Token & { key: string };

export type AuditEntry = {
  id: string;
  number?: number | null;
  at: string;
  actor_id: string;
  actor: string;
  action: string;
  more?: string | null;
  subject_id: string;
  subject: string;
  digest?: string | null;
};
export type AuditVerdict = {
  intact: boolean;
  entries: number;
  broken_at?: number | null;
  digest: string;
};
export type Session = { user: User; csrf_token: string };

export type DeviceCreate = { name: string; role?: "device" | "notifier"; cameras?: string[] };
export type Device = {
  id: string;
  name: string;
  role: Role;
  /** The only ones that a detector's key is for; none: any. */
  cameras?: string[];
  created_at: string;
  last_seen_at?: string | null;
};
export type DeviceCreated = Device & { key: string };

export type PairingCodeCreate = { name: string; cameras?: string[] };
export type PairingCode = {
  id: string;
  name: string;
  cameras?: string[];
  expires_at: string;
  device_id?: string | null;
};
export type PairingCodeCreated = PairingCode & { code: string };

export type CameraState =
  | "connecting"
  | "live"
  | "gone"
  | "frozen"
  | "black"
  | "blurred"
  | "offline"
  | "stopped"
  | "finished";
export type CameraRates = {
  fps: number;
  detector_fps: number;
  skipped: number;
  faces: number;
  tracks: number;
  stage_ms: Record<string, number>;
};
export type SpoolBooks = {
  produced: number;
  delivered: number;
  dropped: number;
  refused: number;
  pending: number;
  bytes: number;
};
export type Camera = {
  id: string;
  name: string;
  managers: string[];
  last_seen_at?: string | null;
  state?: CameraState | null;
  state_since?: string | null;
  reason?: string | null;
  rates?: CameraRates | null;
  spool?: SpoolBooks | null;
  width?: number | null;
  height?: number | null;
  device_id?: string | null;
  reported_at?: string | null;
  has_frame?: boolean;
  frame_at?: string | null;
  regions?: CameraRegions | null;
  regions_taken_up?: boolean;
};
/** A corner: shares (0 to 1) of the picture's width and height. */
export type Corner = [number, number];
export type CameraRegions = { include?: Corner[][]; exclude?: Corner[][] };
export type CameraUpdate = {
  name?: string | null;
  managers?: string[] | null;
  regions?: CameraRegions | null;
};

export type Box = { x1: number; y1: number; x2: number; y2: number };
export type FramePlace = { box: Box; width: number; height: number };
export type PersonBrief = { id: string; name: string | null; kind: PersonKind };
export type Quality = {
  acceptable: boolean;
  size_px: number;
  sharpness: number;
  probability?: number | null;
  reasons: string[];
};
export type Detection = {
  id: string;
  camera_id: string;
  captured_at: string;
  received_at: string;
  status: DetectionStatus;
  reason?: string | null;
  person?: PersonBrief | null;
  confidence?: Confidence | null;
  candidate?: PersonBrief | null;
  confirmed?: boolean;
  quality?: Quality | null;
  box?: Box | null;
  frame?: FramePlace | null;
  track_id?: string | null;
  visit_id?: string | null;
};
/** A face of a photograph that was asked about; nothing of it is stored. */
export type IdentifiedFace = {
  box: Box;
  person: PersonBrief | null;
  confidence: Confidence | null;
  candidate?: PersonBrief | null;
  quality: Quality;
};
export type Identification = { faces: IdentifiedFace[] };
export type Assignment = { person_id: string } | { new_person: true } | { not_a_face: true };

export type PersonCreate = { name: string; notes?: string; class?: string | null };
export type PersonUpdate = {
  name?: string | null;
  kind?: PersonKind | null;
  notes?: string | null;
  class?: string | null;
  valid_from?: string | null;
  valid_until?: string | null;
  managers?: string[] | null;
  snoozed_until?: string | null;
};
export type Person = PersonBrief & {
  notes: string;
  created_at: string;
  last_seen_at?: string | null;
  faces: number;
  detections: number;
  face_id?: string | null;
  class?: string | null;
  valid_from?: string | null;
  /** Exclusive. */
  valid_until?: string | null;
  valid_now?: boolean;
  managers?: string[];
  /** Nobody is told of their visits before. */
  snoozed_until?: string | null;
};
export type Visit = {
  id: string;
  person: PersonBrief | null;
  camera_id: string;
  started_at: string;
  last_at: string;
  detections: number;
  detection_id?: string | null;
};
export type Presence = {
  /** The day's date: "2026-11-22". */
  day: string;
  person: PersonBrief;
  class?: string | null;
  first_seen_at: string;
  last_seen_at: string;
  duration_s: number;
  visits: number;
};
export type Attendance = { time_zone: string; items: Presence[] };
export type SearchResult = { detection: Detection; confidence: Confidence };
export type SearchResults = { items: SearchResult[]; total: number; searched: number };
export type Face = {
  id: string;
  person_id: string;
  origin: "enrolment" | "detection";
  detection_id?: string | null;
  created_at: string;
};
export type Split = { detection_ids: string[]; into?: string | null };
export type ChangeKind = "merge" | "move" | "reject" | "update" | "redecide";
export type IdentityChange = {
  id: string;
  at: string;
  actor: string;
  kind: ChangeKind;
  persons: PersonBrief[];
  detections: number;
  undone_at?: string | null;
  undone_by?: string | null;
  final?: string | null;
};
export type DeletionReceipt = {
  person_id: string;
  faces: number;
  detections: number;
  crops: number;
  visits: number;
  alerts: number;
};
export type PersonRemoved = { id: string; merged_into?: string | null };

export type Alert = {
  id: string;
  status: AlertStatus;
  person: PersonBrief | null;
  candidate?: PersonBrief | null;
  camera: Camera;
  detection_id: string;
  visit_id: string;
  captured_at: string;
  created_at: string;
  sent_at?: string | null;
  attempts?: number;
  reason?: string | null;
  /** The rules that it came of. */
  rules?: string[];
  deliveries?: Delivery[];
  answered_at?: string | null;
  answered_by?: string | null;
  answer?: string | null;
  absence?: { expected_from: string; last_seen_at: string } | null;
};

/** One message of an alert to one address. */
export type Delivery = {
  id: string;
  kind: "alert" | "escalation" | "settled" | "reopened";
  /** `CHANNEL:ADDRESS`. */
  to: string;
  status: AlertStatus;
  not_before: string;
  attempts?: number;
  sent_at?: string | null;
  reason?: string | null;
  /** It was printed where Usher runs, and sent nowhere. */
  via?: "console" | null;
};

export type Subject = "stranger" | "known" | "expired" | "absent";
/** Days from 0, a Monday; "22:00". */
export type WeeklyHours = { days?: number[]; start: string; end: string };
export type AlertRuleBody = {
  name: string;
  enabled?: boolean;
  about?: Subject[];
  classes?: string[];
  cameras?: string[];
  zone?: string;
  hours?: WeeklyHours[];
  quiet?: WeeklyHours[];
  cooldown_minutes?: number;
  to?: string[];
  escalate_after_minutes?: number | null;
  escalate_to?: string[];
};
export type AlertRule = AlertRuleBody & { id: string };
export type RulePreview = {
  visits: number;
  alerts: number;
  messages: number;
  examples: PreviewedAlert[];
};
export type PreviewedAlert = {
  person: PersonBrief;
  camera_id: string;
  detection_id: string | null;
  captured_at: string;
  to: string[];
};

export type OperatingSettings = {
  identity_rule: "budget" | "fixed";
  identity_budget: number;
  strangers_kept_days: number | null;
  known_kept_days: number | null;
  taken_up: boolean;
  channels: string[];
};
export type KeptDays = Pick<OperatingSettings, "strangers_kept_days" | "known_kept_days">;
export type OperatingSettingsUpdate = Partial<KeptDays> & { identity_budget?: number };
export type RetentionDue = { strangers: number; detections: number };

export type WorkerState = { kind: "classifier" | "notifier"; name: string; channels: string[] };

export type System = {
  version: string;
  model: string;
  queue: number;
  oldest_pending_s?: number | null;
  alerts_unsent: number;
  classifier: string | null;
  workers: WorkerState[];
  database: { version: string; bytes: number; documents: Record<string, number> };
  disk: { total_bytes: number; free_bytes: number };
};

export type Stats = {
  detections: number;
  by_status: Record<string, number>;
  persons: number;
  new_persons: number;
  alerts_sent: number;
  queue: number;
  alerts_unsent: number;
  oldest_pending_s?: number | null;
};

export type Estimate = { share: number; low: number; high: number; samples: number };
export type LookAlike = { persons: PersonBrief[]; confidence: Confidence };
export type DoubtfulReference = {
  person: PersonBrief;
  face_id: string;
  closer_to?: PersonBrief | null;
};
export type FewReferences = { person: PersonBrief; references: number };
export type Recalibration = { at: string; threshold: number; persons: number; reason: string };
export type IdentityStats = {
  model: string;
  rule: "budget" | "fixed";
  budget: number | null;
  threshold: number;
  reason: string;
  persons: number;
  references: number;
  strangers: number;
  review: number;
  fpir: Estimate | null;
  fnir: Estimate | null;
  look_alikes: LookAlike[];
  doubtful: DoubtfulReference[];
  few_references: FewReferences[];
  recalibrations: Recalibration[];
};
