"""The same people for the same crops, whoever works and whoever dies."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Sequence

import numpy as np
import pytest

from tests.services.classifier.backlog import Backlog
from tests.services.classifier.conftest import Classifier, Start
from tests.services.classifier.crowd import PEOPLE, portrait
from usher.storage.references import References
from usher.storage.schema import COLLECTIONS, prepare
from usher.storage.second_looks import SecondLooks


async def until_looked_again(backlog: Backlog, *, within_s: float) -> None:
    """Wait until what was decided has been looked at again and nothing more came of it."""
    references, looks = References(backlog.database), SecondLooks(backlog.database)
    async with asyncio.timeout(within_s):
        while await looks.last() != await references.version():
            await asyncio.sleep(0.2)


class Killer:
    """Kills somebody at work whenever a share of the work is done, and starts another."""

    def __init__(self, backlog: Backlog, start: Start, workers: list[Classifier]) -> None:
        self.kills = 0
        self._backlog = backlog
        self._start = start
        self._workers = workers

    async def run(self, *, after: int) -> None:
        left = await self._backlog.detections.unfinished()
        while True:
            await asyncio.sleep(0.1)
            now = await self._backlog.detections.unfinished()
            ready = [worker for worker in self._workers if worker.says("ready")]
            if now and ready and now <= left - after:
                left = now
                self._kill(random.choice(ready))  # noqa: S311 - no secret

    def _kill(self, victim: Classifier) -> None:
        victim.send(signal.SIGKILL)
        victim.process.wait()
        self.kills += 1
        self._workers[self._workers.index(victim)] = self._start(program="crowd")


async def people_of(
    backlog: Backlog,
    start: Start,
    crops: Sequence[str],
    *,
    tracks: Sequence[str] | None = None,
    workers: int,
    kill_after: int | None = None,
    within_s: float,
) -> set[frozenset[int]]:
    """The partition that so many workers make of the crops, before and after a second look.

    `tracks` names the track of each, where faces are followed.
    """
    for name in COLLECTIONS:
        await backlog.database[name].delete_many({})
    await prepare(backlog.database)
    names = tracks or [None] * len(crops)
    named = zip(crops, names, strict=True)
    await backlog.add(*(backlog.new(None, crop=crop, track_id=name) for crop, name in named))
    at_work = [start(program="crowd") for _ in range(workers)]
    killer = Killer(backlog, start, at_work)
    killing = asyncio.create_task(killer.run(after=kill_after or len(crops)))
    await backlog.until_done(within_s=within_s)
    killing.cancel()
    await asyncio.gather(killing, return_exceptions=True)
    assert killer.kills >= (2 if kill_after else 0)
    await until_looked_again(backlog, within_s=120)
    for worker in at_work:
        worker.stop()
    return await backlog.partition()


def shots(backlog: Backlog, count: int) -> list[str]:
    """The crops of so many shots of people, some of them often and most of them rarely."""
    numbers = np.random.default_rng(4)
    persons = (numbers.pareto(1.0, count) * 20).astype(int) % PEOPLE
    return [backlog.crops.put(portrait(int(who), shot)) for shot, who in enumerate(persons)]


async def test_people_are_the_same_when_three_workers_are_killed_and_when_one_lives(
    backlog: Backlog, start: Start
) -> None:
    crops = shots(backlog, 300)
    one = await people_of(backlog, start, crops, workers=1, within_s=120)
    three = await people_of(backlog, start, crops, workers=3, kill_after=50, within_s=180)
    assert 60 < len(one) < 250
    assert three == one


def walks(backlog: Backlog, count: int) -> tuple[list[str], list[str]]:
    """The crops of so many walks of up to four shots each, two at a time, and their tracks."""
    chance = np.random.default_rng(6)
    crops, tracks = [], []
    for pair in range(count // 2):
        persons = (chance.pareto(1.0, 2) * 20).astype(int) % PEOPLE
        for shot in range(int(chance.integers(1, 5))):
            for side, who in enumerate(persons.tolist()):
                crops.append(backlog.crops.put(portrait(who, 1000 * shot + 2 * pair + side)))
                tracks.append(f"{pair}-{side}")
    return crops, tracks


async def test_people_of_tracks_are_the_same_when_one_two_or_four_work(
    backlog: Backlog, start: Start
) -> None:
    crops, tracks = walks(backlog, 80)
    one, two, four = [
        await people_of(
            backlog, start, crops, tracks=tracks, workers=count, kill_after=after, within_s=180
        )
        for count, after in ((1, None), (2, 40), (4, 40))
    ]
    assert 20 < len(one) < 75
    assert two == one
    assert four == one


@pytest.mark.slow
async def test_people_of_five_thousand_are_the_same_when_one_two_or_four_work_and_are_killed(
    backlog: Backlog, start: Start
) -> None:
    crops = shots(backlog, 5000)
    one, two, four = [
        await people_of(backlog, start, crops, workers=count, kill_after=after, within_s=900)
        for count, after in ((1, None), (2, 400), (4, 400))
    ]
    print(f"people: {len(one)}")  # noqa: T201
    assert two == one
    assert four == one
