"""A camera that is watched: its frames worked on in a thread, and the state it is in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from services.detector.camera import Camera, Look
from services.detector.picture import PictureHealth
from services.detector.reporting import CameraStatus, small_jpeg
from services.detector.sources import Frame
from usher.domain.errors import UsherError
from usher.domain.records import CameraState
from usher.wire import CameraRates, SpoolBooks, utc_now

log = structlog.get_logger()

_RATE_OVER_S = 5.0


class Watch:
    """Runs one camera's loop.

    Parameters
    ----------
    camera
        Used by this watch's thread; its counters are read by others.
    health
        Judges a live camera's pictures.
    stop
        Ends the watch after the frame that is worked on.
    on_frame
        Called after each frame.
    """

    def __init__(
        self,
        camera: Camera,
        health: PictureHealth,
        *,
        stop: threading.Event,
        on_frame: Callable[[Frame], None] = lambda frame: None,
    ) -> None:
        self.camera = camera
        self.camera_id = camera.config.camera_id
        self.failure: Exception | None = None
        self._health = health
        self._stop = stop
        self._on_frame = on_frame
        self._picture = CameraState.LIVE
        self._end = CameraState.STOPPED
        self._reported: Look | None = None
        self._told: tuple[CameraState, datetime] = (CameraState.CONNECTING, utc_now())
        self._rates = _Rates(camera)
        self._thread = threading.Thread(target=self._run, name=self.camera_id, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> None:
        self._thread.join(timeout_s)

    @property
    def is_over(self) -> bool:
        """Whether the source has ended, or the watch was stopped or failed."""
        return not self._thread.is_alive()

    @property
    def state(self) -> CameraState:
        """The state now: the source's, and while that is live, the picture's."""
        if self.failure is not None:
            return CameraState.GONE
        if self.is_over and self.camera.tally.frames:
            return self._end
        if self.camera.source.state != CameraState.LIVE:
            return self.camera.source.state
        return self._picture

    def refresh(self) -> bool:
        """Note the state; whether it has changed since the last time. To be called often."""
        self.camera.rest()
        state, (before, _) = self.state, self._told
        if state == before:
            return False
        self._told = state, utc_now()
        return True

    def status(self, spool: SpoolBooks | None = None) -> CameraStatus:
        """How the camera is, to be reported."""
        self.refresh()
        state, since = self._told
        look = self.camera.newest
        size = look.frame.image_rgb.shape if look else None
        return CameraStatus(
            camera_id=self.camera_id,
            state=state,
            since=since,
            reason=self._reason(),
            rates=self._rates.now(),
            spool=spool,
            frame=lambda: self._picture_of(look),
            width=size[1] if size else None,
            height=size[0] if size else None,
            regions=drawn.digest if (drawn := self.camera.drawn) else None,
        )

    def _picture_of(self, look: Look | None) -> bytes | None:
        """A picture to report; none where it was reported before: it would pass for a new one."""
        if look is None or look is self._reported:
            return None
        self._reported = look
        return small_jpeg(look.frame.image_rgb)

    def _reason(self) -> str | None:
        if self.failure is not None:
            return (
                str(self.failure)
                if isinstance(self.failure, UsherError)
                else "it failed: see the log"
            )
        return self.camera.source.reason if self.state == CameraState.GONE else None

    def _run(self) -> None:
        try:
            for frame in self.camera.frames():
                if self._stop.is_set():
                    break
                if self.camera.source.is_live:
                    self._see(self._health.look(frame))
                self.camera.look(frame)
                self._on_frame(frame)
            if not self._stop.is_set():
                self._end = CameraState.FINISHED
        except Exception as error:  # noqa: BLE001 - raised where the watches are awaited
            self._fail(error)
        finally:
            self.camera.source.close()
            self.camera.finish()

    def _fail(self, error: Exception) -> None:
        """A file may be damaged; a camera never ends, and nothing else is foreseen: start again."""
        self.failure = error
        foreseen = isinstance(error, UsherError)
        trace = None if foreseen else error
        log.error("camera_failed", camera=self.camera_id, reason=repr(error), exc_info=trace)
        if self.camera.source.is_live or not foreseen:
            self._stop.set()

    def _see(self, picture: CameraState) -> None:
        """Note how the picture is; sources say themselves whether there is one."""
        if picture != self._picture:
            log.info("picture_state", camera=self.camera_id, state=picture.value)
        self._picture = picture


class _Rates:
    """Frames a second over the last few seconds, from what a camera has counted."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._since = (time.monotonic(), 0, 0)
        self._fps = (0.0, 0.0)

    def now(self) -> CameraRates:
        tally, now = self._camera.tally, time.monotonic()
        then, frames, searches = self._since
        if now - then >= _RATE_OVER_S or frames == 0:
            elapsed_s = max(now - then, 1e-3)
            self._fps = (tally.frames - frames) / elapsed_s, (tally.searches - searches) / elapsed_s
            self._since = now, tally.frames, tally.searches
        return CameraRates(
            fps=round(self._fps[0], 2),
            detector_fps=round(self._fps[1], 2),
            skipped=self._camera.source.skipped,
            faces=tally.faces,
            tracks=tally.tracks,
            stage_ms=self._camera.times.mean_ms(),
        )
