import { Alert } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { WebcamTrouble } from "../webcam";

/** Why the browser's own camera gives no picture, and what to do about it. */
export function WebcamTroubles({ trouble }: { trouble: WebcamTrouble }) {
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={trouble.title} role="alert">
      {trouble.advice}
    </Alert>
  );
}
