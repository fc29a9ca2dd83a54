import { useState } from "react";
import { detectionImage } from "../api/client";
import type { Box, Detection } from "../api/types";
import { outcomeOf } from "../outcome";
import styles from "./DetectionPicture.module.css";

type Size = { width: number; height: number };

/** A detection's picture, large, with corners drawn around the face. */
export function DetectionPicture({ detection }: { detection: Detection }) {
  const [size, setSize] = useState<Size>();
  const { tone, label } = outcomeOf(detection);
  return (
    <div className={styles.frame}>
      <div className={styles.picture}>
        <img
          src={detectionImage(detection.id)}
          alt={`Face seen at ${detection.camera_id}: ${label}`}
          onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
            setSize({ width: naturalWidth, height: naturalHeight })
          }
        />
        {size && detection.box && <Corners box={detection.box} size={size} tone={tone} />}
      </div>
    </div>
  );
}

function Corners({ box: { x1, y1, x2, y2 }, size, tone }: { box: Box; size: Size; tone: string }) {
  const arm = (x2 - x1) / 6;
  const path = [
    `M${x1} ${y1 + arm}V${y1}H${x1 + arm}`,
    `M${x2 - arm} ${y1}H${x2}V${y1 + arm}`,
    `M${x2} ${y2 - arm}V${y2}H${x2 - arm}`,
    `M${x1 + arm} ${y2}H${x1}V${y2 - arm}`,
  ];
  return (
    <svg
      className={styles.corners}
      data-tone={tone}
      viewBox={`0 0 ${size.width} ${size.height}`}
      aria-hidden="true"
    >
      <path d={path.join("")} />
    </svg>
  );
}
