import { Badge } from "@mantine/core";
import { useIdentityStats } from "../api/queries";

const MOST_SHOWN = 99;

/** How many detections wait for somebody's answer. */
export function ReviewCount() {
  const waiting = useIdentityStats().data?.review;
  if (!waiting) return null;
  return (
    <Badge size="sm" variant="light" aria-label={`${waiting} waiting`}>
      {waiting > MOST_SHOWN ? `${MOST_SHOWN}+` : waiting}
    </Badge>
  );
}
