// What a camera is doing, in words, and how it is to look.

import {
  type Icon,
  IconCircleCheck,
  IconEyeOff,
  IconFocusCentered,
  IconHelpCircle,
  IconMovie,
  IconPlayerStop,
  IconPlugConnected,
  IconPlugConnectedX,
  IconSnowflake,
  IconWifiOff,
} from "@tabler/icons-react";
import type { Camera, CameraState } from "./api/types";
import { duration } from "./format";

/** What may name a camera to the API. */
const SLUG = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A camera's identifier out of a name: "Front door" is `front-door`. */
export function slugOf(name: string): string {
  const slug = name
    .normalize("NFKD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 64)
    .replace(/^-+|-+$/g, "");
  return slug || "camera-1";
}

/** The camera that somebody means by its name or identifier; there may be none yet. */
export function cameraIdOf(written: string, cameras: Camera[]): string {
  const named = cameras.find(({ name }) => name === written);
  return named?.id ?? (SLUG.test(written) ? written : slugOf(written));
}

type Words = {
  label: string;
  color: string;
  Icon: Icon;
  /** What is wrong, and what to do about it. */
  advice?: string;
};

const WORDS: Record<CameraState, Words> = {
  live: { label: "Live", color: "pine", Icon: IconCircleCheck },
  connecting: {
    label: "Connecting",
    color: "blue",
    Icon: IconPlugConnected,
    advice: "The detector is opening the camera. Where it stays so, check the camera's address.",
  },
  gone: {
    label: "Gone",
    color: "red",
    Icon: IconPlugConnectedX,
    advice:
      "The camera gives no picture; check its power and its cable. It is tried again and again.",
  },
  frozen: {
    label: "Frozen",
    color: "orange",
    Icon: IconSnowflake,
    advice: "The picture does not change; check the camera, or switch it off and on.",
  },
  black: {
    label: "Black",
    color: "orange",
    Icon: IconEyeOff,
    advice: "The picture is black; check the light, and whether something covers the lens.",
  },
  blurred: {
    label: "Blurred",
    color: "orange",
    Icon: IconFocusCentered,
    advice: "The picture shows nothing sharp; clean the lens, or focus it.",
  },
  offline: {
    label: "Offline",
    color: "red",
    Icon: IconWifiOff,
    advice: "Its detector is not heard of; check that it runs and reaches this address.",
  },
  stopped: {
    label: "Stopped",
    color: "gray",
    Icon: IconPlayerStop,
    advice: "Its detector was ended.",
  },
  finished: {
    label: "Finished",
    color: "gray",
    Icon: IconMovie,
    advice: "Its film was read to the end.",
  },
};

const UNREPORTED: Words = {
  label: "No report",
  color: "gray",
  Icon: IconHelpCircle,
  advice: "Its faces come from a program that does not say how the camera is.",
};

const TROUBLE: ReadonlySet<CameraState> = new Set([
  "gone",
  "frozen",
  "black",
  "blurred",
  "offline",
] satisfies CameraState[]);

const PICTURES: ReadonlySet<CameraState> = new Set([
  "live",
  "frozen",
  "black",
  "blurred",
] satisfies CameraState[]);

export function cameraWords({ state }: Camera): Words {
  return state ? WORDS[state] : UNREPORTED;
}

/** "Frozen for 3 minutes", "Finished 3 minutes ago"; without the time where it only just came to be
 * so. */
export function cameraTitle(camera: Camera): string {
  const { label } = cameraWords(camera);
  const since = camera.state_since && duration(camera.state_since);
  if (!since) return label;
  return camera.state === "finished" ? `${label} ${since} ago` : `${label} for ${since}`;
}

/** Whether the camera gives pictures now, be they good or not. */
export function givesPictures({ state }: Camera): boolean {
  return state != null && PICTURES.has(state);
}

/** Whether a film was at its end before a moment: nothing comes of it any more. */
export function isOver({ state, state_since }: Camera, moment: Date): boolean {
  return state === "finished" && state_since != null && new Date(state_since) < moment;
}

/** Whether somebody should look after the camera. */
export function isInTrouble({ state }: Camera): boolean {
  return state != null && TROUBLE.has(state);
}
