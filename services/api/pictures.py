"""Stored pictures that nothing holds any more go."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import structlog

from services.api.chores import doing
from services.api.state import State
from usher.wire import utc_now

log = structlog.get_logger()

_SWEEP_EVERY_S = 3600.0
_ORPHAN_AGE_S = 3600.0
_BATCH = 500
_FRAME_AGE_S = 86_400.0
"""How long the last picture of a camera is kept that sends no newer one."""


async def delete_unheld(state: State, crops: Collection[str]) -> int:
    """Delete those pictures that no record holds: one may be what somebody is recognised by.

    A file that cannot be deleted does not keep the others; it is swept later.

    Returns
    -------
    int
        How many went.
    """
    keys, removed = list(crops), 0
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        used = await state.people.crops_in_use(batch) | await state.detections.crops_in_use(batch)
        for key in set(batch) - used:
            try:
                await asyncio.to_thread(state.crops.delete, key)
            except OSError as error:
                log.warning("a picture could not be deleted yet", crop=key, error=str(error))
            else:
                removed += 1
    return removed


def sweeping(state: State) -> AbstractAsyncContextManager[None]:
    """Sweep now and then, while the API runs."""

    async def sweep() -> None:
        removed = await sweep_orphans(state)
        frames = await sweep_frames(state)
        log.info("swept the crop store", removed=removed, frames=frames)

    return doing(sweep, "sweep", every_s=_SWEEP_EVERY_S, spread=True)


async def sweep_orphans(state: State, *, age_s: float = _ORPHAN_AGE_S) -> int:
    """Delete crops that no record holds: uploads that were cut off before their record.

    Returns
    -------
    int
        How many went.
    """
    keys = await asyncio.to_thread(lambda: list(state.crops.keys_older_than(age_s)))
    return await delete_unheld(state, keys)


async def sweep_frames(state: State, *, age_s: float = _FRAME_AGE_S) -> int:
    """Delete the last pictures of cameras that have sent none for a day: they show people.

    Returns
    -------
    int
        How many went.
    """
    await state.cameras.forget_frames_before(utc_now() - timedelta(seconds=age_s))
    return await asyncio.to_thread(state.frames.delete_older_than, age_s)
