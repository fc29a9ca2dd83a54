import { Badge, Button, Group, Text } from "@mantine/core";
import { IconPhotoOff } from "@tabler/icons-react";
import { useState } from "react";
import { cameraFrame } from "../api/client";
import { useMay } from "../api/queries";
import type { Camera } from "../api/types";
import { cameraTitle, cameraWords, givesPictures } from "../cameraWords";
import { bytes, clockTime, count, rate, sentence } from "../format";
import { areasOf } from "../regions";
import styles from "./CameraCard.module.css";
import { TimeAgo } from "./TimeAgo";

/** A camera: what it last saw, how it is, and how fast its pictures are worked on. */
export function CameraCard({
  camera,
  onEdit,
  onDraw,
}: {
  camera: Camera;
  onEdit: () => void;
  onDraw: () => void;
}) {
  const mayEdit = useMay("admin", "manager");
  const { color, Icon, advice } = cameraWords(camera);
  return (
    <article className={styles.card} aria-label={camera.name} data-pictures={givesPictures(camera)}>
      <Frame camera={camera} />
      <div className={styles.body}>
        <Group justify="space-between" wrap="nowrap" align="start" gap="xs">
          <div className={styles.name}>
            <Text fw={650}>{camera.name}</Text>
            {camera.name !== camera.id && (
              <Text fz="xs" c="dimmed">
                {camera.id}
              </Text>
            )}
          </div>
          {mayEdit && (
            <Group gap={4} wrap="nowrap">
              <Button
                variant="default"
                size="compact-xs"
                aria-label={`Areas of ${camera.name}`}
                onClick={onDraw}
              >
                Areas
              </Button>
              <Button
                variant="default"
                size="compact-xs"
                aria-label={`Edit ${camera.name}`}
                onClick={onEdit}
              >
                Edit
              </Button>
            </Group>
          )}
        </Group>
        <Badge
          variant="light"
          color={color}
          size="lg"
          radius="sm"
          className={styles.state}
          leftSection={<Icon size={16} aria-hidden />}
        >
          {cameraTitle(camera)}
        </Badge>
        {advice && <Text fz="sm">{advice}</Text>}
        {camera.reason && (
          <Text fz="xs" c="dimmed">
            {sentence(camera.reason)}
          </Text>
        )}
        <Drawn camera={camera} />
        <Rates camera={camera} />
        <Text fz="xs" c="dimmed" mt="auto">
          {camera.last_seen_at ? (
            <>
              Last face <TimeAgo at={camera.last_seen_at} />
            </>
          ) : (
            "No face yet"
          )}
          {" · "}
          {camera.managers.length > 0
            ? `alerts go to ${camera.managers.join(", ")}`
            : "alerts go to the default recipients"}
        </Text>
      </div>
    </article>
  );
}

/** The last picture. It is faint where the camera gives none now. */
function Frame({ camera }: { camera: Camera }) {
  const [broken, setBroken] = useState<string | null>();
  const { frame_at: at, has_frame: kept } = camera;
  if (!kept || !at || broken === at) {
    return (
      <div className={styles.nothing}>
        <IconPhotoOff size={28} stroke={1.4} aria-hidden />
        <Text fz="xs">No picture</Text>
      </div>
    );
  }
  return (
    <div className={styles.frame}>
      <img
        src={cameraFrame(camera)}
        alt={`What ${camera.name} saw last`}
        width={camera.width ?? undefined}
        height={camera.height ?? undefined}
        onError={() => setBroken(at)}
      />
      <span className={styles.time}>{clockTime(at)}</span>
    </div>
  );
}

/** Whether areas are drawn, and whether the detector works with them yet. */
function Drawn({ camera: { regions, regions_taken_up: takenUp, state } }: { camera: Camera }) {
  const number = areasOf(regions).length;
  if (number === 0 && takenUp !== false) return null;
  const drawn = number > 0 ? `${count(number, "area")} drawn` : "Areas removed";
  if (takenUp) return <Text fz="xs">{drawn}, and in use.</Text>;
  return (
    <Text fz="xs">
      {drawn}.{" "}
      {state
        ? "The detector takes it up with its next report, within ten seconds."
        : "Nothing reports of this camera, so nothing takes it up."}
    </Text>
  );
}

/** What is known of the camera and its device now, not of a while ago. */
function Rates({ camera }: { camera: Camera }) {
  const rates = givesPictures(camera) && camera.rates;
  const spool = camera.state !== "offline" && camera.spool;
  if (!rates && !spool) return null;
  return (
    <dl className={styles.rates}>
      {rates && (
        <>
          <Rate name="Frames a second" value={rate(rates.fps)} />
          <Rate name="Searched a second" value={rate(rates.detector_fps)} />
          <Rate name="Frames left out" value={rates.skipped.toLocaleString()} />
        </>
      )}
      {spool && (
        <Rate
          name="Waiting to be sent"
          value={spool.pending ? `${count(spool.pending, "crop")}, ${bytes(spool.bytes)}` : "none"}
        />
      )}
      {spool && spool.dropped > 0 && <Rate name="Given up" value={count(spool.dropped, "crop")} />}
      {spool && spool.refused > 0 && <Rate name="Refused" value={count(spool.refused, "crop")} />}
    </dl>
  );
}

function Rate({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
