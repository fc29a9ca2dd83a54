"""Uploads against a small API that fails in every way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from services.detector import uploader
from services.detector.crops import Upload
from services.detector.uploader import UploadQueue
from usher.client import UsherClient
from usher.domain.errors import NotAuthenticated, PermissionDenied
from usher.wire import DetectionMetadata

from .conftest import KEY, Answer, FakeApi, problem

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOT_OURS: Answer = (200, {}, b"<html>Please sign in to the network</html>")
MakeQueue = Callable[..., UploadQueue]


def upload(number: int) -> Upload:
    captured_at = NOON + timedelta(seconds=number)
    metadata = DetectionMetadata(camera_id="door", captured_at=captured_at)
    return Upload(b"jpeg %d" % number, metadata, f"key-{number}")


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


@pytest.fixture
def queue_to(stop: threading.Event) -> Iterator[MakeQueue]:
    """Makes queues, and ends them after the test."""
    made: list[UploadQueue] = []

    def make(url: str, *, key: str = KEY, capacity: int = 10, drop: bool = False) -> UploadQueue:
        client = UsherClient(url, key, timeout_s=2)
        queue = UploadQueue(client, capacity=capacity, drop_oldest=drop, stop=stop)
        made.append(queue)
        return queue

    yield make
    stop.set()
    for queue in made:
        with suppress(NotAuthenticated, PermissionDenied):
            queue.close(grace_s=0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off without the waiting."""
    monkeypatch.setattr(uploader, "MAX_DELAY_S", 0.01)


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def test_queue_uploads_everything_in_order(api: FakeApi, queue_to: MakeQueue) -> None:
    queue = queue_to(api.url)
    for number in range(25):
        queue.put(upload(number))
    queue.close(grace_s=1)
    assert api.requests == [f"key-{number}" for number in range(25)]
    assert api.stored["key-3"] == (upload(3).metadata, b"jpeg 3")
    assert (queue.counts.taken, queue.counts.uploaded, queue.counts.dropped) == (25, 25, 0)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "failure",
    [
        problem(500, "Unforeseen"),
        problem(502, ""),
        problem(503, "Unavailable", Retry_After="1"),
        problem(429, "TooManyRequests", Retry_After="0"),
        NOT_OURS,
    ],
)
def test_queue_repeats_with_the_same_key_when_the_api_fails_for_now(
    api: FakeApi, queue_to: MakeQueue, failure: Answer
) -> None:
    api.script = [failure] * 4
    queue = queue_to(api.url)
    queue.put(upload(1))
    queue.put(upload(2))
    queue.close(grace_s=1)
    assert api.requests == ["key-1"] * 5 + ["key-2"]
    assert queue.counts.uploaded == 2


@pytest.mark.usefixtures("quick")
def test_queue_waits_as_long_as_the_api_asks(api: FakeApi, queue_to: MakeQueue) -> None:
    api.script = [problem(429, "TooManyRequests", Retry_After="1")]
    queue = queue_to(api.url)
    began = time.monotonic()
    queue.put(upload(1))
    queue.close(grace_s=1)
    assert time.monotonic() - began >= 1
    assert queue.counts.uploaded == 1


@pytest.mark.parametrize(
    "refusal",
    [
        problem(400, "InvalidInput"),
        problem(413, "TooLarge"),
        problem(415, "UnsupportedImage"),
        problem(422, "IdempotencyConflict"),
        problem(404, "NotFound"),
    ],
)
def test_queue_gives_up_a_crop_that_the_api_refuses(
    api: FakeApi, queue_to: MakeQueue, refusal: Answer
) -> None:
    api.script = [refusal]
    queue = queue_to(api.url)
    queue.put(upload(1))
    queue.put(upload(2))
    queue.close(grace_s=1)
    assert api.requests == ["key-1", "key-2"]
    assert (queue.counts.refused, queue.counts.uploaded, queue.counts.dropped) == (1, 1, 0)


def test_queue_raises_when_the_key_is_unknown(api: FakeApi, queue_to: MakeQueue) -> None:
    queue = queue_to(api.url, key="wrong")
    with pytest.raises(NotAuthenticated, match="because of NotAuthenticated"):
        for number in range(100):
            queue.put(upload(number))
            time.sleep(0.02)


def test_queue_raises_at_its_end_when_the_key_may_not_upload(
    api: FakeApi, queue_to: MakeQueue
) -> None:
    api.script = [problem(403, "PermissionDenied")]
    queue = queue_to(api.url)
    queue.put(upload(1))
    with pytest.raises(PermissionDenied):
        queue.close(grace_s=1)
    assert queue.counts.dropped == 1


def test_put_drops_the_oldest_and_never_waits_when_the_source_is_live(
    closed_port: int, queue_to: MakeQueue, stop: threading.Event
) -> None:
    queue = queue_to(f"http://127.0.0.1:{closed_port}", capacity=3, drop=True)
    began = time.monotonic()
    for number in range(200):
        queue.put(upload(number))
    assert time.monotonic() - began < 1
    stop.set()
    queue.close(grace_s=0.1)
    assert (queue.counts.taken, queue.counts.uploaded, queue.counts.dropped) == (200, 0, 200)


@pytest.mark.usefixtures("quick")
def test_queue_keeps_the_newest_while_the_api_is_away(api: FakeApi, queue_to: MakeQueue) -> None:
    back = threading.Event()
    api.on_request = lambda: back.wait(5)
    queue = queue_to(api.url, capacity=3, drop=True)
    queue.put(upload(0))
    while not api.requests:
        time.sleep(0.01)
    for number in range(1, 50):
        queue.put(upload(number))
    back.set()
    queue.close(grace_s=1)
    assert list(api.stored) == ["key-0", "key-47", "key-48", "key-49"]
    assert (queue.counts.uploaded, queue.counts.dropped) == (4, 46)


@pytest.mark.usefixtures("quick")
def test_put_waits_and_loses_nothing_when_the_source_is_a_file(
    api: FakeApi, queue_to: MakeQueue
) -> None:
    api.script = [problem(503, "Unavailable")] * 20
    queue = queue_to(api.url, capacity=2)
    for number in range(30):
        queue.put(upload(number))
        assert queue.counts.taken - queue.counts.uploaded <= 4
    queue.close(grace_s=1)
    assert list(api.stored) == [f"key-{number}" for number in range(30)]


def test_put_no_longer_waits_when_the_detector_stops(
    closed_port: int, queue_to: MakeQueue, stop: threading.Event
) -> None:
    queue = queue_to(f"http://127.0.0.1:{closed_port}", capacity=1)
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()
    for number in range(5):
        queue.put(upload(number))
    queue.close(grace_s=0.2)
    assert time.monotonic() - began < 3
    assert (queue.counts.taken, queue.counts.dropped) == (5, 5)


def test_close_finishes_what_waits_when_the_detector_stops(
    api: FakeApi, queue_to: MakeQueue, stop: threading.Event
) -> None:
    queue = queue_to(api.url)
    for number in range(8):
        queue.put(upload(number))
    stop.set()
    queue.close(grace_s=5)
    assert queue.counts.uploaded == 8


def test_delay_grows_to_its_ceiling() -> None:
    delays = [
        [uploader._delay_s(attempt, ValueError()) for _ in range(200)] for attempt in range(12)
    ]
    for attempt, tries in enumerate(delays):
        assert max(tries) <= min(30, 2**attempt)
        assert min(tries) < max(tries)
    assert max(delays[11]) > 15
