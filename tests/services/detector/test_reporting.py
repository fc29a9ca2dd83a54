"""What cameras are doing, told to the real API."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import httpx2
import numpy as np
import pytest
import structlog
from PIL import Image

from services.detector.reporting import MAX_FRAME_BYTES, CameraStatus, Reporter, small_jpeg
from tests.running import RunningSystem, run_system
from usher.client import UsherClient
from usher.domain.records import CameraState
from usher.wire import API_PREFIX, CameraRates, DeviceCreate, SpoolBooks

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
RATES = CameraRates(fps=15, detector_fps=6, skipped=3, faces=2, tracks=1, stage_ms={"detect": 20.5})
BOOKS = SpoolBooks(produced=3, delivered=1, dropped=0, refused=0, pending=2, bytes=9000)
FRAME_RGB = np.random.default_rng(0).integers(0, 256, (72, 128, 3), np.uint8)
Start = Callable[..., Reporter]


@pytest.fixture(scope="module")
def system(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with run_system(mongodb_uri, tmp_path_factory.mktemp("api"), classify=False) as system:
        yield system


@dataclass
class Cameras:
    """What the test says that cameras are doing."""

    system: RunningSystem
    now: dict[str, CameraStatus] = field(default_factory=dict)

    def put(self, camera_id: str, state: CameraState = CameraState.LIVE, **fields: Any) -> None:
        self.now[camera_id] = CameraStatus(camera_id, state, SINCE, **fields)

    def __call__(self) -> list[CameraStatus]:
        return list(self.now.values())

    def told(self, camera_id: str) -> dict[str, Any]:
        """What the API knows."""
        with httpx2.Client(
            base_url=self.system.url + API_PREFIX,
            headers={"Authorization": f"Bearer {self.system.notifier_key}"},
        ) as reader:
            listed = reader.get("/cameras").json()["items"]
            found = {one["id"]: one for one in listed}.get(camera_id, {"state": None})
            if found.get("has_frame"):
                found["frame"] = reader.get(f"/cameras/{camera_id}/frame").content
            return dict(found)

    def wait_until(self, camera_id: str, **fields: Any) -> dict[str, Any]:
        """Until the API knows that; what it knows."""
        deadline = time.monotonic() + 20
        while True:
            told = self.told(camera_id)
            if fields.items() <= told.items():
                return told
            assert time.monotonic() < deadline, told
            time.sleep(0.02)


@pytest.fixture
def cameras(system: RunningSystem) -> Cameras:
    return Cameras(system)


@pytest.fixture
def start(system: RunningSystem, cameras: Cameras) -> Iterator[Start]:
    started: list[Reporter] = []

    def begin(url: str = system.url, key: str = system.device_key, **options: Any) -> Reporter:
        reporter = Reporter(lambda: UsherClient(url, key, timeout_s=5), cameras, **options)
        started.append(reporter)
        return reporter

    yield begin
    for reporter in started:
        reporter.close()


def test_report_tells_everything_with_the_last_picture(start: Start, cameras: Cameras) -> None:
    cameras.put(
        "all-of-it",
        CameraState.FROZEN,
        reason="the same picture for 20 s",
        rates=RATES,
        spool=BOOKS,
        width=1280,
        height=720,
        frame=lambda: small_jpeg(FRAME_RGB),
    )
    start()
    told = cameras.wait_until("all-of-it", state="frozen")
    assert told["state_since"] == "2026-03-01T12:00:00Z"
    assert told["reason"] == "the same picture for 20 s"
    assert told["rates"] == RATES.model_dump()
    assert told["spool"] == BOOKS.model_dump()
    assert (told["width"], told["height"]) == (1280, 720)
    with Image.open(io.BytesIO(told["frame"])) as image:
        assert image.size == (128, 72)


def test_report_comes_again_and_again(start: Start, cameras: Cameras) -> None:
    cameras.put("again")
    start(interval_s=0.1)
    first = cameras.wait_until("again", state="live")["reported_at"]
    cameras.put("again", rates=RATES)
    later = cameras.wait_until("again", rates=RATES.model_dump())["reported_at"]
    assert later > first


def test_change_of_state_is_told_at_once_and_of_that_camera_alone(
    start: Start, cameras: Cameras
) -> None:
    cameras.put("steady")
    cameras.put("breaks")
    reporter = start(interval_s=3600)
    steady = cameras.wait_until("steady", state="live")
    cameras.wait_until("breaks", state="live")
    cameras.put("breaks", CameraState.GONE, reason="no route to the camera")
    reporter.changed()
    cameras.wait_until("breaks", state="gone", reason="no route to the camera")
    assert cameras.told("steady")["reported_at"] == steady["reported_at"]


def test_change_of_state_brings_no_picture_before_its_time(start: Start, cameras: Cameras) -> None:
    made = []

    def frame() -> bytes:
        made.append(time.monotonic())
        return small_jpeg(FRAME_RGB)

    cameras.put("pictures", frame=frame)
    reporter = start(interval_s=3600)
    cameras.wait_until("pictures", has_frame=True)
    for state in (CameraState.BLACK, CameraState.LIVE, CameraState.BLURRED):
        cameras.now["pictures"] = replace(cameras.now["pictures"], state=state)
        reporter.changed()
        assert "frame" in cameras.wait_until("pictures", state=state)
    assert len(made) == 1


def test_cameras_are_stopped_within_two_seconds_when_it_is_closed(
    start: Start, cameras: Cameras
) -> None:
    cameras.put("stops", CameraState.GONE, reason="no route", rates=RATES)
    cameras.put("ended", CameraState.FINISHED)
    reporter = start(interval_s=3600)
    ended = cameras.wait_until("ended", state="finished")
    cameras.wait_until("stops", state="gone")
    reporter.close()
    told = cameras.told("stops")
    assert (told["state"], told["reason"], told["rates"]) == ("stopped", None, RATES.model_dump())
    assert datetime.fromisoformat(told["state_since"]) > SINCE
    assert cameras.told("ended")["reported_at"] == ended["reported_at"]


def test_one_camera_does_not_keep_others_from_being_told_when_its_report_fails(
    start: Start, cameras: Cameras
) -> None:
    def broken() -> bytes:
        raise RuntimeError("no picture can be made")

    cameras.put("first", frame=broken)
    cameras.put("second", frame=lambda: b"not a picture")
    cameras.put("third")
    start(interval_s=3600)
    cameras.wait_until("third", state="live")
    assert cameras.told("first")["state"] is None
    assert cameras.told("second")["state"] is None


def test_reporter_goes_on_and_logs_once_a_minute_when_the_api_is_away(
    system: RunningSystem, cameras: Cameras
) -> None:
    down = threading.Event()
    down.set()
    failed = []

    class Sometimes(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            if down.is_set():
                failed.append(request.url.path)
                raise httpx2.ConnectError("refused")
            return super().handle_request(request)

    cameras.put("first-away")
    cameras.put("second-away")
    with structlog.testing.capture_logs() as logs:
        reporter = Reporter(
            lambda: UsherClient(system.url, system.device_key, transport=Sometimes()),
            cameras,
            interval_s=0.02,
        )
        while len(failed) < 10:
            time.sleep(0.01)
        down.clear()
        cameras.wait_until("second-away", state="live")
        reporter.close()
    assert [entry["event"] for entry in logs] == ["report_failed"]
    assert logs[0]["camera"] == "first-away"
    # What is away for one is away for all: the others are not tried.
    assert {path.split("/")[-2] for path in failed} == {"first-away"}


def test_close_does_not_wait_when_the_api_hangs(cameras: Cameras) -> None:
    hung = threading.Event()
    release = threading.Event()

    class Hanging(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            hung.set()
            release.wait()
            raise httpx2.ReadTimeout("too late")

    cameras.put("hangs")
    reporter = Reporter(lambda: UsherClient("http://usher.test", transport=Hanging()), cameras)
    assert hung.wait(10)
    begun = time.monotonic()
    reporter.close()
    assert time.monotonic() - begun < 10  # two seconds, on a busy machine
    release.set()


def test_close_gives_up_in_time_when_many_cameras_are_told_slowly(cameras: Cameras) -> None:
    sent: list[CameraState] = []

    class Slow(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            sent.append(CameraState.STOPPED if b'"stopped"' in request.read() else CameraState.LIVE)
            time.sleep(0.2)
            return httpx2.Response(204)

    for n in range(200):
        cameras.put(f"slow-{n}")
    reporter = Reporter(lambda: UsherClient("http://usher.test", transport=Slow()), cameras)
    while len(sent) < 3:
        time.sleep(0.01)
    reporter.close()
    assert CameraState.STOPPED in sent
    assert len(sent) < 60
    assert sorted(sent) == sent  # live ones first, no more of them once it was closed


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((72, 128), (128, 72)),
        ((720, 1280), (640, 360)),
        ((1920, 1080), (360, 640)),
        ((1000, 1000), (640, 640)),
    ],
)
def test_picture_is_small_whatever_the_camera_gives(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    noise_rgb = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    jpeg = small_jpeg(noise_rgb)
    assert len(jpeg) <= MAX_FRAME_BYTES
    with Image.open(io.BytesIO(jpeg)) as image:
        assert image.size == expected


def test_picture_is_small_when_nothing_in_it_can_be_compressed() -> None:
    noise_rgb = np.random.default_rng(0).integers(0, 256, (640, 640, 3), np.uint8)
    assert len(small_jpeg(noise_rgb)) <= MAX_FRAME_BYTES


def test_reports_hold_the_time_of_a_device_whose_clock_is_ahead(
    start: Start, cameras: Cameras
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=1)
    cameras.now["ahead"] = CameraStatus("ahead", CameraState.LIVE, ahead)
    start()
    told = cameras.wait_until("ahead", state="live")
    assert datetime.fromisoformat(told["state_since"]) < ahead


@pytest.fixture
def narrow_key(system: RunningSystem) -> str:
    """A key for one camera, which the tests call `own`."""
    with UsherClient(system.url) as admin:
        admin.sign_in(system.admin_username, system.admin_password)
        return admin.create_device(DeviceCreate(name="narrow", cameras=["own"])).key


def test_other_cameras_are_told_when_the_key_is_not_for_one(
    start: Start, cameras: Cameras, narrow_key: str
) -> None:
    cameras.put("foreign")
    cameras.put("own")
    with structlog.testing.capture_logs() as logs:
        start(key=narrow_key, interval_s=0.05)
        first = cameras.wait_until("own", state="live")["reported_at"]
        cameras.put("own", rates=RATES)
        later = cameras.wait_until("own", rates=RATES.model_dump())["reported_at"]
    assert later > first
    assert cameras.told("foreign")["state"] is None
    (line,) = logs  # once, however often it is tried
    assert (line["event"], line["camera"]) == ("camera_denied", "foreign")
    assert line["reason"].startswith("this key is for the camera own, not for foreign: ")


def test_camera_is_told_when_the_device_has_got_a_key_for_it(
    system: RunningSystem, cameras: Cameras, narrow_key: str
) -> None:
    keys = chain([narrow_key], repeat(system.device_key))
    cameras.put("late")
    reporter = Reporter(
        lambda: UsherClient(system.url, next(keys), timeout_s=5), cameras, interval_s=0.1
    )
    try:
        cameras.wait_until("late", state="live")
    finally:
        reporter.close()


def test_reports_go_on_when_the_device_is_paired_anew(
    system: RunningSystem, cameras: Cameras
) -> None:
    keys = iter(["usher_device_revoked", system.device_key])
    cameras.put("paired-anew")
    reporter = Reporter(
        lambda: UsherClient(system.url, next(keys), timeout_s=5), cameras, interval_s=0.1
    )
    try:
        cameras.wait_until("paired-anew", state="live")
    finally:
        reporter.close()
