import { Anchor, Text } from "@mantine/core";
import { Link } from "react-router";
import { detectionImage, faceImage } from "../api/client";
import { useCameraName, useFaces } from "../api/queries";
import type { Detection, Face, PersonBrief } from "../api/types";
import { clockTime, dayName, fullTime } from "../format";
import { personName } from "../outcome";
import type { Question } from "../review";
import styles from "./Comparison.module.css";
import { PersonPortrait } from "./PersonPortrait";
import { type Picture, Pictures } from "./Pictures";

/** What was seen beside the photographs of whom it probably shows. */
export function Comparison({ question }: { question: Question }) {
  const cameraName = useCameraName();
  const faces = useFaces(question.candidate.id);
  const { stranger, candidate, detections } = question;
  const seen = detections.map((detection) =>
    pictureOfDetection(detection, cameraName(detection.camera_id)),
  );
  const known = (faces.data ?? []).map((face) => pictureOfFace(face, candidate));
  return (
    <div className={styles.comparison}>
      {stranger ? (
        <PersonLink person={stranger} />
      ) : (
        <Text className={styles.who} component="span" c="dimmed">
          Not identified
        </Text>
      )}
      <PersonLink person={candidate} />
      <Pictures pictures={seen} none={null} />
      <Pictures pictures={known} none={<PersonPortrait person={candidate} size="100%" />} />
    </div>
  );
}

function PersonLink({ person }: { person: PersonBrief }) {
  return (
    <Anchor
      component={Link}
      to={`/people/${person.id}`}
      className={styles.who}
      data-kind={person.kind}
    >
      {personName(person)}
    </Anchor>
  );
}

/** A detection's picture, with where and when it was taken. */
export function pictureOfDetection({ id, captured_at: at }: Detection, camera: string): Picture {
  return {
    key: id,
    src: detectionImage(id),
    alt: `Seen at ${camera}, ${fullTime(at)}`,
    caption: (
      <>
        <span>{camera}</span>
        <time dateTime={at} title={fullTime(at)}>
          {dayName(at)}, {clockTime(at)}
        </time>
      </>
    ),
  };
}

function pictureOfFace({ id, origin, created_at: at }: Face, person: PersonBrief): Picture {
  const source = origin === "enrolment" ? "Uploaded" : "From a camera";
  return {
    key: id,
    src: faceImage(person.id, id),
    alt: `${personName(person)}, added ${fullTime(at)}`,
    caption: (
      <>
        <span>{source}</span>
        <time dateTime={at} title={fullTime(at)}>
          {dayName(at)}
        </time>
      </>
    ),
  };
}
