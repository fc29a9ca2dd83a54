// Compiles where the panel's own types (`../src/api/types.ts`) say what the API's description says.
// `npm run agree` makes `schema.ts`, a client's types, of `openapi.json`, and compiles both.

import type { PictureSize } from "../src/api/client";
import type * as T from "../src/api/types";
import type { components } from "./schema";

type Described = components["schemas"];

/** What says in these words exactly what the API says. */
type Same = {
  Absence: NonNullable<T.Alert["absence"]>;
  Alert: T.Alert;
  AlertRule: T.AlertRule;
  AlertRuleBody: T.AlertRuleBody;
  AlertStatus: T.AlertStatus;
  Attendance: T.Attendance;
  AuditEntry: T.AuditEntry;
  AuditVerdict: T.AuditVerdict;
  BoxBody: T.Box;
  Camera: T.Camera;
  CameraRates: T.CameraRates;
  CameraRegions: T.CameraRegions;
  CameraState: T.CameraState;
  CameraUpdate: T.CameraUpdate;
  ChangeKind: T.ChangeKind;
  Confidence: T.Confidence;
  Credentials: T.Credentials;
  DatabaseSize: T.System["database"];
  DeletionReceipt: T.DeletionReceipt;
  Delivery: T.Delivery;
  DeliveryKind: T.Delivery["kind"];
  Detection: T.Detection;
  DetectionStatus: T.DetectionStatus;
  Device: T.Device;
  DeviceCreate: T.DeviceCreate;
  DeviceCreated: T.DeviceCreated;
  DiskSpace: T.System["disk"];
  DoubtfulReference: T.DoubtfulReference;
  Estimate: T.Estimate;
  Face: T.Face;
  FewReferences: T.FewReferences;
  FramePlace: T.FramePlace;
  Identification: T.Identification;
  IdentifiedFace: T.IdentifiedFace;
  IdentityChange: T.IdentityChange;
  IdentityStats: T.IdentityStats;
  LookAlike: T.LookAlike;
  OperatingSettings: T.OperatingSettings;
  Page_AlertRule_: T.Page<T.AlertRule>;
  Page_Alert_: T.Page<T.Alert>;
  Page_AuditEntry_: T.Page<T.AuditEntry>;
  Page_Camera_: T.Page<T.Camera>;
  Page_Detection_: T.Page<T.Detection>;
  Page_Device_: T.Page<T.Device>;
  Page_Face_: T.Page<T.Face>;
  Page_IdentityChange_: T.Page<T.IdentityChange>;
  Page_Person_: T.Page<T.Person>;
  Page_Token_: T.Page<T.Token>;
  Page_User_: T.Page<T.User>;
  Page_Visit_: T.Page<T.Visit>;
  Page_str_: T.Page<string>;
  PairingCode: T.PairingCode;
  PairingCodeCreated: T.PairingCodeCreated;
  PasswordChange: T.PasswordChange;
  Person: T.Person;
  PersonBrief: T.PersonBrief;
  PersonCreate: T.PersonCreate;
  PersonKind: T.PersonKind;
  PersonUpdate: T.PersonUpdate;
  PictureSize: PictureSize;
  Presence: T.Presence;
  PreviewedAlert: T.PreviewedAlert;
  Problem: T.Problem;
  Quality: T.Quality;
  Recalibration: T.Recalibration;
  RetentionDue: T.RetentionDue;
  Role: T.Role;
  RulePreview: T.RulePreview;
  SearchResult: T.SearchResult;
  SearchResults: T.SearchResults;
  Session: T.Session;
  Split: T.Split;
  SpoolBooks: T.SpoolBooks;
  Stats: T.Stats;
  Subject: T.Subject;
  System: T.System;
  Token: T.Token;
  TokenCreated: T.TokenCreated;
  User: T.User;
  UserCreated: T.UserCreated;
  Visit: T.Visit;
  WorkerState: T.WorkerState;
  WeeklyHours: T.WeeklyHours;
};

/** What the panel sends: it may say less than the API takes, and nothing else. */
type Sent = {
  Assignment: T.Assignment;
  OperatingSettingsUpdate: T.OperatingSettingsUpdate;
  PairingCodeCreate: T.PairingCodeCreate;
  TokenCreate: T.TokenCreate;
  UserCreate: T.UserCreate;
  UserUpdate: T.UserUpdate;
};

/** What the panel does not use, or writes where it sends it. */
type Elsewhere =
  | "AlertAnswer"
  | "CameraOrders"
  | "CameraReport"
  | "ClaimedDeliveries"
  | "ClaimedDelivery"
  | "DeliveryClaim"
  | "DeliverySettlement"
  | "DetectionAccepted"
  | "DetectionMetadata"
  | "Merge"
  | "MuteRequest"
  | "Pairing"
  | "Rejection"
  | "Undo"
  | "Verification";

/** A type without its names and intersections, so that two that say the same are the same. */
type Plain<A> = A extends object ? { [Key in keyof A]: Plain<A[Key]> } : A;

/** Exactly: an optional field is not one that may be null, nor one that is always there. */
type Equal<A, B> =
  (<X>() => X extends Plain<A> ? 1 : 2) extends <X>() => X extends Plain<B> ? 1 : 2 ? true : false;

/** Every case of A is a B, and names no field that B has not. */
type Within<A, B> = A extends B ? (Keys<A> extends keyof B ? true : false) : false;
type Keys<A> = A extends unknown ? keyof A : never;

type Differing = {
  [Name in keyof Same]: Equal<Same[Name], Described[Name]> extends true ? never : Name;
}[keyof Same];
type NotTaken = {
  [Name in keyof Sent]: false extends Within<Sent[Name], Described[Name]> ? Name : never;
}[keyof Sent];
type NotListed = Exclude<keyof Described, keyof Same | keyof Sent | Elsewhere>;

/** The compiler names those that are not "none". */
type None<Found extends never> = Found;
export type Agreement = [None<Differing>, None<NotTaken>, None<NotListed>];
