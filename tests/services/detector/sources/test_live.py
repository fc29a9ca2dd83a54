"""Live sources: the newest frame, memory, and what happens when a camera fails."""

from __future__ import annotations

import itertools
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.config import CameraConfig
from services.detector.picture import PictureHealth
from services.detector.sources import Frame, LiveVideo, open_source
from services.detector.sources.live import LiveTiming, capture_opener
from usher.domain.errors import SourceError
from usher.domain.records import CameraState
from usher.vision.images import RgbImage

from ..stream_servers import PASSWORD, MjpegServer, Mood, RtspServer, StreamServer, serving

RED_RGB = np.full((48, 64, 3), (255, 0, 0), np.uint8)
QUICK = LiveTiming(silent_s=0.6, open_s=0.8, first_delay_s=0.05, max_delay_s=0.2)
ATTENTIVE = LiveTiming()
Watch = Callable[..., "Watched"]


class FakeCamera:
    """A camera of which each frame's grey says its number, up to `frames` of them."""

    def __init__(self, frames: int = 10**9, *, interval_s: float = 0.002) -> None:
        self.released = False
        self._frames = frames
        self._interval_s = interval_s
        self._index = -1

    def grab(self) -> bool:
        time.sleep(self._interval_s)
        self._index += 1
        return self._index < self._frames

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((2, 2, 3), self._index % 256, np.uint8)

    def release(self) -> None:
        self.released = True


class HungCamera(FakeCamera):
    """It never answers again after the first frame, whatever one does, until it is `freed`."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = threading.Event()

    def grab(self) -> bool:
        if self._index >= 0:
            self.freed.wait()
            return False
        return super().grab()


class Watched:
    """A source that a thread of its own takes frames from."""

    def __init__(self, source: LiveVideo) -> None:
        self.source = source
        self.frames = 0
        self.health = PictureHealth()
        self.picture = CameraState.LIVE
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        for frame in self.source:
            self.picture = self.health.look(frame)
            self.frames += 1

    def close(self) -> None:
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Takes the frames of sources, and ends them after the test."""
    running: list[Watched] = []

    def begin(open_capture: Callable[[], Any], timing: LiveTiming = QUICK) -> Watched:
        running.append(
            Watched(LiveVideo(open_capture, max_fps=None, stop=threading.Event(), timing=timing))
        )
        return running[-1]

    yield begin
    for one in running:
        one.close()


@pytest.fixture(params=[MjpegServer, RtspServer])
def camera(request: pytest.FixtureRequest) -> Iterator[StreamServer]:
    frames = [np.roll(_scene(), shift, axis=1) for shift in range(5)]
    with serving(frames, fps=50, kind=request.param) as server:
        yield server


def _scene() -> RgbImage:
    return np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)


def until(condition: Callable[[], bool], *, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def opened(source: str, **options: Any) -> Any:
    config = CameraConfig(camera_id="door", source=source, **options)
    return open_source(config, started_at=datetime.now(UTC), stop=threading.Event())


# ---- The newest frame ---------------------------------------------------------------------------


def test_live_gives_the_newest_frame_and_counts_the_others_when_it_is_read_slowly() -> None:
    source = LiveVideo(FakeCamera, max_fps=None, stop=threading.Event())
    frames: list[Frame] = []
    for frame in itertools.islice(source, 6):
        assert datetime.now(UTC) - frame.captured_at < timedelta(seconds=1)
        frames.append(frame)
        time.sleep(0.1)
    skipped = source.skipped
    source.close()
    assert [frame.image_rgb[0, 0, 0] for frame in frames] == [frame.index % 256 for frame in frames]
    gaps = [after.index - before.index for before, after in itertools.pairwise(frames)]
    assert min(gaps) > 1
    left_out = frames[-1].index + 1 - len(frames)
    assert skipped >= left_out > 0


def test_live_gives_no_more_frames_a_second_than_it_may_and_counts_none_as_skipped() -> None:
    source = LiveVideo(FakeCamera, max_fps=20, stop=threading.Event())
    began = time.monotonic()
    assert len(list(itertools.islice(source, 8))) == 8
    assert time.monotonic() - began >= 0.25
    # Some 25 frames come for each that is given; a reader that is late may miss one.
    assert source.skipped <= 8
    source.close()


def test_live_frames_have_no_origin() -> None:
    source = LiveVideo(FakeCamera, max_fps=None, stop=threading.Event())
    assert next(iter(source)).origin is None
    assert (source.is_live, source.length) == (True, None)
    source.close()


def test_live_holds_one_frame_when_the_camera_is_faster_than_its_reader() -> None:
    """TRUST 14: a hundred megabytes come by, a few of them are held."""

    class Large(FakeCamera):
        def retrieve(self) -> tuple[bool, np.ndarray]:
            return True, np.full((720, 1280, 3), self._index % 256, np.uint8)

    source = LiveVideo(lambda: Large(interval_s=0), max_fps=None, stop=threading.Event())
    frames = iter(source)
    next(frames)
    tracemalloc.start()
    until(lambda: source.skipped > 50)
    assert tracemalloc.get_traced_memory()[1] < 5 * 1280 * 720 * 3
    tracemalloc.stop()
    assert next(frames).index > 50
    source.close()


def test_live_ends_quietly_when_it_is_stopped_while_no_frame_comes() -> None:
    stop = threading.Event()
    source = LiveVideo(HungCamera, max_fps=None, stop=stop)
    threading.Timer(0.2, stop.set).start()
    assert len(list(source)) == 1
    source.close()


def test_live_releases_its_camera_when_it_is_closed() -> None:
    camera = FakeCamera()
    source = LiveVideo(lambda: camera, max_fps=None, stop=threading.Event())
    next(iter(source))
    source.close()
    assert camera.released


# ---- A camera that fails ------------------------------------------------------------------------


def test_live_goes_on_when_the_camera_breaks_off(watch: Watch) -> None:
    watched = watch(lambda: FakeCamera(frames=5))
    until(lambda: watched.frames > 15)


def test_live_is_gone_with_a_reason_and_tries_again_when_it_cannot_be_opened(watch: Watch) -> None:
    attempts = itertools.count()

    def open_capture() -> FakeCamera:
        if next(attempts) < 3:
            raise SourceError("check its plug")
        return FakeCamera()

    watched = watch(open_capture)
    until(lambda: watched.source.state is CameraState.GONE)
    assert watched.source.reason == "check its plug"
    until(lambda: watched.source.state is CameraState.LIVE)
    assert watched.source.reason is None
    assert watched.frames > 0


def test_live_survives_an_error_of_opencv(watch: Watch) -> None:
    class Broken(FakeCamera):
        def retrieve(self) -> tuple[bool, np.ndarray]:
            return True, cv2.cvtColor(np.zeros((0, 0, 3), np.uint8), cv2.COLOR_BGR2RGB)

    cameras = itertools.chain([Broken()], itertools.repeat(FakeCamera()))
    watched = watch(lambda: next(cameras))
    until(lambda: watched.frames > 3)


def test_live_leaves_a_camera_that_hangs_and_makes_another_connection(watch: Watch) -> None:
    hung = HungCamera()
    cameras = itertools.chain([hung], itertools.repeat(FakeCamera()))
    watched = watch(lambda: next(cameras))
    until(lambda: watched.source.state is CameraState.GONE)
    assert "silent" in str(watched.source.reason)
    until(lambda: watched.source.state is CameraState.LIVE)
    hung.freed.set()
    until(lambda: hung.released)


def test_live_holds_few_threads_when_a_camera_hangs_for_ever(watch: Watch) -> None:
    hung: list[HungCamera] = []

    def open_capture() -> HungCamera:
        hung.append(HungCamera())
        return hung[-1]

    quicker = LiveTiming(silent_s=0.05, open_s=0.05, first_delay_s=0.01, max_delay_s=0.01)
    watch(open_capture, quicker)
    until(lambda: len(hung) == 3)
    time.sleep(0.5)
    assert len(hung) == 3
    for one in hung[:]:
        one.freed.set()
    until(lambda: len(hung) > 3)
    for one in hung:
        one.freed.set()


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_pause_grows_to_half_a_minute_and_is_random(failures: int) -> None:
    longest = min(30, 2**failures) if failures < 5 else 30
    assert longest / 2 <= LiveTiming().delay_s(failures) <= longest


# ---- A real stream (TRUST 13) -------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MjpegServer, RtspServer])
def test_live_reads_a_stream_over_http_and_rtsp(kind: type[StreamServer]) -> None:
    with serving([RED_RGB], kind=kind) as server:
        source = opened(server.url)
        frames = list(itertools.islice(source, 3))
        source.close()
    assert np.abs(frames[2].image_rgb.astype(int) - RED_RGB).max() < 10


def test_stream_that_is_unplugged_is_gone_and_live_again_by_itself(
    watch: Watch, camera: StreamServer
) -> None:
    watched = watch(capture_opener(camera.url))
    until(lambda: watched.source.state is CameraState.LIVE)
    camera.stop()
    until(lambda: watched.source.state is CameraState.GONE)
    assert "check its address" in str(watched.source.reason)
    before = watched.frames
    camera.start()
    until(lambda: watched.source.state is CameraState.LIVE and watched.frames > before + 5)


def test_stream_that_is_unplugged_is_gone_within_thirty_seconds_untuned(
    watch: Watch, camera: StreamServer
) -> None:
    watched = watch(capture_opener(camera.url), ATTENTIVE)
    until(lambda: watched.source.state is CameraState.LIVE)
    camera.stop()
    until(lambda: watched.source.state is CameraState.GONE, within_s=30)


def test_stream_that_hangs_is_gone_and_live_again_by_itself(
    watch: Watch, camera: StreamServer
) -> None:
    watched = watch(capture_opener(camera.url))
    until(lambda: watched.source.state is CameraState.LIVE)
    camera.mood = Mood.HANGING
    until(lambda: watched.source.state is CameraState.GONE)
    camera.mood = Mood.PLAYING
    before = watched.frames
    until(lambda: watched.source.state is CameraState.LIVE and watched.frames > before + 5)


def test_stream_shows_black_and_frozen_pictures(watch: Watch, camera: StreamServer) -> None:
    hour = itertools.count()

    def look(watched: Watched, mood: Mood) -> None:
        camera.mood = mood
        watched.frames = 0
        until(lambda: watched.frames > 10)

    class Hourly(PictureHealth):
        """Each frame ten seconds after the last."""

        def look(self, frame: Frame) -> CameraState:
            at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=10 * next(hour))
            return super().look(Frame(frame.image_rgb, frame.index, at))

    watched = watch(capture_opener(camera.url))
    watched.health = Hourly()
    for mood, state in (
        (Mood.PLAYING, CameraState.LIVE),
        (Mood.FROZEN, CameraState.FROZEN),
        (Mood.PLAYING, CameraState.LIVE),
        (Mood.BLACK, CameraState.BLACK),
        (Mood.PLAYING, CameraState.LIVE),
    ):
        look(watched, mood)
        until(lambda state=state: watched.picture is state)  # type: ignore[misc]


def test_slow_reader_of_a_fast_stream_sees_the_present(camera: StreamServer) -> None:
    source = opened(camera.url)
    for frame in itertools.islice(source, 5):
        assert camera.sent - frame.index < 15  # what lies in buffers on the way
        time.sleep(0.3)
    assert source.skipped > 20
    source.close()


def test_slow_stream_is_opened_without_waiting_for_many_frames() -> None:
    with serving([RED_RGB], fps=2, kind=RtspServer) as server:
        source = opened(server.url)
        assert [frame.index for frame in itertools.islice(source, 2)] == [0, 1]
        source.close()
        assert server.sent < 10


@pytest.mark.parametrize("kind", [MjpegServer, RtspServer])
def test_stream_of_a_clip_arrives_whole(test_data: Path, kind: type[StreamServer]) -> None:
    capture = cv2.VideoCapture(str(test_data / "videos" / "head-pose-face-detection-male.gif"))
    shown = [capture.read()[1][:264, :, ::-1].astype(np.uint8) for _ in range(10)]
    capture.release()
    with serving(shown, kind=kind) as server:
        source = opened(server.url)
        frames = list(itertools.islice(source, 10))
        source.close()
    assert all(frame.image_rgb.shape == shown[0].shape for frame in frames)
    nearest = [min(np.abs(f.image_rgb.astype(int) - one).mean() for one in shown) for f in frames]
    assert max(nearest) < 4


def test_nothing_tells_the_address_or_password_of_a_stream() -> None:
    with serving([RED_RGB]) as server:
        address = server.url
    with structlog.testing.capture_logs() as logs:
        source = LiveVideo(
            capture_opener(address), max_fps=None, stop=threading.Event(), timing=QUICK
        )
        watched = Watched(source)
        until(lambda: source.state is CameraState.GONE)
        watched.close()
    said = f"{logs} {source.reason} {source.state} {vars(source)}"
    assert "camera_state" in said
    assert PASSWORD not in said
    assert "127.0.0.1" not in str(logs)


def test_camera_that_is_not_plugged_in_is_waited_for() -> None:
    source = opened("63")
    watched = Watched(source)
    until(lambda: source.state is CameraState.GONE)
    assert "camera 63 cannot be opened: check" in source.reason
    watched.close()
