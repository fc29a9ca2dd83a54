// New alerts as notifications of the browser, while the panel is open in it.

import { detectionImage } from "./api/client";
import type { Alert } from "./api/types";
import { personName } from "./outcome";

const KEPT = "usher-browser-alerts";
const NEW_MS = 5 * 60_000;

export const browserAlerts = {
  /** Browsers allow them on localhost and over HTTPS alone. */
  arePossible: () => "Notification" in window && window.isSecureContext,

  areOn: () =>
    browserAlerts.arePossible() &&
    Notification.permission === "granted" &&
    localStorage.getItem(KEPT) === "on",

  /** Turns them on, where the user allows it, or off; whether they are on. */
  async turn(on: boolean): Promise<boolean> {
    localStorage.setItem(KEPT, on ? "on" : "off");
    if (on) await Notification.requestPermission();
    return browserAlerts.areOn();
  },

  /** Shows an alert that has just come; the same one again replaces itself, without a sound. */
  show(alert: Alert): void {
    const isNew = Date.now() - Date.parse(alert.created_at) < NEW_MS && !alert.answered_at;
    if (!browserAlerts.areOn() || !isNew) return;
    const name = alert.person ? personName(alert.person) : "Somebody";
    const said = alert.absence ? "did not come" : `at ${alert.camera.name}`;
    const shown = new Notification(`${name} ${said}`, {
      tag: alert.id,
      icon: detectionImage(alert.detection_id, 160),
    });
    shown.onclick = () => {
      window.focus();
      window.location.assign(alert.person ? `/people/${alert.person.id}` : "/alerts");
    };
  },
};
