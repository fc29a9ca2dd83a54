import type { IdentifiedFace } from "../api/types";
import { wordsOf } from "../recognition";
import styles from "./FaceOverlay.module.css";

/** Boxes and names over the picture that the faces were found in. The list beside it says more. */
export function FaceOverlay({
  faces,
  width,
  height,
}: {
  faces: IdentifiedFace[];
  width: number;
  height: number;
}) {
  return (
    <div className={styles.overlay} aria-hidden="true">
      {faces.map((face, place) => {
        const { tone, label } = wordsOf(face);
        const { x1, y1, x2, y2 } = face.box;
        return (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: faces of a frame have no identity
            key={place}
            className={styles.face}
            data-tone={tone}
            style={{
              left: percent(x1, width),
              top: percent(y1, height),
              width: percent(x2 - x1, width),
              height: percent(y2 - y1, height),
            }}
          >
            <span className={styles.name}>{label}</span>
          </div>
        );
      })}
    </div>
  );
}

const percent = (part: number, whole: number) => `${(100 * part) / whole}%`;
