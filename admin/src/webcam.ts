// The browser's own camera: opening it, what to do where it does not open, and its pictures.

/** So large are the frames that are recognised: a face at the desk is large enough in them. */
const SENT_SIDE_PX = 640;

const JPEG_QUALITY = 0.88;

/** So much around a face goes into its picture, as a share of the face's size. */
const MARGIN = 0.6;

export type Rectangle = { x1: number; y1: number; x2: number; y2: number };

/** Why there is no picture, and what to do about it. */
export type WebcamTrouble = { title: string; advice: string };

/** Opens a camera: that of an identifier, or else the one that the browser prefers. */
export function openWebcam(deviceId?: string): Promise<MediaStream> {
  if (!navigator.mediaDevices) return Promise.reject(new DOMException("", "InsecureError"));
  return navigator.mediaDevices.getUserMedia({
    audio: false,
    video: {
      width: { ideal: 1280 },
      height: { ideal: 720 },
      ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" }),
    },
  });
}

export function closeWebcam(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/** The cameras of this computer; only those that are open have names. */
export async function listWebcams(): Promise<MediaDeviceInfo[]> {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput");
}

export function troubleOf(error: unknown): WebcamTrouble {
  switch (error instanceof DOMException ? error.name : "") {
    case "InsecureError":
      return {
        title: "Browsers give no camera to this address",
        advice:
          "They do so only over HTTPS, or on the computer that Usher runs on. Open the panel " +
          "there, at http://localhost and its port, or put it behind HTTPS.",
      };
    case "NotAllowedError":
    case "SecurityError":
      return {
        title: "The camera was refused",
        advice:
          "Press the sign beside the page's address, allow the camera, and try again. If it is " +
          "allowed there, look whether the computer's own settings let the browser use it.",
      };
    case "NotFoundError":
    case "OverconstrainedError":
      return {
        title: "There is no camera",
        advice: "Connect one to this computer, and try again.",
      };
    case "NotReadableError":
    case "AbortError":
      return {
        title: "The camera does not start",
        advice: "Another program may be using it. Close that, and try again.",
      };
    default:
      return {
        title: "The camera does not start",
        advice: "Disconnect it, connect it again, and try again.",
      };
  }
}

/** What the camera shows now; nothing while it shows nothing yet. */
export function grabFrame(video: HTMLVideoElement): HTMLCanvasElement | undefined {
  const { videoWidth: width, videoHeight: height } = video;
  return width && height ? drawn(video, { x1: 0, y1: 0, x2: width, y2: height }, 1) : undefined;
}

/** A photograph as it is looked at, to be treated as a frame. */
export async function frameOf(photograph: File): Promise<HTMLCanvasElement> {
  const bitmap = await createImageBitmap(photograph);
  const frame = drawn(bitmap, { x1: 0, y1: 0, x2: bitmap.width, y2: bitmap.height }, 1);
  bitmap.close();
  return frame;
}

/** A frame as it is sent to be recognised, and by how much it was made smaller. */
export async function smallFrame(frame: HTMLCanvasElement): Promise<{ jpeg: Blob; scale: number }> {
  const scale = Math.min(1, SENT_SIDE_PX / Math.max(frame.width, frame.height));
  const whole = { x1: 0, y1: 0, x2: frame.width, y2: frame.height };
  return { jpeg: await jpegOf(drawn(frame, whole, scale)), scale };
}

/** A picture of one face of a frame, with something around it, to recognise somebody by. */
export async function faceFile(frame: HTMLCanvasElement, box: Rectangle): Promise<File> {
  const margin = Math.max(box.x2 - box.x1, box.y2 - box.y1) * MARGIN;
  const area = {
    x1: Math.max(0, Math.round(box.x1 - margin)),
    y1: Math.max(0, Math.round(box.y1 - margin)),
    x2: Math.min(frame.width, Math.round(box.x2 + margin)),
    y2: Math.min(frame.height, Math.round(box.y2 + margin)),
  };
  return new File([await jpegOf(drawn(frame, area, 1))], "camera.jpg", { type: "image/jpeg" });
}

function drawn(
  source: HTMLVideoElement | HTMLCanvasElement | ImageBitmap,
  { x1, y1, x2, y2 }: Rectangle,
  scale: number,
): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = Math.round((x2 - x1) * scale);
  canvas.height = Math.round((y2 - y1) * scale);
  canvas
    .getContext("2d")
    ?.drawImage(source, x1, y1, x2 - x1, y2 - y1, 0, 0, canvas.width, canvas.height);
  return canvas;
}

function jpegOf(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error("The browser made no picture."))),
      "image/jpeg",
      JPEG_QUALITY,
    );
  });
}
