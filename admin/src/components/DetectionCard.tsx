import { Loader } from "@mantine/core";
import { Link } from "react-router";
import { detectionImage } from "../api/client";
import type { Detection } from "../api/types";
import { clockTime, fullTime, shortDate } from "../format";
import { outcomeOf, personName, type Tone } from "../outcome";
import { isQuestion } from "../review";
import { ConfidenceMeter } from "./ConfidenceMeter";
import styles from "./DetectionCard.module.css";
import { useDetectionLink } from "./DetectionDrawer";

const CHIPS: Partial<Record<Tone, string>> = { unknown: "Stranger", ignored: "Ignored" };

/** Which detections are chosen, by identifier. */
export type Selection = { ids: ReadonlySet<string>; toggle: (id: string) => void };

type Shown = { detection: Detection; camera: string; dated?: boolean };

/**
 * One detection; it opens the drawer, or is chosen where there is a selection. `dated` tells its day
 * as well as its time.
 */
export function DetectionCard({
  detection,
  camera,
  dated,
  selection,
}: Shown & { selection?: Selection | undefined }) {
  const linkTo = useDetectionLink();
  const { tone } = outcomeOf(detection);

  if (selection) {
    const chosen = selection.ids.has(detection.id);
    return (
      <label className={styles.card} data-tone={tone} data-chosen={chosen}>
        <input
          type="checkbox"
          className={styles.choice}
          checked={chosen}
          onChange={() => selection.toggle(detection.id)}
        />
        <Contents detection={detection} camera={camera} dated={dated} />
      </label>
    );
  }
  return (
    <Link className={styles.card} data-tone={tone} to={linkTo(detection.id)}>
      <Contents detection={detection} camera={camera} dated={dated} />
    </Link>
  );
}

function Contents({ detection, camera, dated = false }: Shown) {
  const { tone, label } = outcomeOf(detection);
  return (
    <>
      <img
        className={styles.picture}
        src={detectionImage(detection.id, 320)}
        alt=""
        loading="lazy"
        decoding="async"
      />
      {CHIPS[tone] && <span className={styles.chip}>{CHIPS[tone]}</span>}
      <div className={styles.caption}>
        <div className={styles.who}>
          <span className={styles.name} title={label}>
            {tone === "unknown" ? detection.person?.id : label}
          </span>
          {tone === "waiting" && <Loader size={12} color="gray" aria-hidden />}
          {detection.confidence && tone !== "ignored" && (
            <ConfidenceMeter confidence={detection.confidence} />
          )}
        </div>
        <div className={styles.where}>
          <span title={camera}>{camera}</span>
          <time dateTime={detection.captured_at} title={fullTime(detection.captured_at)}>
            {dated && `${shortDate(detection.captured_at)}, `}
            {clockTime(detection.captured_at)}
          </time>
        </div>
        {isQuestion(detection) && detection.candidate && (
          <p className={styles.question}>Probably {personName(detection.candidate)}?</p>
        )}
        {tone === "failed" && (
          <p className={styles.reason} title={detection.reason ?? undefined}>
            {detection.reason}
          </p>
        )}
      </div>
    </>
  );
}
