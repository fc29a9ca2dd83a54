"""Whether the API lives, can work, and how busy it is. Open to all: nothing about anybody."""

from __future__ import annotations

import asyncio
import os

from fastapi import APIRouter, Response

from services.api.dependencies import Api
from services.api.state import State
from usher import wire
from usher.domain.errors import Unavailable
from usher.storage.database import ping

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> wire.Health:
    """The process answers."""
    return wire.Health(ok=True)


@router.get("/readyz", responses={503: {"model": wire.Health}})
async def readyz(response: Response, state: Api) -> wire.Health:
    """The database answers and the crop store takes pictures."""
    components = [await _database(state), await _crops(state)]
    ready = all(component.ok for component in components)
    if not ready:
        response.status_code = 503
    return wire.Health(ok=ready, components=components)


@router.get("/metrics", response_class=Response)
async def metrics(state: Api) -> Response:
    """Figures for Prometheus, no older than some seconds."""
    text = await state.metrics.exposition(state.database)
    return Response(text, media_type="text/plain; version=0.0.4")


async def _database(state: State) -> wire.ComponentHealth:
    try:
        await ping(state.database)
    except Unavailable as error:
        return wire.ComponentHealth(name="database", ok=False, detail=str(error))
    return wire.ComponentHealth(name="database", ok=True)


async def _crops(state: State) -> wire.ComponentHealth:
    writable = await asyncio.to_thread(os.access, state.settings.data / "crops", os.W_OK)
    detail = "" if writable else "the crop store cannot be written"
    return wire.ComponentHealth(name="crops", ok=writable, detail=detail)
