import { type RefObject, useEffect, useState } from "react";
import { identify } from "../api/client";
import type { IdentifiedFace } from "../api/types";
import { grabFrame, type Rectangle, smallFrame } from "../webcam";

/** So long after one that failed, the next frame is sent. */
const PAUSE_MS = 2_000;

/** How often it is looked whether the camera shows anything, and the page is visible. */
const IDLE_MS = 100;

export type Recognised = {
  frame: HTMLCanvasElement;
  /** The largest first; boxes in pixels of the frame. */
  faces: IdentifiedFace[];
  /** From the moment that the frame shows until its answer. */
  latencyMs: number;
};

/**
 * Who is in front of the camera, again and again: one frame is asked about at a time, and the next
 * one is what the camera shows by then, so that nothing queues where recognising is slow.
 */
export function useRecognition(video: RefObject<HTMLVideoElement | null>, running: boolean) {
  const [recognised, setRecognised] = useState<Recognised>();
  const [error, setError] = useState<Error>();

  useEffect(() => {
    if (!running) return;
    let going = true;

    async function recogniseForever() {
      while (going) {
        const frame = document.hidden ? undefined : video.current && grabFrame(video.current);
        if (!frame) {
          await pause(IDLE_MS);
          continue;
        }
        try {
          const answer = await recognise(frame);
          if (!going) return;
          setRecognised(answer);
          setError(undefined);
        } catch (failure) {
          if (!going) return;
          setRecognised(undefined);
          setError(failure as Error);
          await pause(PAUSE_MS);
        }
      }
    }

    void recogniseForever();
    return () => {
      going = false;
    };
  }, [running, video]);

  return { recognised, error };
}

async function recognise(frame: HTMLCanvasElement): Promise<Recognised> {
  const grabbedAt = performance.now();
  const { jpeg, scale } = await smallFrame(frame);
  const { faces } = await identify(jpeg);
  return {
    frame,
    latencyMs: performance.now() - grabbedAt,
    faces: faces
      .map((face) => ({ ...face, box: enlarged(face.box, 1 / scale) }))
      .toSorted((one, other) => height(other.box) - height(one.box)),
  };
}

const height = ({ y1, y2 }: Rectangle) => y2 - y1;

function enlarged({ x1, y1, x2, y2 }: Rectangle, factor: number): Rectangle {
  return { x1: x1 * factor, y1: y1 * factor, x2: x2 * factor, y2: y2 * factor };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
