"""What the API does by itself goes on, whatever happens to it."""

from __future__ import annotations

import asyncio

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from services.api.chores import doing

SOON_S = 0.001


@pytest.mark.parametrize("failure", [AutoReconnect("an election"), OSError(28, "disk full")])
async def test_chore_is_done_again_when_it_failed(failure: Exception) -> None:
    done = asyncio.Event()
    times = 0

    async def chore() -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise failure
        done.set()

    with capture_logs() as logged:
        async with doing(chore, "sweep", every_s=SOON_S):
            await asyncio.wait_for(done.wait(), 10)
    assert [entry["chore"] for entry in logged] == ["sweep"]


async def test_chore_ends_with_what_it_is_done_for() -> None:
    times = 0

    async def chore() -> None:
        nonlocal times
        times += 1

    async with doing(chore, "sweep", every_s=SOON_S, spread=True):
        while not times:
            await asyncio.sleep(SOON_S)
    ended_at = times
    await asyncio.sleep(10 * SOON_S)
    assert times == ended_at
