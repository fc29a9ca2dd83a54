"""Video files, frame by frame."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2
import numpy as np

from usher.domain.errors import SourceError
from usher.vision.images import RgbImage

_DEFAULT_FPS = 25.0
_MAX_FPS = 1000.0


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One picture of a video.

    Attributes
    ----------
    image_rgb
        uint8, (H, W, 3), RGB.
    index
        Its place in the video, from 0.
    at_s
        Seconds from the video's beginning.
    """

    image_rgb: RgbImage
    index: int
    at_s: float


class Clip:
    """A video file, to be read once.

    Parameters
    ----------
    path
        Any file that FFmpeg reads, GIF animations too.

    Raises
    ------
    SourceError
        If the file is missing or is no video; from `frames`, if it gives none.

    Attributes
    ----------
    fps
        Frames a second; 25 where the file does not say.
    length
        About how many frames there are; None if the file does not say.
    width, height
        Of a frame, in pixels.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SourceError(f"there is no file {path}: check the path")
        quieten_opencv()
        self._path = path
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(f"{path} is no video that can be read: try to convert it to H.264")
        self.fps = _plausible_fps(self._capture.get(cv2.CAP_PROP_FPS))
        self.length = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))) or None
        self.width = int(self._capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.height = int(self._capture.get(cv2.CAP_PROP_FRAME_HEIGHT))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._capture.release()

    def frames(self, step: int = 1) -> Iterator[ClipFrame]:
        """Every `step`-th frame, from the first on."""
        index = 0
        while self._capture.grab():
            if index % step == 0:
                yield ClipFrame(self._read(index), index, index / self.fps)
            index += 1
        if index == 0:
            raise SourceError(
                f"{self._path} gives no frame: it may be damaged, or its codec unknown"
            )

    def step(self, looks_per_s: float, *, most: int) -> int:
        """How many frames on the next look is, so often a second, and at most so often in all."""
        often = self.fps / looks_per_s
        seldom = (self.length or 0) / most
        return max(1, math.ceil(max(often, seldom)))

    def _read(self, index: int) -> RgbImage:
        done, frame_bgr = self._capture.retrieve()
        if not done:
            raise SourceError(f"frame {index} of {self._path} cannot be decoded")
        return np.asarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB), np.uint8)


def quieten_opencv() -> None:
    """Keep OpenCV's and FFmpeg's own lines out of what a command prints."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def _plausible_fps(fps: float) -> float:
    return fps if math.isfinite(fps) and 0 < fps <= _MAX_FPS else _DEFAULT_FPS
