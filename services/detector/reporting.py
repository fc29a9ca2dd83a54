"""What each camera is doing, told to the API in a thread of its own."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from usher.client import UsherClient
from usher.domain.errors import (
    CameraDenied,
    NotAuthenticated,
    PermissionDenied,
    TooManyRequests,
    Unavailable,
    UsherError,
)
from usher.domain.records import ENDED, CameraState
from usher.vision.images import RgbImage, encode_jpeg, resized
from usher.wire import CameraOrders, CameraRates, CameraReport, SpoolBooks, utc_now

log = structlog.get_logger()

MAX_SIDE_PX = 640
MAX_FRAME_BYTES = 300 * 1024
_QUALITIES = (75, 50, 25)
_LOG_EVERY_S = 60.0
_END_WITHIN_S = 2.0
_FOR_ALL = (Unavailable, TooManyRequests, NotAuthenticated, PermissionDenied)
"""What one camera's report is refused for, others' are too; `CameraDenied` is of one alone."""


def _no_frame() -> bytes | None:
    return None


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is now.

    Attributes
    ----------
    since
        When it came into that state, aware.
    reason
        For people, 500 letters at most; without a stream's address, which may hold a password.
    frame
        Makes the last picture, as `small_jpeg` does, or gives None. Called in the reporter's
        thread, and only where the picture is sent.
    width, height
        Of the camera's frames, in pixels.
    regions
        The digest of the drawn regions that it works with.
    """

    camera_id: str
    state: CameraState
    since: datetime
    reason: str | None = None
    rates: CameraRates | None = None
    spool: SpoolBooks | None = None
    frame: Callable[[], bytes | None] = _no_frame
    width: int | None = None
    height: int | None = None
    regions: str | None = None


def small_jpeg(image_rgb: RgbImage) -> bytes:
    """A picture to show how a camera is: at most 640 pixels on a side and 300 kB.

    Parameters
    ----------
    image_rgb
        uint8, (H, W, 3), RGB.
    """
    small = resized(image_rgb, min(1.0, MAX_SIDE_PX / max(image_rgb.shape[:2])))
    jpegs = (encode_jpeg(small, quality) for quality in _QUALITIES)
    return next(jpeg for jpeg in jpegs if len(jpeg) <= MAX_FRAME_BYTES)


class Reporter:
    """Tells the API how each camera is: every `interval_s`, and at once where a state changed.

    The last picture goes along every `interval_s`. Nothing here disturbs detection: a report that
    fails is logged, once a minute at most, and made up for by the next. A camera that the key is
    not for is logged once, until it is let in; the others are told.

    Parameters
    ----------
    client_factory
        Makes the client, which the reporter closes, and another one where the key was not let in;
        with a timeout of a few seconds.
    cameras
        How the cameras are now. Called in the reporter's thread; it must not raise.
    obey
        Given what the API answers to a camera's report.
    interval_s
        The API takes a camera for offline after thirty seconds.
    """

    def __init__(
        self,
        client_factory: Callable[[], UsherClient],
        cameras: Callable[[], Sequence[CameraStatus]],
        *,
        obey: Callable[[str, CameraOrders], object] = lambda camera_id, orders: None,
        interval_s: float = 10.0,
    ) -> None:
        self._make_client = client_factory
        self._client = client_factory()
        self._cameras = cameras
        self._obey = obey
        self._interval_s = interval_s
        self._told: dict[str, CameraState] = {}
        self._denied: set[str] = set()
        self._log_at = -math.inf
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Some camera's state has changed: tell it now."""
        self._woken.set()

    def close(self) -> None:
        """Say that every camera has stopped, and end, after two seconds at the latest."""
        self._closing.set()
        self._woken.set()
        self._thread.join(_END_WITHIN_S)

    def _run(self) -> None:
        while not self._closing.is_set():
            due_at = time.monotonic() + self._interval_s
            if self._denied:
                self._renew()
            self._tell(self._now(), enough=self._closing.is_set)
            while self._wait_until(due_at):
                self._tell(self._news(), enough=self._closing.is_set)
        end_at = time.monotonic() + _END_WITHIN_S
        self._tell(self._ended(), enough=lambda: time.monotonic() > end_at)
        self._client.close()

    def _now(self) -> Sequence[CameraStatus]:
        try:
            return self._cameras()
        except Exception as error:  # noqa: BLE001 - the next round may do
            self._log("", error)
            return ()

    def _wait_until(self, due_at: float) -> bool:
        """Wait; whether there is something to tell before the next round."""
        woken = self._woken.wait(max(0.0, due_at - time.monotonic()))
        self._woken.clear()
        return woken and not self._closing.is_set()

    def _news(self) -> list[CameraStatus]:
        """Cameras in another state than was told, without pictures: these come with the round."""
        return [
            replace(one, frame=_no_frame)
            for one in self._now()
            if self._told.get(one.camera_id) != one.state
        ]

    def _ended(self) -> list[CameraStatus]:
        now = utc_now()
        ended = [
            one
            if one.state in ENDED
            else replace(one, state=CameraState.STOPPED, since=now, reason=None)
            for one in self._now()
        ]
        return [
            replace(one, frame=_no_frame)
            for one in ended
            if self._told.get(one.camera_id) != one.state
        ]

    def _tell(self, statuses: Iterable[CameraStatus], *, enough: Callable[[], bool]) -> None:
        """Report each, until enough was done or the API is away, as it then is for the others."""
        for status in statuses:
            if enough() or not self._try(status):
                return

    def _try(self, status: CameraStatus) -> bool:
        """Report a camera; whether the others are worth a try."""
        try:
            self._report(status)
        except CameraDenied as error:
            self._deny(status.camera_id, error)
        except Exception as error:  # noqa: BLE001 - detection goes on, whatever it is
            self._log(status.camera_id, error)
            if isinstance(error, NotAuthenticated | PermissionDenied):
                self._renew()
            return not isinstance(error, _FOR_ALL)
        else:
            self._denied.discard(status.camera_id)
        return True

    def _deny(self, camera_id: str, error: CameraDenied) -> None:
        if camera_id not in self._denied:
            self._denied.add(camera_id)
            log.error("camera_denied", camera=camera_id, reason=str(error))

    def _renew(self) -> None:
        """Another client: the device may have been paired anew."""
        try:
            fresh = self._make_client()
        except (UsherError, OSError) as error:
            self._log("", error)
            return
        self._client.close()
        self._client = fresh

    def _report(self, status: CameraStatus) -> None:
        report = CameraReport(
            state=status.state,
            since=status.since,
            reason=status.reason,
            rates=status.rates,
            spool=status.spool,
            width=status.width,
            height=status.height,
            regions=status.regions,
        )
        orders = self._client.report_camera(status.camera_id, report, status.frame())
        self._told[status.camera_id] = status.state
        if orders is not None:
            self._obey(status.camera_id, orders)

    def _log(self, camera_id: str, error: Exception) -> None:
        if time.monotonic() < self._log_at:
            return
        self._log_at = time.monotonic() + _LOG_EVERY_S
        log.warning("report_failed", camera=camera_id, reason=str(error), kind=type(error).__name__)
