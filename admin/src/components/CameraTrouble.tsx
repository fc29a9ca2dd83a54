import { Alert, Anchor } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link } from "react-router";
import { useCameras } from "../api/queries";
import { cameraTitle, isInTrouble } from "../cameraWords";
import { listed } from "../format";

/** One line where cameras need somebody's attention; nothing where all is well. */
export function CameraTrouble() {
  const troubled = useCameras().data?.filter(isInTrouble) ?? [];
  if (troubled.length === 0) return null;
  return (
    <Alert color="orange" mb="md" py="xs" icon={<IconAlertTriangle aria-hidden />}>
      <Anchor component={Link} to="/cameras" inherit c="inherit" fw={600} underline="always">
        {troubled.length === 1
          ? "1 camera needs attention"
          : `${troubled.length} cameras need attention`}
      </Anchor>
      : {listed(troubled.map((camera) => `${camera.name} (${cameraTitle(camera).toLowerCase()})`))}
    </Alert>
  );
}
