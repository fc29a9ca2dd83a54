import { Button, Center, Loader, Stack, Text } from "@mantine/core";
import { IconCamera } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { grabFrame, wholeFile } from "../webcam";
import styles from "./CameraShots.module.css";
import { useWebcam } from "./useWebcam";
import { WebcamTroubles } from "./WebcamTroubles";

/** How to look, one photograph after the other: different ones make somebody easier to know. */
const POSES = [
  "Look straight into the camera.",
  "Turn the head a little to the left.",
  "Turn the head a little to the right.",
  "Look straight again, with another expression.",
];

/** Photographs of whoever sits at the desk, by the browser's own camera. */
export function CameraShots({ onTake }: { onTake: (photograph: File) => Promise<boolean> }) {
  const { webcam, start } = useWebcam();
  const video = useRef<HTMLVideoElement>(null);
  const [taken, setTaken] = useState(0);
  const [pending, setPending] = useState(false);
  const [refused, setRefused] = useState(false);
  const stream = webcam.state === "on" ? webcam.stream : undefined;

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, as the dialog opens
  useEffect(() => {
    void start();
  }, []);

  useEffect(() => {
    if (video.current && stream) video.current.srcObject = stream;
  }, [stream]);

  async function take() {
    const frame = video.current && grabFrame(video.current);
    if (!frame) return;
    setPending(true);
    const added = await onTake(await wholeFile(frame));
    setPending(false);
    setRefused(!added);
    if (added) setTaken((count) => count + 1);
  }

  if (webcam.state === "trouble") {
    return (
      <Stack>
        <WebcamTroubles trouble={webcam.trouble} />
        <Button onClick={() => start()}>Try again</Button>
      </Stack>
    );
  }
  if (!stream) {
    return (
      <Center mih={200}>
        <Loader aria-label="Starting the camera" />
      </Center>
    );
  }
  return (
    <Stack gap="sm">
      <video
        ref={video}
        className={styles.video}
        autoPlay
        muted
        playsInline
        aria-label="What the camera shows"
      />
      <Text fw={600}>{POSES[taken] ?? "That is enough; more do no harm."}</Text>
      <Button
        leftSection={<IconCamera size={18} aria-hidden />}
        loading={pending}
        onClick={take}
        data-autofocus
      >
        Take photograph {taken + 1}
      </Button>
      <Text fz="sm" c="dimmed" role="status">
        {refused
          ? "That one cannot be used: one face alone, near and in light, works best. Try again."
          : taken > 0 && `${taken} taken.`}
      </Text>
    </Stack>
  );
}
