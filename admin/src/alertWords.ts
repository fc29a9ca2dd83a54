import type { AlertRule, AlertRuleBody, Delivery, Subject, WeeklyHours } from "./api/types";
import { count, listed } from "./format";

export const SUBJECTS: { value: Subject; label: string; words: string }[] = [
  { value: "stranger", label: "Strangers", words: "strangers" },
  { value: "known", label: "Everybody Usher knows", words: "everybody Usher knows" },
  { value: "expired", label: "People whose time here is over", words: "people whose time is over" },
];

/** Such a rule tells of nothing else. */
export function isAboutAbsence({ about }: AlertRuleBody): boolean {
  return about?.includes("absent") ?? false;
}

export const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const CHANNELS: Record<string, string> = {
  chat: "",
  mail: "",
  webhook: "webhook ",
  mqtt: "MQTT ",
  apprise: "Apprise ",
};

/** What those addresses are told by; what has no channel of its own is an account of the chat. */
export function channelsOf(addresses: string[]): string[] {
  const named = addresses.filter((to) => to !== "managers");
  const channels = named.map((to) => {
    const [channel = ""] = to.split(":");
    return to.includes(":") && channel in CHANNELS ? channel : "chat";
  });
  return [...new Set(channels)];
}

/** "@ann", "ann@example.org", "webhook ops", of `CHANNEL:ADDRESS`. */
export function addressWords(to: string): string {
  if (to === "managers") return "the managers";
  if (to === "default:") return "whoever is told by default";
  const [channel = "", ...rest] = to.split(":");
  const prefix = CHANNELS[channel];
  return prefix === undefined ? to : prefix + rest.join(":");
}

/** Where a message went. */
export function deliveryWords({ to, via }: Delivery): string {
  return via === "console" ? "nobody, on Usher's own console" : addressWords(to);
}

/** "Strangers and vip at Front door, 22:00 to 06:00: tells the managers." */
export function ruleWords(rule: AlertRule, cameraName: (id: string) => string): string {
  const absent = isAboutAbsence(rule);
  const about = SUBJECTS.filter(({ value }) => rule.about?.includes(value));
  const subjects = [...about.map(({ words }) => words), ...(rule.classes ?? [])];
  const whom = absent
    ? `${rule.classes?.length ? `everybody of ${listed(rule.classes)}` : "everybody known"} not seen`
    : listed(subjects);
  const where = rule.cameras?.length ? `at ${listed(rule.cameras.map(cameraName))}` : "anywhere";
  const when = rule.hours?.length ? `, ${listed(rule.hours.map(hoursWords))}` : "";
  const to = rule.to?.length ? `tells ${listed(rule.to.map(addressWords))}` : "only in the panel";
  const quiet = rule.quiet?.length ? `; quiet ${listed(rule.quiet.map(hoursWords))}` : "";
  const cooldown = rule.cooldown_minutes
    ? `; at most every ${count(rule.cooldown_minutes, "minute")} of one person`
    : "";
  const escalates = rule.escalate_after_minutes
    ? `; after ${count(rule.escalate_after_minutes, "minute")} without an answer ` +
      listed((rule.escalate_to ?? []).map(addressWords))
    : "";
  const words = `${whom} ${where}${when}: ${to}${quiet}${cooldown}${escalates}.`;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function hoursWords({ days = [], start, end }: WeeklyHours): string {
  const which = days.length === 7 ? "" : ` on ${listed(days.map((day) => DAYS[day] ?? ""))}`;
  return start === end ? `all day${which}` : `${start} to ${end}${which}`;
}
