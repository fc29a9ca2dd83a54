"""What an operator sets while Usher runs, and how the system does."""

from __future__ import annotations

import asyncio
import shutil
from typing import Annotated

from fastapi import APIRouter, Depends

from services.api.dependencies import ADMINS, MANAGERS, Api, Principal
from services.api.state import State
from usher import __version__, wire
from usher.domain.errors import Conflict
from usher.storage.figures import figures
from usher.storage.sizes import sizes
from usher.wire import utc_now

router = APIRouter(tags=["operation"])


@router.get("/settings", dependencies=[Depends(MANAGERS)])
async def settings(state: Api) -> wire.OperatingSettings:
    """What is set now."""
    return await _view(state)


@router.patch("/settings")
async def change(
    body: wire.OperatingSettingsUpdate,
    principal: Annotated[Principal, Depends(ADMINS)],
    state: Api,
) -> wire.OperatingSettings:
    """Change what is set. Every service takes it up within some seconds, by starting again."""
    before = await _view(state)
    budget = body.identity_budget
    if budget is None or budget == before.identity_budget:
        return before
    if before.identity_rule != "budget":
        raise Conflict(
            "one fixed distance decides here, and no budget: "
            "leave USHER_IDENTITY_RULE out to have one"
        )
    await state.operating.set_identity_budget(budget)
    action = f"settings.update:{before.identity_budget:g} to {budget:g}"
    await state.audit.add(principal.id, action, "identity_budget", now=utc_now())
    return await _view(state)


@router.get("/system", dependencies=[Depends(ADMINS)])
async def system(state: Api) -> wire.System:
    """How the system does: what waits, who works, what is kept and how much room is left."""
    now = utc_now()
    found = await figures(state.database, since=now)
    size = await sizes(state.database)
    disk = await asyncio.to_thread(shutil.disk_usage, state.settings.data)
    oldest = found.oldest_unfinished_at
    return wire.System(
        version=__version__,
        model=state.pipeline.model_id,
        queue=found.queue,
        oldest_pending_s=(now - oldest).total_seconds() if oldest else None,
        alerts_unsent=found.alerts_unsent,
        classifier=size.classifier,
        database=wire.DatabaseSize(
            version=size.version, bytes=size.bytes, documents=size.documents
        ),
        disk=wire.DiskSpace(total_bytes=disk.total, free_bytes=disk.free),
    )


async def _view(state: State) -> wire.OperatingSettings:
    in_use = state.settings.identity_budget
    wanted = await state.operating.identity_budget(in_use)
    return wire.OperatingSettings(
        identity_rule=state.rule.name,
        identity_budget=wanted,
        taken_up=wanted == in_use,
    )
