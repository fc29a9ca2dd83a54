import { Badge } from "@mantine/core";
import { useCameras } from "../api/queries";
import { isInTrouble } from "../cameraWords";

const REFRESH_MS = 30_000;

/** How many cameras need somebody's attention. */
export function TroubleCount() {
  const troubled = useCameras(REFRESH_MS).data?.filter(isInTrouble).length;
  if (!troubled) return null;
  return (
    <Badge size="sm" variant="light" color="orange" aria-label={`${troubled} need attention`}>
      {troubled}
    </Badge>
  );
}
