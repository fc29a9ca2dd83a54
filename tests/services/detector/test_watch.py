"""What a camera's thread does when its source or its work fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from services.detector.camera import Camera
from services.detector.config import CameraConfig
from services.detector.picture import PictureHealth
from services.detector.sources import Frame
from services.detector.watch import Watch
from usher.domain.errors import SourceError
from usher.domain.face import DetectedFace
from usher.domain.records import CameraState
from usher.vision.align import FaceAligner
from usher.vision.images import RgbImage


class Source:
    """Three frames, and then an error or the end."""

    length = None
    state = CameraState.LIVE
    reason = None
    skipped = 0

    def __init__(self, *, is_live: bool, error: Exception | None = None) -> None:
        self.is_live = is_live
        self.closed = False
        self._error = error

    def __iter__(self) -> Iterator[Frame]:
        for index in range(3):
            picture = np.full((90, 160, 3), 100 + index, np.uint8)
            yield Frame(picture, index, datetime.now(UTC), None if self.is_live else "file")
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed = True


class Blind:
    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        return []


def watched(source: Source, stop: threading.Event | None = None) -> tuple[Watch, threading.Event]:
    stop = stop or threading.Event()
    config = CameraConfig(camera_id="door", source="0" if source.is_live else "x.mp4")
    camera = Camera(config, source, Blind(), FaceAligner(), lambda _: None)
    watch = Watch(camera, PictureHealth(), stop=stop)
    watch.start()
    watch.join(20)
    return watch, stop


def test_a_file_that_ends_is_finished() -> None:
    source = Source(is_live=False)
    watch, stop = watched(source)
    assert (watch.state, watch.failure, stop.is_set()) == (CameraState.FINISHED, None, False)
    assert source.closed


def test_a_film_at_its_end_stays_finished_when_its_detector_is_ended() -> None:
    watch, stop = watched(Source(is_live=False))
    stop.set()
    assert watch.state == CameraState.FINISHED


def test_a_damaged_file_is_gone_with_its_reason_and_others_go_on() -> None:
    watch, stop = watched(Source(is_live=False, error=SourceError("frame 3 cannot be decoded")))
    assert not stop.is_set()
    assert watch.state == CameraState.GONE
    assert watch.status().reason == "frame 3 cannot be decoded"


@pytest.mark.parametrize(
    ("is_live", "error"),
    [
        (True, SourceError("every connection hangs")),
        (True, RuntimeError("nobody foresaw it")),
        (False, RuntimeError("nobody foresaw it")),
    ],
)
def test_what_only_a_new_start_mends_stops_the_process(is_live: bool, error: Exception) -> None:
    watch, stop = watched(Source(is_live=is_live, error=error))
    assert stop.is_set()
    assert watch.failure is error
    assert "nobody foresaw" not in str(watch.status().reason)


def test_a_picture_is_reported_once() -> None:
    watch, _ = watched(Source(is_live=True))
    first, again = watch.status(), watch.status()
    assert first.frame() is not None
    assert again.frame() is None
    assert (first.width, first.height) == (160, 90)
