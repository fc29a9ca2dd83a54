"""What is older than it is to be kept goes, once an hour, and the audit says how much that was."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from pymongo.errors import PyMongoError

from services.api.state import State
from usher.domain.errors import NotFound
from usher.storage.operating import Kept
from usher.storage.retention import Cutoffs, Due
from usher.tasks import cancel
from usher.wire import utc_now

log = structlog.get_logger()

_EVERY_S = 3600.0

ITSELF = "usher"
"""The actor of what nobody did."""


def cutoffs_of(kept: Kept, now: datetime) -> Cutoffs:
    """The moments before which nothing is kept."""

    def before(days: int | None) -> datetime | None:
        return None if days is None else now - timedelta(days=days)

    return Cutoffs(strangers=before(kept.strangers_days), known=before(kept.known_days))


async def forget_old(state: State, *, now: datetime) -> Due:
    """Remove what is not to be kept any more.

    Broken off, it goes on the next time; a crop that is left without a record then goes with the
    orphans.

    Returns
    -------
    Due
        How much went; the detections of whole strangers among the rest.
    """
    cutoffs = cutoffs_of(await state.operating.kept(), now)
    strangers, detections = 0, 0
    if cutoffs.strangers is not None:
        strangers, detections = await _forget_strangers(state, cutoffs.strangers)
    async for crops in state.retention.remove_old(cutoffs):
        detections += len(crops)
        await _delete(state, crops)
    if strangers or detections:
        action = f"retention.forget:{strangers} strangers, {detections} detections"
        await state.audit.add(ITSELF, action, "retention", now=now)
    return Due(strangers=strangers, detections=detections)


async def _forget_strangers(state: State, before: datetime) -> tuple[int, int]:
    """How many went, and how many detections with them."""
    strangers = detections = 0
    for person_id in await state.retention.strangers(before):
        if not await state.retention.is_gone(person_id, before):
            continue
        try:
            removal = await state.registry.delete_person(person_id)
        except NotFound:  # somebody was quicker
            continue
        strangers += 1
        detections += removal.detections
        await _delete(state, sorted(removal.crops))
    return strangers, detections


@asynccontextmanager
async def forgetting(state: State) -> AsyncIterator[None]:
    """Forget what is old, now and then, while the API runs."""

    async def for_ever() -> None:
        while True:
            await asyncio.sleep(_EVERY_S * random.uniform(0.01, 1))  # noqa: S311 - spreads load
            try:
                await forget_old(state, now=utc_now())
            except (PyMongoError, OSError) as error:
                log.warning("what is old is forgotten later", error=str(error))

    task = asyncio.create_task(for_ever(), name="forget")
    try:
        yield
    finally:
        await cancel((task,))


async def _delete(state: State, crops: list[str]) -> None:
    """Delete pictures that nothing holds: one may be what somebody is recognised by."""
    used = await state.people.crops_in_use(crops) | await state.detections.crops_in_use(crops)
    for crop in set(crops) - used:
        await asyncio.to_thread(state.crops.delete, crop)
