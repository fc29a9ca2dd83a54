import { Loader } from "@mantine/core";
import { Link } from "react-router";
import { detectionImage } from "../api/client";
import type { Detection } from "../api/types";
import { clockTime, fullTime } from "../format";
import { outcomeOf, type Tone } from "../outcome";
import { ConfidenceMeter } from "./ConfidenceMeter";
import styles from "./DetectionCard.module.css";
import { useDetectionLink } from "./DetectionDrawer";

const CHIPS: Partial<Record<Tone, string>> = { unknown: "Stranger", ignored: "Ignored" };

/** One detection; it opens the drawer. */
export function DetectionCard({ detection, camera }: { detection: Detection; camera: string }) {
  const linkTo = useDetectionLink();
  const { tone, label } = outcomeOf(detection);

  return (
    <Link className={styles.card} data-tone={tone} to={linkTo(detection.id)}>
      <img className={styles.picture} src={detectionImage(detection.id)} alt="" loading="lazy" />
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
            {clockTime(detection.captured_at)}
          </time>
        </div>
        {tone === "failed" && (
          <p className={styles.reason} title={detection.reason ?? undefined}>
            {detection.reason}
          </p>
        )}
      </div>
    </Link>
  );
}
