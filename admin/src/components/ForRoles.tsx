import type { ReactNode } from "react";
import { useMay } from "../api/queries";

/** What nobody else may do is offered to nobody else. */
export function ForManagers({ children }: { children: ReactNode }) {
  return useMay("admin", "manager") ? children : null;
}

export function ForAdmins({ children }: { children: ReactNode }) {
  return useMay("admin") ? children : null;
}
