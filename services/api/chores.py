"""What the API does by itself, now and then."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from usher.tasks import cancel

log = structlog.get_logger()

Chore = Callable[[], Awaitable[object]]


@asynccontextmanager
async def doing(
    chore: Chore, name: str, *, every_s: float, spread: bool = False
) -> AsyncIterator[None]:
    """Do a chore every so often meanwhile; one that failed is done the next time.

    Parameters
    ----------
    name
        What the log calls it.
    spread
        Whether the wait is a random part of `every_s`, so that several APIs do not all do it at
        once.
    """
    task = asyncio.create_task(_keep_doing(chore, name, every_s, spread=spread), name=name)
    try:
        yield
    finally:
        await cancel((task,))


async def _keep_doing(chore: Chore, name: str, every_s: float, *, spread: bool) -> None:
    while True:
        share = random.uniform(0.01, 1) if spread else 1.0  # noqa: S311 - spreads load
        await asyncio.sleep(every_s * share)
        try:
            await chore()
        except Exception:  # whatever it was: nobody else would ever do the chore again
            log.exception("a chore failed, and is done again later", chore=name)
