"""Classifiers as processes, killed, stopped and asked to end while they work."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from tests.services.classifier.backlog import Backlog
from tests.services.classifier.conftest import Classifier, Start
from tests.services.classifier.quick import LEASE_S
from usher.domain.records import DetectionStatus
from usher.storage.database import connected
from usher.storage.embedded import EmbeddedServer
from usher.storage.schema import prepare
from usher.storage.serving import MODEL_CHANGED, Embedders, Named

_CLAIMED = {"status": DetectionStatus.PENDING, "claim_token": {"$ne": None}}


async def until_claimed(backlog: Backlog, *, within_s: float = 30) -> None:
    """Wait until a worker holds a batch."""
    async with asyncio.timeout(within_s):
        while not await backlog.database["detections"].find_one(_CLAIMED, {"_id": 1}):
            await asyncio.sleep(0.01)


async def ended(classifier: Classifier, *, within_s: float) -> int:
    return await asyncio.to_thread(classifier.process.wait, within_s)


class Killer:
    """Kills a random worker that has begun its work, again and again, and starts another."""

    def __init__(self, start: Start, *, workers: int, every_s: float) -> None:
        self.kills = 0
        self._start = start
        self._every_s = every_s
        self._workers = [start(quick=0.01) for _ in range(workers)]

    async def run(self, *, kills: int) -> None:
        while self.kills < kills:
            await asyncio.sleep(self._every_s)
            ready = [worker for worker in self._workers if worker.says("ready")]
            if ready:
                self._replace(random.choice(ready))  # noqa: S311 - no secret

    def _replace(self, victim: Classifier) -> None:
        assert victim.process.poll() is None, victim.log.read_text()
        victim.send(signal.SIGKILL)
        victim.process.wait()
        self.kills += 1
        self._workers.remove(victim)
        self._workers.append(self._start(quick=0.01))


async def chaos(
    backlog: Backlog, start: Start, colours: list[bytes], *, count: int, kills: int, within_s: float
) -> None:
    await backlog.fill(colours, count)
    killer = Killer(start, workers=3, every_s=0.5)
    killing = asyncio.create_task(killer.run(kills=kills))
    await backlog.until_done(within_s=within_s)
    killing.cancel()
    (ending,) = await asyncio.gather(killing, return_exceptions=True)
    assert ending is None or isinstance(ending, asyncio.CancelledError)
    assert killer.kills >= 3
    await backlog.assert_each_counted_once(count)


async def test_each_record_is_classified_once_when_workers_are_killed_every_half_second(
    backlog: Backlog, start: Start, colours: list[bytes]
) -> None:
    await chaos(backlog, start, colours, count=300, kills=6, within_s=60)


@pytest.mark.slow
async def test_each_of_ten_thousand_is_classified_once_when_workers_are_killed_every_half_second(
    backlog: Backlog, start: Start, colours: list[bytes]
) -> None:
    await chaos(backlog, start, colours, count=10_000, kills=100_000, within_s=1800)


async def test_stopped_worker_writes_nothing_when_it_is_resumed_after_its_lease(
    backlog: Backlog, start: Start, colours: list[bytes]
) -> None:
    await backlog.fill(colours, 20)
    stopped = start(quick=0.4)
    await until_claimed(backlog)
    await asyncio.sleep(0.3)
    stopped.send(signal.SIGSTOP)
    await asyncio.sleep(LEASE_S)
    start(quick=0)
    await backlog.until_done(within_s=20)
    await backlog.assert_each_counted_once(20)
    before = await backlog.everything()
    stopped.send(signal.SIGCONT)
    async with asyncio.timeout(20):
        while not stopped.says("somebody else works on detections of ours now"):
            await asyncio.sleep(0.05)
    assert stopped.process.poll() is None
    assert await backlog.everything() == before


async def test_records_are_worked_on_again_within_35_seconds_when_their_worker_is_killed(
    backlog: Backlog, start: Start, colours: list[bytes]
) -> None:
    await backlog.fill(colours, 16)
    killed = start()
    await until_claimed(backlog)
    killed.stop()
    start()
    await backlog.until_done(within_s=35)
    await backlog.assert_each_counted_once(16)


async def test_worker_finishes_or_hands_back_within_ten_seconds_when_asked_to_end(
    backlog: Backlog, start: Start, colours: list[bytes]
) -> None:
    await backlog.fill(colours, 300)
    worker = start()
    await until_claimed(backlog)
    worker.send(signal.SIGTERM)
    assert await ended(worker, within_s=10) == 0
    assert worker.says("stopped")
    assert await backlog.all(**_CLAIMED) == []
    left = await backlog.all(status=DetectionStatus.PENDING)
    assert left
    assert {row["attempts"] for row in left} == {0}


async def test_worker_ends_within_ten_seconds_when_the_database_does_not_answer(
    start: Start, tmp_path: Path, colours: list[bytes], backlog: Backlog
) -> None:
    async with EmbeddedServer(tmp_path / "mongodb") as server:
        async with connected(server.uri, backlog.database.name) as database:
            await prepare(database)
        worker = start(quick=0, uri=server.uri)
        await asyncio.to_thread(worker.wait_until_it_says, "ready")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(1)
            worker.send(signal.SIGTERM)
            await ended(worker, within_s=10)
        finally:
            os.kill(server.pid, signal.SIGCONT)


async def test_worker_ends_to_be_started_again_when_another_model_serves(
    start: Start, backlog: Backlog
) -> None:
    worker = start(quick=0)
    await asyncio.to_thread(worker.wait_until_it_says, "ready")
    embedders = Embedders(backlog.database)
    await embedders.put_beside(Named("dlib", "dlib-resnet-v1"))
    await embedders.end_change(await embedders.begin_change(), switched=True)
    assert await ended(worker, within_s=20) == 0
    assert worker.says(MODEL_CHANGED)


async def test_worker_ends_with_an_error_when_the_database_is_of_a_newer_version(
    start: Start, backlog: Backlog
) -> None:
    await backlog.database["settings"].update_one({"_id": "schema"}, {"$set": {"version": 99}})
    worker = start(quick=0)
    assert await ended(worker, within_s=30) == 1
    assert worker.says("newer Usher")
