import { type RefObject, useEffect } from "react";
import { FaceOverlay } from "./FaceOverlay";
import type { Recognised } from "./useRecognition";

/** What the browser's own camera shows, with the faces that were found in it. */
export function RecognisedVideo({
  video,
  stream,
  recognised,
}: {
  video: RefObject<HTMLVideoElement | null>;
  stream: MediaStream;
  recognised: Recognised | undefined;
}) {
  useEffect(() => {
    if (video.current) video.current.srcObject = stream;
  }, [video, stream]);

  return (
    <>
      <video ref={video} autoPlay muted playsInline aria-label="What the camera shows" />
      {recognised && (
        <FaceOverlay
          faces={recognised.faces}
          width={recognised.frame.width}
          height={recognised.frame.height}
        />
      )}
    </>
  );
}
