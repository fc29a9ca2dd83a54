"""Figures: how much there is, and how well identities are told."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from services.api.dependencies import Api, Reader
from services.api.identity_stats import identity_stats
from usher import wire
from usher.storage.figures import figures, queues
from usher.wire import utc_now

router = APIRouter(prefix="/stats", tags=["figures"])


@router.get("")
async def stats(
    principal: Reader, state: Api, since: Annotated[wire.Utc | None, Query()] = None
) -> wire.Stats:
    """Counts since a moment, or ever, and what is in the queues now: of the cameras that one may
    see."""
    found, waiting = await asyncio.gather(
        figures(state.database, since=since, scope=principal.scope),
        queues(state.database, scope=principal.scope),
    )
    oldest = waiting.oldest_unfinished_at
    return wire.Stats(
        detections=sum(found.by_status.values()),
        by_status=found.by_status,
        persons=found.persons,
        new_persons=found.new_persons,
        alerts_sent=found.alerts_sent,
        queue=waiting.queue,
        alerts_unsent=waiting.alerts_unsent,
        oldest_pending_s=(utc_now() - oldest).total_seconds() if oldest else None,
    )


@router.get("/identity")
async def identity(principal: Reader, state: Api) -> wire.IdentityStats:
    """How identities are decided now, why so, and how well, as this place's own faces tell."""
    return await identity_stats(state, principal.scope)
