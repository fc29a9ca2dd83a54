import { useEffect, useRef, useState } from "react";
import { closeWebcam, listWebcams, openWebcam, troubleOf, type WebcamTrouble } from "../webcam";

export type Webcam =
  | { state: "off" | "starting" }
  | { state: "on"; stream: MediaStream; cameras: MediaDeviceInfo[]; deviceId: string | undefined }
  | { state: "trouble"; trouble: WebcamTrouble };

/** The browser's own camera, which is on only when somebody has asked for it on this page. */
export function useWebcam() {
  const [webcam, setWebcam] = useState<Webcam>({ state: "off" });
  const attempt = useRef(0);
  const open = useRef<MediaStream>(undefined);

  function release(): number {
    closeWebcam(open.current);
    open.current = undefined;
    attempt.current += 1;
    return attempt.current;
  }

  async function start(deviceId?: string) {
    const own = release();
    setWebcam({ state: "starting" });
    try {
      const stream = await openWebcam(deviceId);
      // Somebody has left the page, or stopped the camera, while the browser asked.
      if (own !== attempt.current) return closeWebcam(stream);
      open.current = stream;
      const [track] = stream.getVideoTracks();
      track?.addEventListener("ended", () => own === attempt.current && fail(new DOMException()));
      const cameras = await listWebcams();
      if (own !== attempt.current) return;
      setWebcam({ state: "on", stream, cameras, deviceId: track?.getSettings().deviceId });
    } catch (error) {
      if (own === attempt.current) fail(error);
    }
  }

  function fail(error: unknown) {
    release();
    setWebcam({ state: "trouble", trouble: troubleOf(error) });
  }

  function stop() {
    release();
    setWebcam({ state: "off" });
  }

  useEffect(
    () => () => {
      closeWebcam(open.current);
      attempt.current += 1;
    },
    [],
  );
  return { webcam, start, stop };
}
