import { ActionIcon, Button, Group, Stack, Text } from "@mantine/core";
import { IconCamera, IconX } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import type { IdentifiedFace } from "../api/types";
import { count } from "../format";
import { adviceOn } from "../recognition";
import { faceFile } from "../webcam";
import styles from "./CameraShots.module.css";
import { Dialog } from "./Dialog";
import { Failure } from "./Failure";
import { RecognisedVideo } from "./RecognisedVideo";
import { useObjectUrl } from "./useObjectUrl";
import { useRecognition } from "./useRecognition";
import { useWebcam } from "./useWebcam";
import { WebcamTroubles } from "./WebcamTroubles";

const POSES = [
  { name: "Straight", guidance: "Look straight at the camera." },
  { name: "To the left", guidance: "Turn the head a little to the left." },
  { name: "To the right", guidance: "Turn the head a little to the right." },
];

/** Takes a few pictures of one person with the browser's own camera, which stops on close. */
export function CameraShots({
  opened,
  onClose,
  onTaken,
}: {
  opened: boolean;
  onClose: () => void;
  onTaken: (pictures: File[]) => void;
}) {
  return (
    <Dialog opened={opened} onClose={onClose} title="Take photographs" size="lg">
      <Shooting onTaken={onTaken} />
    </Dialog>
  );
}

function Shooting({ onTaken }: { onTaken: (pictures: File[]) => void }) {
  const { webcam, start } = useWebcam();
  const started = useRef(start);

  useEffect(() => {
    void started.current();
  }, []);

  if (webcam.state === "on") return <Shots stream={webcam.stream} onTaken={onTaken} />;
  if (webcam.state !== "trouble") return <Text role="status">Starting the camera…</Text>;
  return (
    <Stack gap="md" align="start">
      <WebcamTroubles trouble={webcam.trouble} />
      <Button onClick={() => start()}>Try again</Button>
    </Stack>
  );
}

function Shots({ stream, onTaken }: { stream: MediaStream; onTaken: (pictures: File[]) => void }) {
  const video = useRef<HTMLVideoElement>(null);
  const [pictures, setPictures] = useState<File[]>([]);
  const { recognised, error } = useRecognition(video, true);
  const pose = POSES.find(({ name }) => !pictures.some((picture) => picture.name === name));
  const trouble = recognised && troubleOf(recognised.faces);

  async function take() {
    const [face] = recognised?.faces ?? [];
    if (!recognised || !face || !pose) return;
    const picture = await faceFile(recognised.frame, face.box);
    const named = new File([picture], pose.name, { type: picture.type });
    setPictures((current) => [...current.filter(({ name }) => name !== pose.name), named]);
  }

  const remove = (picture: File) =>
    setPictures((current) => current.filter((other) => other !== picture));

  return (
    <Stack gap="sm">
      <div className={styles.picture}>
        <RecognisedVideo video={video} stream={stream} recognised={recognised} />
      </div>
      {error && <Failure error={error} />}
      <div role="status">
        <Text fw={650}>{pose ? pose.guidance : "That is enough: add them now."}</Text>
        <Text fz="sm" c="dimmed">
          {recognised ? (trouble ?? "The face is clear enough.") : "Looking for a face…"}
        </Text>
      </div>
      {pictures.length > 0 && (
        <ul className={styles.shots} aria-label="Pictures taken">
          {pictures.map((picture) => (
            <Shot key={picture.name} picture={picture} onRemove={() => remove(picture)} />
          ))}
        </ul>
      )}
      <Group gap="xs">
        <Button
          variant={pose ? "filled" : "default"}
          leftSection={<IconCamera size={18} aria-hidden />}
          disabled={!pose || !recognised || trouble !== undefined}
          onClick={take}
        >
          Take the picture
        </Button>
        <Button
          variant={pose ? "default" : "filled"}
          disabled={pictures.length === 0}
          onClick={() => onTaken(pictures)}
        >
          {pictures.length === 0
            ? "Add photographs"
            : `Add ${count(pictures.length, "photograph")}`}
        </Button>
      </Group>
    </Stack>
  );
}

function Shot({ picture, onRemove }: { picture: File; onRemove: () => void }) {
  const address = useObjectUrl(picture);
  return (
    <li className={styles.shot}>
      {address && <img src={address} alt={picture.name} />}
      <ActionIcon
        className={styles.remove}
        variant="filled"
        color="dark"
        size="sm"
        aria-label={`Take again: ${picture.name}`}
        onClick={onRemove}
      >
        <IconX size={14} aria-hidden />
      </ActionIcon>
    </li>
  );
}

/** What keeps a picture from being taken now, and what to do about it. */
function troubleOf([face, ...others]: IdentifiedFace[]): string | undefined {
  if (!face) return "Nobody is in the picture.";
  if (others.length > 0) return "Several faces are in the picture: only one person may be in it.";
  return face.quality.acceptable ? undefined : adviceOn(face.quality.reasons);
}
