"""Uploads from the spool, against a small API and a line that fail in every way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise, repeat
from pathlib import Path

import httpx2
import numpy as np
import pytest
from structlog.testing import capture_logs

from services.detector import uploader as uploader_module
from services.detector.crops import Upload
from services.detector.spool import Clock, Spool, SpoolLimits
from services.detector.uploader import Uploader, Way
from tests.running import RunningSystem, run_system
from usher.client import UsherClient
from usher.domain.errors import (
    ConfigurationError,
    NotAuthenticated,
    PermissionDenied,
)
from usher.vision.images import encode_jpeg
from usher.wire import BoxBody, DetectionMetadata

from .conftest import KEY, Answer, FakeApi, problem
from .fault_proxy import (
    Fault,
    FaultProxy,
    answers,
    cuts_the_answer,
    drips,
    fault_proxy,
    loses,
    refuses,
    resets_before_the_answer,
    resets_in_the_middle,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_OURS: Answer = (200, {}, b"<html>Please sign in to the network</html>")
HOUR_S = 3600.0
MakeUploader = Callable[..., Uploader]


def upload(number: int, *, size: int = 3000) -> Upload:
    captured_at = NOON + timedelta(seconds=number)
    metadata = DetectionMetadata(camera_id="door", captured_at=captured_at)
    return Upload(b"jpeg %d" % number * (size // 6), metadata, f"key-{number}")


def expected(numbers: range) -> dict[str, tuple[DetectionMetadata, bytes]]:
    """What an API has stored of these uploads."""
    uploads = [upload(number) for number in numbers]
    return {one.key: (one.metadata, one.image) for one in uploads}


def check_all_delivered(spool: Spool, number: int) -> None:
    books = spool.books()
    assert (books.produced, books.delivered, books.pending) == (number, number, 0)
    assert (books.dropped, books.refused) == (0, 0)


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@dataclass
class FakeTime:
    """Time that passes only where somebody waits for it."""

    now_s: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now_s += seconds


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool" / "crops.db", SpoolLimits())
    yield spool
    spool.close()


@pytest.fixture
def uploader_to(spool: Spool, stop: threading.Event) -> Iterator[MakeUploader]:
    """Makes uploaders of the spool, and ends them after the test."""
    made: list[Uploader] = []

    def make(
        to: str | Callable[[], UsherClient], *, key: str = KEY, in_flight: int = 1, **given: object
    ) -> Uploader:
        factory = to if callable(to) else lambda: UsherClient(to, key, timeout_s=5)
        made.append(Uploader(spool, factory, in_flight=in_flight, stop=stop, **given))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for uploader in made:
        uploader.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays without the waiting."""
    monkeypatch.setattr(uploader_module, "MAX_DELAY_S", 0.01)
    monkeypatch.setattr(uploader_module, "KEY_DELAY_S", 0.01)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# ---- An API that answers ----------------------------------------------------------------------


def test_uploader_delivers_everything_oldest_first(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader
) -> None:
    for number in range(10):
        spool.put(upload(number))
    uploader = uploader_to(api.url)
    for number in range(10, 20):
        spool.put(upload(number))
    assert uploader.wait_empty()
    assert api.requests == [f"key-{number}" for number in range(20)]
    assert api.stored == expected(range(20))
    check_all_delivered(spool, 20)


def test_uploader_has_several_in_flight(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader
) -> None:
    together = threading.Barrier(4)
    api.on_request = lambda: together.wait(30)
    for number in range(12):
        spool.put(upload(number))
    assert uploader_to(api.url, in_flight=4).wait_empty()
    assert not together.broken
    assert sorted(api.requests) == sorted(api.stored) == sorted(expected(range(12)))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "failure",
    [
        problem(500, "Unforeseen"),
        problem(502, ""),
        problem(503, "Unavailable", Retry_After="0"),
        problem(429, "TooManyRequests", Retry_After="0"),
        problem(408, ""),
        problem(425, ""),
        (302, {"Location": "http://portal.invalid/"}, b""),
        NOT_OURS,
    ],
    ids=lambda failure: str(failure[0]),
)
def test_uploader_repeats_with_the_same_key_when_the_api_fails_for_now(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader, failure: Answer
) -> None:
    api.script = [failure] * 4
    spool.put(upload(1))
    spool.put(upload(2))
    assert uploader_to(api.url).wait_empty()
    assert api.requests == ["key-1"] * 5 + ["key-2"]
    check_all_delivered(spool, 2)


@pytest.mark.parametrize("status", [429, 503])
def test_uploader_waits_as_long_as_the_api_asks(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader, fake_time: FakeTime, status: int
) -> None:
    api.script = [problem(status, "", Retry_After="123")]
    spool.put(upload(1))
    uploader = uploader_to(api.url, clock=fake_time.clock, pause=fake_time.pause)
    assert uploader.wait_empty()
    assert fake_time.pauses == [123]
    check_all_delivered(spool, 1)


@pytest.mark.parametrize(
    "refusal",
    [
        problem(400, "InvalidInput"),
        problem(413, "TooLarge"),
        problem(415, "UnsupportedImage"),
        problem(422, "IdempotencyConflict"),
        problem(404, "NotFound"),
    ],
    ids=lambda refusal: str(refusal[0]),
)
def test_crop_that_the_api_refuses_is_set_aside_and_the_rest_goes_on(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader, refusal: Answer
) -> None:
    api.script = [refusal]
    spool.put(upload(1))
    spool.put(upload(2))
    assert uploader_to(api.url).wait_empty()
    assert api.requests == ["key-1", "key-2"]
    books = spool.books()
    assert (books.produced, books.delivered, books.refused) == (2, 1, 1)
    [(key, reason)] = spool.refusals()
    assert key == "key-1"
    assert reason.startswith("because of ")


# ---- A key that is not let in -----------------------------------------------------------------


def test_crop_of_a_camera_that_the_key_is_not_for_is_set_aside_and_the_rest_goes_on(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader
) -> None:
    api.script = [problem(403, "CameraDenied")]
    spool.put(upload(1))
    spool.put(upload(2))
    with capture_logs() as logged:
        uploader = uploader_to(api.url)
        assert uploader.wait_empty()
    assert api.requests == ["key-1", "key-2"]
    assert spool.refusals() == [("key-1", "because of CameraDenied")]
    assert uploader.failure is None
    assert str(uploader.denied) == "because of CameraDenied"
    (line,) = [line for line in logged if line["event"] == "upload_refused"]
    assert (line["camera"], line["reason"]) == ("door", "because of CameraDenied")


def test_uploader_takes_another_key_when_the_one_before_is_for_other_cameras(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader
) -> None:
    keys = chain([KEY], repeat("another"))
    api.script = [problem(403, "CameraDenied")]
    spool.put(upload(1))
    spool.put(upload(2))
    uploader = uploader_to(lambda: UsherClient(api.url, next(keys), timeout_s=5))
    wait_until(lambda: isinstance(uploader.failure, NotAuthenticated))
    assert (spool.books().refused, spool.books().pending) == (1, 1)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (problem(401, "NotAuthenticated"), NotAuthenticated),
        (problem(403, "PermissionDenied"), PermissionDenied),
        ((401, {}, b"<h1>Unauthorized</h1>"), NotAuthenticated),
        ((403, {}, b"<h1>Forbidden</h1>"), PermissionDenied),
    ],
)
def test_crops_wait_when_the_key_is_not_let_in_and_go_when_it_is(
    api: FakeApi,
    spool: Spool,
    uploader_to: MakeUploader,
    answer: Answer,
    failure: type[Exception],
) -> None:
    api.script = [answer] * 1000
    for number in range(5):
        spool.put(upload(number))
    with capture_logs() as logged:
        uploader = uploader_to(api.url, in_flight=3)
        wait_until(lambda: uploader.failure and len(api.requests) > 6)
        assert isinstance(uploader.failure, failure)
        assert not uploader.wait_empty()
        uploader.wait_for_room()
        assert spool.books().pending == 5
        api.script.clear()
        wait_until(lambda: spool.books().pending == 0)
    assert uploader.failure is None
    check_all_delivered(spool, 5)
    kept_out = [line for line in logged if line["event"] == "key_not_accepted"]
    assert kept_out and "give this device a key" in str(kept_out[0]["advice"])
    assert KEY not in str(logged)


def test_key_that_is_not_let_in_is_tried_once_a_minute(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader, fake_time: FakeTime
) -> None:
    api.script = [problem(401, "NotAuthenticated")] * 20
    spool.put(upload(1))
    uploader_to(api.url, in_flight=1, clock=fake_time.clock, pause=fake_time.pause)
    wait_until(lambda: spool.books().pending == 0)
    assert len(fake_time.pauses) == 20
    assert min(fake_time.pauses) >= 60


@pytest.mark.usefixtures("quick")
def test_uploader_takes_a_new_key_without_being_started_again(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader
) -> None:
    found = ["revoked"]

    def client() -> UsherClient:
        if not found:
            raise ConfigurationError("the key file is missing")
        return UsherClient(api.url, found[0], timeout_s=5)

    spool.put(upload(1))
    uploader = uploader_to(client, in_flight=3)
    wait_until(lambda: isinstance(uploader.failure, NotAuthenticated))
    found.clear()
    wait_until(lambda: isinstance(uploader.failure, ConfigurationError))
    found.append(KEY)
    wait_until(lambda: spool.books().pending == 0)
    assert uploader.failure is None
    check_all_delivered(spool, 1)


# ---- An API that is away ----------------------------------------------------------------------


@pytest.mark.parametrize("in_flight", [1, 4])
def test_outage_of_an_hour_loses_nothing_and_costs_few_tries(
    tmp_path: Path, fake_time: FakeTime, stop: threading.Event, in_flight: int
) -> None:
    spool = Spool(tmp_path / "crops.db", SpoolLimits(), Clock(fake_time.clock, lambda: 0.0))
    tries: list[float] = []
    stored: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        if fake_time.now_s < HOUR_S:
            tries.append(fake_time.now_s)
            raise httpx2.ConnectError("no route to host")
        stored.append(request.headers["Idempotency-Key"])
        return httpx2.Response(201, json={"id": "d", "status": "pending"})

    for number in range(100):
        spool.put(upload(number))
    uploader = Uploader(
        spool,
        lambda: UsherClient("http://api.invalid", KEY, transport=httpx2.MockTransport(handle)),
        in_flight=in_flight,
        stop=stop,
        clock=fake_time.clock,
        pause=fake_time.pause,
    )
    for number in range(100, 120):
        spool.put(upload(number))
    assert uploader.wait_empty()
    uploader.close()
    check_all_delivered(spool, 120)
    spool.close()
    assert 40 < len(tries) < 250
    assert len([moment for moment in tries if moment < 60]) > 4
    assert max(later - earlier for earlier, later in pairwise(tries)) <= 60
    assert sorted(stored) == sorted(f"key-{number}" for number in range(120))
    if in_flight == 1:
        assert stored == [f"key-{number}" for number in range(120)]


@pytest.mark.usefixtures("quick")
def test_crop_at_which_the_api_stumbles_does_not_stop_the_rest(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader
) -> None:
    def stumble() -> None:
        if api.requests[-1] == "key-0":
            api.script.append(problem(500, "Unforeseen"))

    api.on_request = stumble
    for number in range(20):
        spool.put(upload(number))
    uploader_to(api.url)
    wait_until(lambda: spool.books().delivered == 19)
    books = spool.books()
    assert (books.pending, books.refused) == (1, 0)
    tried = api.requests.count("key-0")
    assert 8 <= tried <= 10
    assert api.requests[-15:] == [f"key-{number}" for number in range(5, 20)]
    api.on_request = lambda: None
    spool.wake()
    wait_until(lambda: spool.books().delivered == 20)


@pytest.mark.usefixtures("quick")
def test_crop_rests_only_while_the_api_says_that_it_is_ready(
    api: FakeApi, spool: Spool, uploader_to: MakeUploader
) -> None:
    api.is_ready = False
    api.script = [problem(503, "Unavailable")] * 23
    for number in range(3):
        spool.put(upload(number))
    assert uploader_to(api.url).wait_empty()
    assert api.requests == ["key-0"] * 24 + ["key-1", "key-2"]


def test_close_leaves_in_the_spool_what_could_not_be_delivered(
    closed_port: int, tmp_path: Path, spool: Spool, uploader_to: MakeUploader, api: FakeApi
) -> None:
    for number in range(5):
        spool.put(upload(number))
    uploader = uploader_to(f"http://127.0.0.1:{closed_port}", in_flight=4)
    with capture_logs():
        uploader.close(grace_s=0.1)
    for thread in uploader._threads:
        thread.join(30)
        assert not thread.is_alive()
    spool.close()
    spool = Spool(tmp_path / "spool" / "crops.db", SpoolLimits())
    assert spool.books().pending == 5
    uploader = Uploader(spool, lambda: UsherClient(api.url, KEY), stop=threading.Event())
    assert uploader.wait_empty()
    uploader.close()
    check_all_delivered(spool, 5)
    spool.close()
    assert api.stored == expected(range(5))


def test_nobody_waits_for_the_api_when_the_detector_stops(
    closed_port: int, spool: Spool, uploader_to: MakeUploader, stop: threading.Event
) -> None:
    spool.put(upload(1))
    uploader = uploader_to(f"http://127.0.0.1:{closed_port}")
    threading.Timer(0.1, stop.set).start()
    assert not uploader.wait_empty()
    assert spool.books().pending == 1


def test_source_that_can_wait_waits_for_room(
    api: FakeApi, tmp_path: Path, stop: threading.Event
) -> None:
    back = threading.Event()
    api.on_request = lambda: back.wait(30)
    spool = Spool(tmp_path / "small" / "crops.db", SpoolLimits(max_bytes=1_000_000))
    uploader = Uploader(spool, lambda: UsherClient(api.url, KEY), stop=stop)
    for number in range(200):
        if spool.books().pending == 100:
            back.set()
        spool.put(upload(number, size=9000))
        uploader.wait_for_room() if back.is_set() or spool.books().bytes < 500_000 else back.set()
    assert uploader.wait_empty()
    uploader.close()
    check_all_delivered(spool, 200)
    spool.close()


# ---- A line that fails ------------------------------------------------------------------------

FAULTS = [
    refuses,
    resets_in_the_middle,
    resets_before_the_answer,
    cuts_the_answer,
    drips,
    loses,
    answers(503),
    answers(503, Retry_After="0"),
    answers(429, Retry_After="0"),
    answers(408),
]


@pytest.fixture
def proxy(api: FakeApi) -> Iterator[FaultProxy]:
    api.is_ready = False  # no crop rests
    with fault_proxy(api.url) as proxy:
        yield proxy


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("fault", FAULTS[:6], ids=lambda fault: fault.__name__)
def test_crops_arrive_once_when_the_line_fails(
    api: FakeApi, proxy: FaultProxy, spool: Spool, uploader_to: MakeUploader, fault: Fault
) -> None:
    proxy.faults = [fault] * 6
    for number in range(8):
        spool.put(upload(number))
    with capture_logs() as logged:
        client = lambda: UsherClient(proxy.url, KEY, timeout_s=0.3)  # noqa: E731
        assert uploader_to(client, in_flight=2).wait_empty()
    assert api.stored == expected(range(8))
    check_all_delivered(spool, 8)
    failed = sum(line["event"] == "upload_delayed" for line in logged)
    assert failed >= (0 if fault is drips else 3)
    if fault in (resets_before_the_answer, cuts_the_answer):
        assert len(api.requests) > len(api.stored)


@pytest.mark.usefixtures("quick")
def test_books_balance_while_everything_fails_by_turns(
    api: FakeApi, proxy: FaultProxy, spool: Spool, uploader_to: MakeUploader
) -> None:
    proxy.faults = [fault for fault in FAULTS * 4 if fault is not loses]
    client = lambda: UsherClient(proxy.url, KEY, timeout_s=1)  # noqa: E731
    uploader = uploader_to(client, in_flight=4)
    for number in range(60):
        spool.put(upload(number))
        books = spool.books()
        assert books.produced == number + 1 == books.delivered + books.pending
    assert uploader.wait_empty()
    assert not proxy.faults
    assert api.stored == expected(range(60))
    assert len(api.requests) > 60
    check_all_delivered(spool, 60)


@pytest.fixture
def system(mongodb_uri: str, tmp_path: Path) -> Iterator[RunningSystem]:
    with run_system(mongodb_uri, tmp_path, classify=False) as system:
        yield system


@pytest.mark.usefixtures("quick")
def test_real_api_stores_each_crop_once_when_the_line_fails(
    system: RunningSystem,
    spool: Spool,
    uploader_to: MakeUploader,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uploader_module, "_REST_S", 0.1)
    pictures = [noise_jpeg(number) for number in range(40)]
    with fault_proxy(system.url) as proxy:
        proxy.faults = [fault for fault in FAULTS * 3 if fault is not loses]
        client = lambda: UsherClient(proxy.url, system.device_key, timeout_s=10)  # noqa: E731
        uploader = uploader_to(client, in_flight=4)
        for number, image in enumerate(pictures):
            metadata = DetectionMetadata(
                camera_id="door",
                captured_at=NOON + timedelta(seconds=number),
                box=BoxBody(x1=8, y1=8, x2=56, y2=56),
            )
            spool.put(Upload(image, metadata, f"key-of-{number}"))
        assert uploader.wait_empty()
        assert not proxy.faults
        uploader.close()
    check_all_delivered(spool, 40)
    stored = system.admin.detections(limit=100).items
    moments = sorted(detection.captured_at for detection in stored)
    assert moments == [NOON + timedelta(seconds=number) for number in range(40)]


def noise_jpeg(seed: int) -> bytes:
    """A picture without a face; another one for each seed."""
    return encode_jpeg(np.random.default_rng(seed).integers(0, 256, (64, 64, 3), np.uint8))


# ---- Who tries when ---------------------------------------------------------------------------


@pytest.fixture
def way(fake_time: FakeTime) -> Way:
    return Way(clock=fake_time.clock, pause=fake_time.pause, closing=threading.Event())


def test_one_probes_while_the_way_is_closed_and_all_go_when_it_opens(way: Way) -> None:
    together = [way.enter() for _ in range(4)]
    assert [way.failed(turn).counts for turn in together if turn] == [True, False, False, False]
    probe = way.enter()
    assert probe and probe.is_probe
    entered: list[object] = []
    others = [threading.Thread(target=lambda: entered.append(way.enter())) for _ in range(3)]
    for other in others:
        other.start()
    time.sleep(0.05)
    assert entered == []
    assert way.passed(probe)
    for other in others:
        other.join(30)
    assert len(entered) == 3
    assert not any(turn is None or turn.is_probe for turn in entered)  # type: ignore[attr-defined]


def test_next_one_probes_when_a_probe_found_nothing_to_try(way: Way) -> None:
    turn = way.enter()
    assert turn
    way.failed(turn)
    first = way.enter()
    assert first
    way.leave(first)
    second = way.enter()
    assert second and second.is_probe


def test_delays_grow_to_their_ceiling_and_are_random(way: Way) -> None:
    outages = []
    for _ in range(40):
        delays = []
        for _ in range(12):
            turn = way.enter()
            assert turn
            delays.append(way.failed(turn).delay_s)
        turn = way.enter()
        assert turn
        way.passed(turn)
        outages.append(delays)
    for attempt, drawn in enumerate(zip(*outages, strict=True)):
        ceiling_s = min(60, 2**attempt)
        assert max(drawn) <= ceiling_s
        assert max(drawn) > ceiling_s / 2
        assert min(drawn) < ceiling_s / 2


def test_way_stays_open_for_a_few_failures_that_may_be_the_crops(way: Way) -> None:
    verdicts = []
    for _ in range(4):
        turn = way.enter()
        assert turn
        verdicts.append(way.failed(turn, excused=True).delay_s > 0 or way._failures > 0)
    assert verdicts == [False, False, False, True]
