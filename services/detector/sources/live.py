"""Cameras and streams: always the newest frame, and never the end."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import cv2
import numpy as np
import structlog

from services.detector.sources.frame import Frame, rgb
from usher.domain.errors import SourceError
from usher.domain.records import CameraState

log = structlog.get_logger()

_POLL_S = 0.2
_MAX_HUNG = 3

# Below those of `LiveTiming`, so that FFmpeg mostly gives up before the watchdog has to.
_FFMPEG_TIMEOUTS = (
    *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 15_000),
    *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, 8_000),
)

# OpenCV's own option, and no guessing of the frame rate: that takes 20 frames, so a camera of two
# frames a second would take ten seconds to open. It holds for all that FFmpeg opens from then on.
_FFMPEG_OPTIONS = "rtsp_flags;prefer_tcp|fpsprobesize;0"


@dataclass(frozen=True, slots=True)
class LiveTiming:
    """How patient a live source is, in seconds.

    Attributes
    ----------
    silent_s
        Without a frame for so long, a connection counts as hung, and another one is made.
    open_s
        The same while a connection is being made: a slow stream has to show some frames first.
    stuck_s
        So long after three connections hang that cannot be ended, the source gives up, so that the
        process is started again.
    first_delay_s, max_delay_s
        Back-off: the longest pause before the second try, and before any. It doubles in between.
        The pauses are random, from a half to the whole of it, so that the cameras of a switch that
        comes back do not all call at once.
    """

    silent_s: float = 10.0
    open_s: float = 20.0
    first_delay_s: float = 1.0
    max_delay_s: float = 30.0
    stuck_s: float = 300.0

    def delay_s(self, failures: int) -> float:
        """The pause after so many attempts without a frame."""
        longest = min(self.max_delay_s, self.first_delay_s * 2.0 ** min(failures, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311


class Capture(Protocol):
    """What `cv2.VideoCapture` does, as far as it is needed here."""

    def grab(self) -> bool: ...

    def retrieve(self) -> tuple[bool, np.ndarray]: ...

    def release(self) -> None: ...


class LiveVideo:
    """A camera or stream: always its newest frame, and connected again whenever it breaks off.

    A thread reads frames as they come and keeps the last, so that whoever is slower than the camera
    sees the present, and memory is not used. Another thread watches it: a connection that ends or
    hangs is made again after a pause, for ever. Threads begin with the iteration.

    Parameters
    ----------
    open_capture
        Opens the camera or stream, or raises `SourceError`; it may hang.
    max_fps
        Frames to give in a second, at most; None: as many as are taken.
    stop
        Ends the iteration when it is set.
    timing
        How long to wait for what.
    name
        The camera's, for logs.
    """

    is_live = True
    length: int | None = None

    def __init__(
        self,
        open_capture: Callable[[], Capture],
        *,
        max_fps: float | None,
        stop: threading.Event,
        timing: LiveTiming | None = None,
        name: str = "camera",
    ) -> None:
        self._open_capture = open_capture
        self._interval_s = 1 / max_fps if max_fps else 0.0
        self._stop = stop
        self._timing = timing or LiveTiming()
        self._closed = threading.Event()
        self._newest = _Newest()
        self._state, self._reason = CameraState.CONNECTING, ""
        self._hung: list[_Connection] = []
        self._stuck_since_s: float | None = None
        self._log = log.bind(camera=name)
        self._watch = threading.Thread(
            target=self._keep_connected, name=f"{name} watch", daemon=True
        )

    @property
    def state(self) -> CameraState:
        """CONNECTING at first and after a break, LIVE with frames, GONE once a try has failed."""
        return self._state

    @property
    def reason(self) -> str | None:
        """Why it is GONE, and what to do; it names no address."""
        return self._reason if self._state is CameraState.GONE else None

    @property
    def skipped(self) -> int:
        """Frames that were left out because nobody took them in time."""
        return self._newest.skipped

    def __iter__(self) -> Iterator[Frame]:
        self._watch.start()
        while not self._over:
            if self._is_stuck():
                raise SourceError(
                    "the camera's driver or line hangs, and so does every new connection: start "
                    "the detector again"
                )
            frame = self._newest.take(wait_s=_POLL_S, pause_s=self._interval_s)
            if frame is not None and not self._over:
                yield frame

    def close(self) -> None:
        """Let the threads end, and the camera go. One that hangs is left to itself."""
        self._closed.set()
        if self._watch.is_alive():
            self._watch.join(timeout=2)

    @property
    def _over(self) -> bool:
        return self._closed.is_set() or self._stop.is_set()

    def _keep_connected(self) -> None:
        failures = 0
        while not self._over:
            came = self._may_connect() and self._watch_connection()
            failures = 0 if came else failures + 1
            self._wait(self._timing.delay_s(failures))

    def _watch_connection(self) -> bool:
        """One connection from its opening to its end; whether any frame came of it."""
        connection = _Connection(self._open_capture, self._newest)
        while not (self._over or connection.ended.wait(min(_POLL_S, self._timing.silent_s / 4))):
            if connection.has_frames:
                self._become(CameraState.LIVE)
            if self._is_silent(connection):
                break
        connection.leave()
        if not self._over:
            self._report_loss(connection)
        elif not connection.ended.wait(2):
            self._log.warning("camera_left_hanging")
        return connection.has_frames

    def _is_silent(self, connection: _Connection) -> bool:
        patience_s = self._timing.silent_s if connection.has_frames else self._timing.open_s
        return connection.silent_s() > patience_s

    def _report_loss(self, connection: _Connection) -> None:
        if not connection.ended.is_set():
            self._hung.append(connection)
            self._become(CameraState.GONE, "the camera or stream is silent: check it and its line")
        elif connection.has_frames:
            self._become(CameraState.CONNECTING, "it broke off")
        else:
            self._become(CameraState.GONE, connection.problem)

    def _may_connect(self) -> bool:
        """Whether not too many connections hang already: each holds a thread until it is freed."""
        self._hung = [connection for connection in self._hung if not connection.ended.is_set()]
        may = len(self._hung) < _MAX_HUNG
        self._stuck_since_s = None if may else self._stuck_since_s or time.monotonic()
        return may

    def _is_stuck(self) -> bool:
        """Whether for long no connection could be tried, as those before it hang."""
        since_s = self._stuck_since_s
        return since_s is not None and time.monotonic() - since_s > self._timing.stuck_s

    def _become(self, state: CameraState, reason: str = "") -> None:
        if (state, reason) == (self._state, self._reason):
            return
        self._reason, self._state = reason, state
        self._log.info("camera_state", state=state.value, reason=reason or None)

    def _wait(self, delay_s: float) -> None:
        until = time.monotonic() + delay_s
        while not self._over and time.monotonic() < until:
            self._stop.wait(min(_POLL_S, max(0.0, until - time.monotonic())))


class _Newest:
    """Holds the newest frame until it is taken, or a newer one comes."""

    def __init__(self) -> None:
        self.skipped = 0
        self._changed = threading.Condition()
        self._index = -1
        self._held: tuple[np.ndarray, int, datetime] | None = None
        self._wanted_from = 0.0

    def next_wanted(self) -> int | None:
        """Count a frame that has come; its index if it is wanted already, else None."""
        with self._changed:
            self._index += 1
            return self._index if time.monotonic() >= self._wanted_from else None

    def put(self, frame_bgr: np.ndarray, index: int, captured_at: datetime) -> None:
        with self._changed:
            if self._held is not None:
                self.skipped += 1
            self._held = (frame_bgr, index, captured_at)
            self._changed.notify_all()

    def take(self, *, wait_s: float, pause_s: float) -> Frame | None:
        """The newest frame that was not taken yet; the next is not wanted before `pause_s`."""
        with self._changed:
            if self._held is None:
                self._changed.wait(wait_s)
            held, self._held = self._held, None
            if held is None:
                return None
            # From where the last pause ended: so the pauses are kept on average, whatever the
            # camera's own rate is.
            self._wanted_from = max(self._wanted_from + pause_s, time.monotonic())
        frame_bgr, index, captured_at = held
        return Frame(rgb(frame_bgr), index, captured_at)


class _Connection:
    """A camera or stream that is opened and read by a thread of its own.

    The thread is the only one that touches the capture. Where the capture hangs, the thread hangs
    with it; whoever watches leaves it then, and nothing more comes of it.
    """

    def __init__(self, open_capture: Callable[[], Capture], newest: _Newest) -> None:
        self.ended = threading.Event()
        self.problem = "the camera or stream gives no picture: check it and its address"
        self.has_frames = False
        self._open_capture = open_capture
        self._newest = newest
        self._left = threading.Event()
        self._heard_at = time.monotonic()
        threading.Thread(target=self._run, name="camera-reader", daemon=True).start()

    def silent_s(self) -> float:
        """Seconds since the last frame, or since the beginning."""
        return time.monotonic() - self._heard_at

    def leave(self) -> None:
        """Take nothing more from it; it closes itself as soon as it can."""
        self._left.set()

    def _run(self) -> None:
        try:
            capture = self._open_capture()
        except SourceError as error:
            self.problem = str(error)
        except cv2.error as error:
            _log_failure(error)
        else:
            self._read(capture)
        finally:
            self.ended.set()

    def _read(self, capture: Capture) -> None:
        try:
            while not self._left.is_set() and capture.grab():
                self._hear(capture)
        except cv2.error as error:
            _log_failure(error)
        finally:
            capture.release()

    def _hear(self, capture: Capture) -> None:
        if self._left.is_set():
            return
        captured_at = datetime.now(UTC)
        index = self._newest.next_wanted()
        if index is not None:
            done, frame_bgr = capture.retrieve()
            if not done:
                return
            self._newest.put(frame_bgr, index, captured_at)
        self._heard_at = time.monotonic()
        self.has_frames = True


def _log_failure(error: cv2.error) -> None:
    """Without the message, which may hold the stream's address."""
    log.warning("capture_failed", function=error.func, code=error.code)


def capture_opener(source: str) -> Callable[[], Capture]:
    """What opens a camera by its index or device, or a stream by its address."""
    if "://" in source:
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", _FFMPEG_OPTIONS)
        return lambda: _open_stream(source)
    return lambda: _open_camera(source)


def _open_camera(source: str) -> Capture:
    capture = (
        cv2.VideoCapture(int(source))
        if source.isdecimal()
        else cv2.VideoCapture(source, cv2.CAP_V4L2)
    )
    if not capture.isOpened():
        raise SourceError(
            f"camera {source} cannot be opened: check that it is plugged in, that no other program "
            "uses it, and that this user may read /dev/video*"
        )
    return capture


def _open_stream(source: str) -> Capture:
    capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, _FFMPEG_TIMEOUTS)
    if not capture.isOpened():
        raise SourceError(
            "the stream cannot be opened: check its address, user and password, and that this "
            "machine reaches it"
        )
    return capture
