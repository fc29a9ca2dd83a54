// What entries of the audit say.

import type { AuditEntry } from "./api/types";

/** What was done, after who did it and before to whom. */
const WORDS: Record<string, string> = {
  "session.open": "signed in",
  "session.refuse": "failed to sign in as",
  "session.close": "signed out",
  "password.change": "changed their password",
  "user.create": "added the user",
  "user.update": "changed the user",
  "user.password": "made a new password for",
  "user.delete": "removed the user",
  "token.create": "made the token",
  "token.delete": "revoked the token",
  "device.create": "made a key for",
  "device.pair": "paired the device",
  "device.delete": "revoked the key of",
  "pairing-code.create": "made a pairing code",
  "camera.update": "changed the camera",
  "camera.delete": "removed the camera",
  "person.create": "added the person",
  "person.update": "changed the person",
  "person.merge": "merged somebody into",
  "person.split": "took detections from",
  "person.delete": "deleted the person",
  "person.export": "took a file of all that is known of",
  "face.enrol": "added a photograph of",
  "face.remove": "removed a photograph of",
  "detection.assign": "said who is on a detection",
  "detection.reject": "said who is not on a detection",
  "detection.retry": "had Usher look at a detection again",
  "retention.forget": "forgot what was old",
  "alert.answer": "answered an alert",
  "alert.retry": "sent an alert again",
  "alert.mute": "muted or unmuted alerts to",
  "alert_rule.create": "added the alert rule",
  "alert_rule.update": "changed the alert rule",
  "alert_rule.delete": "removed the alert rule",
  "settings.update": "changed the setting",
  "identity.undo": "took back a change",
  search: "searched with a photograph",
};

/** What somebody does to themselves, or to what has no name, needs no more words. */
const ALONE = new Set([
  "session.open",
  "session.close",
  "password.change",
  "search",
  "retention.forget",
  "detection.assign",
  "detection.reject",
  "detection.retry",
  "alert.answer",
  "alert.retry",
  "identity.undo",
  "pairing-code.create",
]);

export const ACTIONS = Object.entries(WORDS).map(([value, words]) => ({
  value,
  label: words.charAt(0).toUpperCase() + words.slice(1),
}));

export type Said = { did: string; subject?: string; more?: string; to?: string };

/** An entry in words; what there are none for as it stands. */
export function say({ action, more, subject, subject_id: id }: AuditEntry): Said {
  const [kind = action] = action.split(":");
  return {
    did: WORDS[kind] ?? kind,
    subject: ALONE.has(kind) ? undefined : subject,
    more: kind === "device.pair" ? undefined : (more ?? undefined),
    to: placeOf(kind, id),
  };
}

/** Where in the panel the subject of an entry is seen. */
function placeOf(kind: string, id: string): string | undefined {
  if (kind === "person.delete") return undefined;
  const [what] = kind.split(".");
  switch (what) {
    case "person":
    case "face":
      return `/people/${id}`;
    case "detection":
      return `?detection=${id}`;
    case "identity":
      return "/identity";
    default:
      return undefined;
  }
}
