import { Button, Group, NativeSelect, Text } from "@mantine/core";
import { IconCamera, IconUserPlus } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { useMay } from "../api/queries";
import type { IdentifiedFace } from "../api/types";
import { EmptyState } from "../components/EmptyState";
import { EnrolDialog, type Snapshot } from "../components/EnrolDialog";
import { Failure } from "../components/Failure";
import { PageHeader } from "../components/PageHeader";
import { RecognisedVideo } from "../components/RecognisedVideo";
import { type Recognised, useRecognition } from "../components/useRecognition";
import { useWebcam, type Webcam } from "../components/useWebcam";
import { WebcamTroubles } from "../components/WebcamTroubles";
import { listed } from "../format";
import { wordsOf } from "../recognition";
import { faceFile } from "../webcam";
import styles from "./LiveCameraPage.module.css";

/** The camera of the computer that the panel is open on: who is in front of it, at once. */
export function LiveCameraPage() {
  const { webcam, start, stop } = useWebcam();
  const mayIdentify = useMay("admin", "manager");
  return (
    <>
      <PageHeader title="Live camera">
        {webcam.state === "on" && <Controls webcam={webcam} onChoose={start} onStop={stop} />}
      </PageHeader>
      {webcam.state === "on" ? (
        <Watching stream={webcam.stream} />
      ) : (
        <>
          {webcam.state === "trouble" && <WebcamTroubles trouble={webcam.trouble} />}
          <EmptyState icon={IconCamera} title="See Usher recognise you">
            <Text inherit>
              This uses the camera of the computer or phone in front of you. Its pictures are looked
              at and forgotten: nothing is kept, and no alert is sent, unless you enrol a face.
            </Text>
            {mayIdentify ? (
              <Button mt="md" loading={webcam.state === "starting"} onClick={() => start()}>
                {webcam.state === "trouble" ? "Try again" : "Start the camera"}
              </Button>
            ) : (
              <Text inherit mt="md">
                Only managers may do that.
              </Text>
            )}
          </EmptyState>
        </>
      )}
    </>
  );
}

function Controls({
  webcam: { cameras, deviceId },
  onChoose,
  onStop,
}: {
  webcam: Extract<Webcam, { state: "on" }>;
  onChoose: (deviceId: string) => void;
  onStop: () => void;
}) {
  return (
    <Group gap="xs">
      {cameras.length > 1 && (
        <NativeSelect
          aria-label="Camera"
          value={deviceId}
          onChange={(event) => onChoose(event.currentTarget.value)}
          data={cameras.map(({ deviceId: value, label }, place) => ({
            value,
            label: label || `Camera ${place + 1}`,
          }))}
        />
      )}
      <Button variant="default" onClick={onStop}>
        Stop the camera
      </Button>
    </Group>
  );
}

function Watching({ stream }: { stream: MediaStream }) {
  const video = useRef<HTMLVideoElement>(null);
  const [snapshot, setSnapshot] = useState<Snapshot>();
  const { recognised, error } = useRecognition(video, snapshot === undefined);

  async function enrol(face: IdentifiedFace, { frame }: Recognised) {
    setSnapshot({ face, picture: await faceFile(frame, face.box) });
  }

  return (
    <div className={styles.page}>
      <div className={styles.picture}>
        <RecognisedVideo video={video} stream={stream} recognised={recognised} />
        {recognised && (
          <span className={styles.latency}>{Math.round(recognised.latencyMs)} ms</span>
        )}
      </div>
      <section aria-label="In the picture">
        {error && <Failure error={error} />}
        <Text className={styles.summary} role="status">
          {recognised ? summaryOf(recognised.faces) : !error && "Looking for faces…"}
        </Text>
        <ul className={styles.faces} aria-label="Faces">
          {recognised?.faces.map((face, place) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: faces of a frame have no identity
            <Face key={place} face={face} onEnrol={() => enrol(face, recognised)} />
          ))}
        </ul>
        <Text fz="xs" c="dimmed" mt="sm">
          Nothing of this is kept. The milliseconds are from the moment that is shown until Usher's
          answer about it.
        </Text>
      </section>
      <EnrolDialog snapshot={snapshot} onClose={() => setSnapshot(undefined)} />
    </div>
  );
}

function Face({ face, onEnrol }: { face: IdentifiedFace; onEnrol: () => void }) {
  const { tone, label, detail } = wordsOf(face);
  return (
    <li className={styles.face} data-tone={tone}>
      <div className={styles.words}>
        <Text fw={650} className={styles.name}>
          {label}
        </Text>
        <Text fz="sm" c="dimmed">
          {detail}
        </Text>
      </div>
      <Button
        size="xs"
        variant="default"
        leftSection={<IconUserPlus size={15} aria-hidden />}
        aria-label={`Enrol this face: ${label}`}
        disabled={tone === "unusable"}
        onClick={onEnrol}
      >
        Enrol this face
      </Button>
    </li>
  );
}

function summaryOf(faces: IdentifiedFace[]): string {
  if (faces.length === 0) return "Nobody is in the picture.";
  return `In the picture: ${listed(faces.map((face) => wordsOf(face).label))}.`;
}
