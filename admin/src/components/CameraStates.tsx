import { Badge } from "@mantine/core";
import { Link } from "react-router";
import { useCameras } from "../api/queries";
import { cameraTitle, cameraWords, isOver } from "../cameraWords";
import { midnight } from "../format";
import styles from "./CameraStates.module.css";

const EVERY_MS = 15_000;

/** How each camera is, in a line; without films that were read on another day. */
export function CameraStates() {
  const today = midnight(new Date());
  const all = useCameras(EVERY_MS).data ?? [];
  const cameras = all.filter((camera) => !isOver(camera, today));
  if (cameras.length === 0) return null;
  return (
    <ul className={styles.states} aria-label="Cameras">
      {cameras.map((camera) => {
        const { color, Icon } = cameraWords(camera);
        return (
          <li key={camera.id}>
            <Badge
              component={Link}
              to="/cameras"
              variant="light"
              color={color}
              size="lg"
              radius="sm"
              tt="none"
              className={styles.state}
              leftSection={<Icon size={15} aria-hidden />}
            >
              {camera.name}: {cameraTitle(camera).toLowerCase()}
            </Badge>
          </li>
        );
      })}
    </ul>
  );
}
