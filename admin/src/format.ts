// Times and counts in words.

// The panel speaks English: dates follow the browser only where it does too.
const LOCALE = navigator.language.startsWith("en") ? navigator.language : "en-GB";

const CLOCK = new Intl.DateTimeFormat(LOCALE, { timeStyle: "short" });
const FULL = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(LOCALE, { weekday: "long", day: "numeric", month: "long" });
const SHORT = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const NUMBER = new Intl.NumberFormat(LOCALE);
const RATE = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 1 });

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** The time of day: "14:32". */
export const clockTime = (iso: string) => CLOCK.format(new Date(iso));

/** The day and the time in full. */
export const fullTime = (iso: string) => FULL.format(new Date(iso));

/** Midnight, here, at the start of the day `daysLater` than that of `moment`. */
export function midnight(moment: Date, daysLater = 0): Date {
  return new Date(moment.getFullYear(), moment.getMonth(), moment.getDate() + daysLater);
}

/** "Today", "Yesterday", or the day in words. */
export function dayName(iso: string): string {
  const moment = new Date(iso);
  const now = new Date();
  if (moment >= midnight(now)) return "Today";
  if (moment >= midnight(now, -1)) return "Yesterday";
  return DAY.format(moment);
}

/** "just now", "5 minutes ago", "3 hours ago", or the date. */
export function ago(iso: string): string {
  const age = Date.now() - Date.parse(iso);
  if (age < MINUTE_MS) return "just now";
  if (age < HOUR_MS) return RELATIVE.format(-Math.floor(age / MINUTE_MS), "minute");
  if (age < 24 * HOUR_MS) return RELATIVE.format(-Math.floor(age / HOUR_MS), "hour");
  return SHORT.format(new Date(iso));
}

/** "5 minutes", "3 hours", "2 days": how long something has been so; nothing in the first minute. */
export function duration(iso: string): string | undefined {
  const age = Date.now() - Date.parse(iso);
  if (age < MINUTE_MS) return undefined;
  if (age < HOUR_MS) return count(Math.floor(age / MINUTE_MS), "minute");
  if (age < 2 * DAY_MS) return count(Math.floor(age / HOUR_MS), "hour");
  return count(Math.floor(age / DAY_MS), "day");
}

/** "40 s", "5 min", "7 h 40 min": how long something lasted. */
export function lasted(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** The day as it stands in an address and in a date field: "2026-11-22". */
export function isoDay(moment: Date): string {
  const [month, day] = [moment.getMonth() + 1, moment.getDate()].map((part) =>
    String(part).padStart(2, "0"),
  );
  return `${String(moment.getFullYear()).padStart(4, "0")}-${month}-${day}`;
}

/** Midnight, here, at the start of such a day. */
export const startOfDay = (day: string) => new Date(`${day}T00:00`);

/** "22 Nov 2026". */
export const shortDate = (iso: string) => SHORT.format(new Date(iso));

/** "14.9", "6": a rate, no more exact than one reads it. */
export const rate = (number: number) => RATE.format(number);

/** "120 kB", "3.4 MB", "12 GB". */
export function bytes(number: number): string {
  if (number < 1_000_000) return `${NUMBER.format(Math.ceil(number / 1000))} kB`;
  if (number < 1_000_000_000) return `${RATE.format(number / 1_000_000)} MB`;
  return `${RATE.format(number / 1_000_000_000)} GB`;
}

/** "9:41": minutes and seconds that are left until then. */
export function timeLeft(iso: string): string {
  const left = Math.max(0, Math.ceil((Date.parse(iso) - Date.now()) / 1000));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

/** "1 sighting", "12 sightings". */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${NUMBER.format(number)} ${number === 1 ? noun : plural}`;
}

/** "a", "a and b", "a, b and c". */
export function listed(parts: string[]): string {
  return new Intl.ListFormat("en-GB", { type: "conjunction" }).format(parts);
}

/** The API's words as a sentence: with a capital and a full stop. */
export function sentence(words: string): string {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
