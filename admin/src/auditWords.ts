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
  "pairing-code.create": "made the pairing code",
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
  "detection.assign": "said who is on the detection",
  "detection.reject": "said who is not on the detection",
  "detection.retry": "tried again the detection",
  "retention.forget": "forgot what was old",
  "alert.answer": "answered the alert",
  "alert.retry": "sent again the alert",
  "alert.mute": "muted or unmuted alerts to",
  "alert_rule.create": "added the alert rule",
  "alert_rule.update": "changed the alert rule",
  "alert_rule.delete": "removed the alert rule",
  "settings.update": "changed the setting",
  "identity.undo": "took back the change",
  search: "searched with a photograph",
};

/** What somebody does to themselves needs no more words. */
const ALONE = new Set([
  "session.open",
  "session.close",
  "password.change",
  "search",
  "retention.forget",
]);

export const ACTIONS = Object.entries(WORDS).map(([value, words]) => ({
  value,
  label: words.charAt(0).toUpperCase() + words.slice(1),
}));

export type Said = { did: string; subject?: string; more?: string; personId?: string };

/** An entry in words; what there are none for as it stands. */
export function say({ action, subject, subject_id: id }: AuditEntry): Said {
  const [kind = action, more] = action.split(/:(.*)/s);
  const still = /^(person|face)\./.test(kind) && kind !== "person.delete";
  return {
    did: WORDS[kind] ?? kind,
    subject: ALONE.has(kind) ? undefined : subject,
    more,
    personId: still ? id : undefined,
  };
}
