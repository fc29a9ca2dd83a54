// What accounts and tokens may do, in words.

import type { PersonRole } from "./api/types";

export const ROLES: { value: PersonRole; label: string; may: string }[] = [
  { value: "viewer", label: "Viewer", may: "Looks, and changes nothing." },
  { value: "manager", label: "Manager", may: "Names people, answers questions, adds photographs." },
  { value: "admin", label: "Admin", may: "Everything, with users, keys and the audit." },
];

export function roleWord(role: string): string {
  return ROLES.find(({ value }) => value === role)?.label ?? role;
}

/** Of which cameras somebody sees something. */
export function scopeWords(cameras: string[], nameOf: (id: string) => string): string {
  if (cameras.length === 0) return "all cameras";
  return cameras.map(nameOf).join(", ");
}
