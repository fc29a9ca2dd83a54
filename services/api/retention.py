"""What is older than it is to be kept goes, once an hour, and the audit says how much that was."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from services.api.chores import doing
from services.api.pictures import delete_unheld
from services.api.state import State
from usher.domain.errors import NotFound
from usher.storage.operating import Kept
from usher.storage.retention import Cutoffs, Due
from usher.wire import utc_now

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
        await delete_unheld(state, crops)
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
        await delete_unheld(state, removal.crops)
    return strangers, detections


def forgetting(state: State) -> AbstractAsyncContextManager[None]:
    """Forget what is old, now and then, while the API runs."""
    return doing(lambda: forget_old(state, now=utc_now()), "forget", every_s=_EVERY_S, spread=True)
