"""Frames of a video file, and of a folder of photographs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import cv2
import structlog

from services.detector.sources.frame import Frame, rgb
from usher.domain.errors import InvalidInput, SourceError
from usher.domain.records import CameraState
from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image

log = structlog.get_logger()

_DEFAULT_FPS = 25.0
_MAX_FPS = 1000.0
_MAX_PHOTO_PIXELS = 100_000_000
_MEGABYTE = 1_000_000


class VideoFile:
    """Every frame of a file, or every n-th.

    Frames bear the time `started_at` plus their place divided by the file's frame rate, so that
    another run over the same file gives the same.

    Parameters
    ----------
    path
        Any file that FFmpeg reads, GIF animations too.
    started_at
        When the first frame was captured.
    max_fps
        Frames to take of each second of the file, at most: every n-th, n a whole number. None:
        every frame.

    Raises
    ------
    SourceError
        If the file is missing or is no video; from iterating, if it gives no frame.
    """

    is_live = False
    state: CameraState = CameraState.LIVE
    reason: str | None = None
    skipped = 0

    def __init__(self, path: Path, *, started_at: datetime, max_fps: float | None) -> None:
        if not path.is_file():
            raise SourceError(f"there is no file {path}: check the path")
        self._path = path
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(f"{path} is no video that can be read: try to convert it to H.264")
        self._started_at = started_at
        self._fps = _plausible_fps(self._capture.get(cv2.CAP_PROP_FPS))
        self._step = max(1, round(self._fps / max_fps)) if max_fps else 1
        self.length = max(0, int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))) or None

    def __iter__(self) -> Iterator[Frame]:
        origin = content_id(self._path)
        index = 0
        while self._capture.grab():
            if index % self._step == 0:
                yield Frame(self._read(index), index, self._time_of(index), origin)
            index += 1
        self._check_end(index)

    def close(self) -> None:
        self._capture.release()

    def _read(self, index: int) -> RgbImage:
        done, frame_bgr = self._capture.retrieve()
        if not done:
            raise SourceError(f"frame {index} of {self._path} cannot be decoded")
        return rgb(frame_bgr)

    def _time_of(self, index: int) -> datetime:
        return self._started_at + timedelta(seconds=index / self._fps)

    def _check_end(self, frames: int) -> None:
        if frames == 0:
            raise SourceError(
                f"{self._path} gives no frame: it may be damaged, or its codec unknown"
            )
        if self.length and frames < 0.9 * self.length:
            log.warning("video_ended_early", frames=frames, announced=self.length)


class Folder:
    """The photographs of a folder, in the order of their names.

    They bear times one second apart. A file that is no readable photograph is logged and skipped.

    Parameters
    ----------
    path
        Looked through without its sub-folders; hidden files are left out.
    started_at
        The time that the first one bears.

    Raises
    ------
    SourceError
        If there is no such folder or it holds no file.
    """

    is_live = False
    state: CameraState = CameraState.LIVE
    reason: str | None = None
    skipped = 0

    def __init__(self, path: Path, *, started_at: datetime) -> None:
        if not path.is_dir():
            raise SourceError(f"there is no folder {path}: check the path")
        self._files = sorted(
            file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")
        )
        if not self._files:
            raise SourceError(f"the folder {path} holds no photograph")
        self._started_at = started_at
        self.length: int | None = len(self._files)

    def __iter__(self) -> Iterator[Frame]:
        for index, file in enumerate(self._files):
            try:
                image_rgb = read_photo(file)
            except (InvalidInput, OSError) as error:
                log.warning("photo_skipped", file=file.name, reason=str(error))
                continue
            captured_at = self._started_at + timedelta(seconds=index)
            yield Frame(image_rgb, index, captured_at, f"{file.name} {content_id(file)}")

    def close(self) -> None:
        """Nothing is held open."""


def content_id(path: Path) -> str:
    """Names a file's content by its size and a hash of its first and last megabyte."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_MEGABYTE))
        file.seek(max(size - _MEGABYTE, 0))
        digest.update(file.read(_MEGABYTE))
    return f"{size}-{digest.hexdigest()}"


def read_photo(file: Path) -> RgbImage:
    """The photograph of a file, upright: uint8, (H, W, 3), RGB.

    Raises
    ------
    InvalidInput
        If it is none, or too large.
    OSError
        If it cannot be read.
    """
    return decode_image(file.read_bytes(), formats=PHOTO_FORMATS, max_pixels=_MAX_PHOTO_PIXELS)


def _plausible_fps(fps: float) -> float:
    if math.isfinite(fps) and 0 < fps <= _MAX_FPS:
        return fps
    log.warning("frame_rate_unknown", assumed=_DEFAULT_FPS)
    return _DEFAULT_FPS
