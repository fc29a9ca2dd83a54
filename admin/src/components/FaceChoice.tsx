import { Skeleton, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { identify } from "../api/client";
import { faceFile, frameOf, smallFrame } from "../webcam";
import { Dialog } from "./Dialog";
import styles from "./FaceChoice.module.css";
import { Failure } from "./Failure";
import { useObjectUrl } from "./useObjectUrl";

/** Asks which face of a photograph is meant, and gives a picture of that one. */
export function FaceChoice({
  photograph,
  title,
  onChosen,
  onClose,
}: {
  photograph: File;
  title: string;
  onChosen: (picture: File) => void;
  onClose: () => void;
}) {
  const url = useObjectUrl(photograph);
  const found = useQuery({
    queryKey: ["faces of a photograph", photograph.name, photograph.lastModified, photograph.size],
    queryFn: () => facesOf(photograph),
    retry: false,
  });
  return (
    <Dialog opened onClose={onClose} title={title} size="lg">
      {found.isPending && <Skeleton height={240} role="progressbar" aria-label="Loading" />}
      {found.isError && <Failure error={found.error} retry={found.refetch} />}
      {found.data?.boxes.length === 0 && <Text>No face was found in it.</Text>}
      {found.data && found.data.boxes.length > 0 && (
        <div className={styles.picture}>
          <img src={url} alt={photograph.name} />
          {found.data.boxes.map((box, place) => {
            const { frame } = found.data;
            return (
              <button
                // biome-ignore lint/suspicious/noArrayIndexKey: they have no identity yet
                key={place}
                type="button"
                className={styles.face}
                aria-label={`Face ${place + 1} from the left`}
                onClick={async () => onChosen(await faceFile(frame, box))}
                style={{
                  left: `${(100 * box.x1) / frame.width}%`,
                  top: `${(100 * box.y1) / frame.height}%`,
                  width: `${(100 * (box.x2 - box.x1)) / frame.width}%`,
                  height: `${(100 * (box.y2 - box.y1)) / frame.height}%`,
                }}
              />
            );
          })}
        </div>
      )}
    </Dialog>
  );
}

/** A photograph, and where its faces are, from left to right. */
async function facesOf(photograph: File) {
  const frame = await frameOf(photograph);
  const { jpeg, scale } = await smallFrame(frame);
  const { faces } = await identify(jpeg);
  const boxes = faces
    .map(({ box: { x1, y1, x2, y2 } }) => ({
      x1: x1 / scale,
      y1: y1 / scale,
      x2: x2 / scale,
      y2: y2 / scale,
    }))
    .sort((one, other) => one.x1 - other.x1);
  return { frame, boxes };
}
