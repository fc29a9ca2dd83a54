"""Where frames come from: cameras, streams, video files, folders of photographs."""

from __future__ import annotations

import hashlib
import math
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import structlog

from services.detector.config import DetectorConfig
from usher.domain.errors import InvalidInput, SourceError
from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image

log = structlog.get_logger()

_DEFAULT_FPS = 25.0
_MAX_FPS = 1000.0
_MAX_PHOTO_PIXELS = 100_000_000
_LIVE_TIMEOUT_MS = 10_000
_MEGABYTE = 1_000_000
_POLL_S = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes
    ----------
    image_rgb
        uint8, (H, W, 3), RGB.
    index
        Its place in the source, from 0, frames that were left out included.
    captured_at
        Aware, UTC.
    origin
        Names the content that it was read from, the same in every run; None for a live source.
    """

    image_rgb: RgbImage
    index: int
    captured_at: datetime
    origin: str | None = None


class Source(Protocol):
    """Frames, to be iterated over once."""

    @property
    def is_live(self) -> bool:
        """Whether frames are lost that are not taken in time."""
        ...

    @property
    def length(self) -> int | None:
        """About how many frames there are, those left out included; None if nobody knows."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class Capture(Protocol):
    """What `cv2.VideoCapture` does, as far as it is needed here."""

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, np.ndarray]: ...

    def release(self) -> None: ...


class VideoFile:
    """Every n-th frame of a file.

    Frames bear the time `started_at` plus their place divided by the file's frame rate, so that
    another run over the same file gives the same.

    Parameters
    ----------
    path
        Any file that FFmpeg reads, GIF animations too.
    started_at
        When the first frame was captured.
    max_fps
        Frames to take of each second of the file, at most: every n-th, n a whole number.

    Raises
    ------
    SourceError
        If the file is missing or is no video; from iterating, if it gives no frame.
    """

    is_live = False

    def __init__(self, path: Path, *, started_at: datetime, max_fps: float) -> None:
        if not path.is_file():
            raise SourceError(f"there is no file {path}: check the path")
        self._path = path
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        if not self._capture.isOpened():
            raise SourceError(f"{path} is no video that can be read: try to convert it to H.264")
        self._started_at = started_at
        self._fps = _plausible_fps(self._capture.get(cv2.CAP_PROP_FPS))
        self._step = max(1, round(self._fps / max_fps))
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
        return _rgb(frame_bgr)

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
            image_rgb = _photo(file)
            if image_rgb is not None:
                captured_at = self._started_at + timedelta(seconds=index)
                yield Frame(image_rgb, index, captured_at, f"{file.name} {content_id(file)}")

    def close(self) -> None:
        """Nothing is held open."""


class LiveVideo:
    """A camera or stream: always its newest frame.

    A thread reads frames as they come and keeps the last, so that whoever is slower than the
    camera sees the present, and memory is not used.

    Parameters
    ----------
    capture
        The open camera or stream; it is released at the end.
    max_fps
        Frames to give in a second, at most.
    stop
        Ends the iteration when it is set.

    Raises
    ------
    SourceError
        From iterating, when the camera gives no frame any more.
    """

    is_live = True
    length: int | None = None

    def __init__(self, capture: Capture, *, max_fps: float, stop: threading.Event) -> None:
        self._capture = capture
        self._interval_s = 1 / max_fps
        self._stop = stop
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="camera", daemon=True)

    def __iter__(self) -> Iterator[Frame]:
        self._reader.start()
        while (frame := self._take()) is not None:
            due = time.monotonic() + self._interval_s
            yield frame
            self._stop.wait(max(0.0, due - time.monotonic()))
        if not self._stop.is_set():
            raise SourceError(
                "the camera or stream gives no more frames: check its power, network and address, "
                "then start the detector again"
            )

    def close(self) -> None:
        """Let the reader end, and the camera go."""
        self._stop.set()
        if self._reader.is_alive():
            self._reader.join(timeout=2)

    def _take(self) -> Frame | None:
        """The newest frame that was not taken yet; None at the end."""
        with self._changed:
            while not (self._newest or self._ended or self._stop.is_set()):
                self._changed.wait(_POLL_S)
            frame, self._newest = self._newest, None
            return None if self._stop.is_set() else frame

    def _read(self) -> None:
        index = 0
        while not self._stop.is_set() and self._capture.grab():
            done, frame_bgr = self._capture.retrieve()
            if done:
                self._keep(Frame(_rgb(frame_bgr), index, datetime.now(UTC)))
            index += 1
        self._capture.release()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _keep(self, frame: Frame) -> None:
        with self._changed:
            self._newest = frame
            self._changed.notify_all()


def open_source(config: DetectorConfig, *, started_at: datetime, stop: threading.Event) -> Source:
    """The source that the configuration names.

    Raises
    ------
    SourceError
        If it cannot be opened; the message says what to do.
    """
    _quieten_opencv()
    if config.reader_kind == "folder":
        return Folder(Path(config.source), started_at=started_at)
    if is_live(config.source):
        return LiveVideo(_open_live(config.source), max_fps=config.max_fps, stop=stop)
    return VideoFile(Path(config.source), started_at=started_at, max_fps=config.max_fps)


def is_live(source: str) -> bool:
    """Whether it names a camera by its index, or a stream by its URL."""
    return source.isdecimal() or "://" in source


def content_id(path: Path) -> str:
    """Names a file's content by its size and a hash of its first and last megabyte."""
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        digest.update(file.read(_MEGABYTE))
        file.seek(max(size - _MEGABYTE, 0))
        digest.update(file.read(_MEGABYTE))
    return f"{size}-{digest.hexdigest()}"


def _open_live(source: str) -> Capture:
    if source.isdecimal():
        capture = cv2.VideoCapture(int(source))
        problem = (
            f"camera {source} cannot be opened: check that it is plugged in, that no other program "
            "uses it, and that this user may read /dev/video*"
        )
    else:
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC]
        options = [value for name in timeouts for value in (name, _LIVE_TIMEOUT_MS)]
        capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, options)
        problem = (
            "the stream cannot be opened: check its address, user and password, and that this "
            "machine reaches it"
        )
    if not capture.isOpened():
        raise SourceError(problem)
    return capture


def _photo(file: Path) -> RgbImage | None:
    try:
        return decode_image(file.read_bytes(), formats=PHOTO_FORMATS, max_pixels=_MAX_PHOTO_PIXELS)
    except (InvalidInput, OSError) as error:
        log.warning("photo_skipped", file=file.name, reason=str(error))
        return None


def _rgb(frame_bgr: np.ndarray) -> RgbImage:
    """OpenCV's frame as RGB: uint8, (H, W, 3)."""
    return np.asarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _plausible_fps(fps: float) -> float:
    if math.isfinite(fps) and 0 < fps <= _MAX_FPS:
        return fps
    log.warning("frame_rate_unknown", assumed=_DEFAULT_FPS)
    return _DEFAULT_FPS


def _quieten_opencv() -> None:
    """Keep OpenCV's and FFmpeg's own lines, stream addresses among them, out of the logs."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
