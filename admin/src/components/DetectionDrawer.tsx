import { Anchor, Drawer, Group, Loader, Stack, Text, Title } from "@mantine/core";
import { IconUserCheck } from "@tabler/icons-react";
import { Link, useSearchParams } from "react-router";
import { useCameraName, useDetection, useMay } from "../api/queries";
import type { Detection, FramePlace } from "../api/types";
import { count, fullTime } from "../format";
import { explanationOf, outcomeOf } from "../outcome";
import { questionOf } from "../review";
import { CandidateQuestion } from "./CandidateQuestion";
import { ConfidenceMeter } from "./ConfidenceMeter";
import { Corrections } from "./Corrections";
import styles from "./DetectionDrawer.module.css";
import { DetectionPicture } from "./DetectionPicture";
import { Failure } from "./Failure";
import { ForManagers } from "./ForRoles";

const PARAMETER = "detection";

/** A function from a detection's identifier to a link that opens its drawer on this page. */
export function useDetectionLink(): (id: string) => { search: string } {
  const [parameters] = useSearchParams();
  return (id) => {
    const next = new URLSearchParams(parameters);
    next.set(PARAMETER, id);
    return { search: next.toString() };
  };
}

/** The drawer of the detection that the address names, on whichever page. */
export function DetectionDrawer() {
  const [parameters, setParameters] = useSearchParams();
  const id = parameters.get(PARAMETER);

  function close() {
    setParameters((current) => {
      current.delete(PARAMETER);
      return current;
    });
  }

  return (
    <Drawer
      opened={id !== null}
      onClose={close}
      position="right"
      size="min(100%, 30rem)"
      title="Detection"
    >
      {id && <DetectionDetails key={id} id={id} />}
    </Drawer>
  );
}

function DetectionDetails({ id }: { id: string }) {
  const mayAnswer = useMay("admin", "manager");
  const detection = useDetection(id);
  if (detection.isPending) return <Loader role="progressbar" aria-label="Loading" />;
  if (!detection.data) return <Failure error={detection.error} retry={detection.refetch} />;
  const question = questionOf(detection.data);
  return (
    <Stack gap="md">
      {question && mayAnswer ? (
        <CandidateQuestion question={question} />
      ) : (
        <DetectionPicture detection={detection.data} />
      )}
      <Who detection={detection.data} />
      <ForManagers>
        <Corrections detection={detection.data} />
      </ForManagers>
      <Facts detection={detection.data} />
    </Stack>
  );
}

function Who({ detection }: { detection: Detection }) {
  const { tone, label } = outcomeOf(detection);
  return (
    <div>
      <Title order={2} fz="xl" className={styles.who} data-tone={tone}>
        {detection.person && detection.status === "classified" ? (
          <Anchor component={Link} to={`/people/${detection.person.id}`} inherit c="inherit">
            {label}
          </Anchor>
        ) : (
          label
        )}
      </Title>
      {detection.confidence && (
        <Group gap={6} c="dimmed" fz="sm">
          <ConfidenceMeter confidence={detection.confidence} />
          {detection.confidence} confidence
        </Group>
      )}
      {detection.confirmed && (
        <Group gap={6} c="dimmed" fz="sm">
          <IconUserCheck size={15} aria-hidden />
          Confirmed by a person
        </Group>
      )}
      <Text c={tone === "failed" ? "red" : "dimmed"} fz="sm">
        {detection.reason ?? explanationOf(detection)}
      </Text>
    </div>
  );
}

function Facts({ detection }: { detection: Detection }) {
  const cameraName = useCameraName();
  const { quality, frame } = detection;
  return (
    <dl className={styles.facts}>
      <dt>Camera</dt>
      <dd>{cameraName(detection.camera_id)}</dd>
      <dt>Seen</dt>
      <dd>{fullTime(detection.captured_at)}</dd>
      {quality && (
        <>
          <dt>Picture</dt>
          <dd>
            {quality.acceptable ? "Good enough to identify" : quality.reasons.join(", ")}, face of{" "}
            {count(quality.size_px, "pixel")}
          </dd>
        </>
      )}
      {frame && (
        <>
          <dt>In the frame</dt>
          <dd>
            <FrameMap frame={frame} />
          </dd>
        </>
      )}
    </dl>
  );
}

function FrameMap({ frame: { box, width, height } }: { frame: FramePlace }) {
  return (
    <svg
      className={styles.frame}
      viewBox={`0 0 ${width} ${height}`}
      role="img"
      aria-label={`The face lay at ${box.x1}, ${box.y1} in a frame of ${width} by ${height} pixels`}
    >
      <rect
        className={styles.face}
        x={box.x1}
        y={box.y1}
        width={box.x2 - box.x1}
        height={box.y2 - box.y1}
      />
    </svg>
  );
}
