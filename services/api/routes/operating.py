"""What an operator sets while Usher runs, and how the system does."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from services.api.dependencies import ADMINS, MANAGERS, Api, Principal
from services.api.retention import cutoffs_of
from services.api.state import State
from usher import __version__, wire
from usher.domain.errors import Conflict, InvalidInput
from usher.storage.figures import queues
from usher.storage.leases import ASSIGN, Leases
from usher.storage.operating import Kept
from usher.storage.sizes import sizes
from usher.storage.workers import WorkerKind, Working
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
    given = body.model_dump(include=body.model_fields_set)
    if given.get("identity_budget", before.identity_budget) is None:
        del given["identity_budget"]
    changes = {name: value for name, value in given.items() if value != getattr(before, name)}
    if "identity_budget" in changes and before.identity_rule != "budget":
        raise Conflict(
            "one fixed distance decides here, and no budget: "
            "leave USHER_IDENTITY_RULE out to have one"
        )
    _check_kept(before, changes)
    if changes:
        await state.operating.change(changes)
    for name, value in sorted(changes.items()):
        action = f"settings.update:{_word(getattr(before, name))} to {_word(value)}"
        await state.audit.add(principal.id, action, name, now=utc_now())
    return await _view(state)


@router.get("/settings/retention", dependencies=[Depends(ADMINS)])
async def due(
    state: Api,
    strangers_kept_days: wire.Days | None = None,
    known_kept_days: wire.Days | None = None,
) -> wire.RetentionDue:
    """What would go now if it were kept for so many days."""
    kept = Kept(strangers_days=strangers_kept_days, known_days=known_kept_days)
    found = await state.retention.due(cutoffs_of(kept, utc_now()))
    return wire.RetentionDue(strangers=found.strangers, detections=found.detections)


@router.get("/system", dependencies=[Depends(ADMINS)])
async def system(state: Api) -> wire.System:
    """How the system does: what waits, who works, what is kept and how much room is left."""
    now = utc_now()
    waiting = await queues(state.database)
    size = await sizes(state.database)
    owner = await Leases(state.database).holder(ASSIGN)
    disk = await asyncio.to_thread(shutil.disk_usage, state.settings.data / "crops")
    oldest = waiting.oldest_unfinished_at
    return wire.System(
        version=__version__,
        model=state.pipeline.model_id,
        queue=waiting.queue,
        oldest_pending_s=(now - oldest).total_seconds() if oldest else None,
        alerts_unsent=waiting.alerts_unsent,
        # An owner is a host, a process and what makes it unlike any other.
        classifier=owner.partition(":")[0] if owner else None,
        workers=_workers(await state.workers.all()),
        database=wire.DatabaseSize(
            version=size.version, bytes=size.bytes, documents=size.documents
        ),
        disk=wire.DiskSpace(total_bytes=disk.total, free_bytes=disk.free),
    )


def _workers(working: Sequence[Working]) -> list[wire.WorkerState]:
    """What has one name is one: a notifier claims for each of its channels by itself."""
    channels: dict[tuple[WorkerKind, str], set[str]] = {}
    for one in working:
        channels.setdefault((one.kind, one.name), set()).update(one.channels)
    return [
        wire.WorkerState(kind=kind, name=name, channels=sorted(theirs))
        for (kind, name), theirs in channels.items()
    ]


async def _view(state: State) -> wire.OperatingSettings:
    in_use = state.settings.identity_budget
    wanted = await state.operating.identity_budget(in_use)
    kept = await state.operating.kept()
    return wire.OperatingSettings(
        identity_rule=state.rule.name,
        identity_budget=wanted,
        strangers_kept_days=kept.strangers_days,
        known_kept_days=kept.known_days,
        taken_up=wanted == in_use,
        channels=sorted({name for one in await state.workers.all() for name in one.channels}),
    )


def _check_kept(before: wire.OperatingSettings, changes: dict[str, Any]) -> None:
    strangers, known = (
        changes.get(name, getattr(before, name))
        for name in ("strangers_kept_days", "known_kept_days")
    )
    if known is not None and (strangers is None or strangers > known):
        raise InvalidInput(
            "strangers are kept no longer than people with a name: "
            "set `strangers_kept_days` to as many days as `known_kept_days`, or fewer"
        )


def _word(value: float | None) -> str:
    return "ever" if value is None else f"{value:g}"
