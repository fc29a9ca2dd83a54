"""The history of who is who, and taking a change back."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from services.api.dependencies import MANAGERS, READERS, Api, Cursor, Limit, Principal
from services.api.scoping import check_own
from services.api.views import change_views, one_change_view
from usher import wire
from usher.wire import utc_now

router = APIRouter(prefix="/identity", tags=["identity"])


@router.get("/changes", dependencies=[Depends(READERS)])
async def changes(
    state: Api, person_id: str | None = None, cursor: Cursor = None, limit: Limit = 50
) -> wire.Page[wire.IdentityChange]:
    """What was changed of who is who, the newest first: all, or what touched a person."""
    found, following = await state.history.page(person_id=person_id, cursor=cursor, limit=limit)
    return wire.Page(items=await change_views(state, found), next_cursor=following)


@router.post("/undo")
async def undo(
    body: wire.Undo, principal: Annotated[Principal, Depends(MANAGERS)], state: Api
) -> wire.IdentityChange:
    """Take a change back. Of those that others made only what concerns nobody whom cameras saw that
    one may not see. Later changes of the same people have to be taken back first."""
    change = await state.history.get(body.change_id)
    if change.actor != principal.id:
        await check_own(state, change.persons, principal)
    undone = await state.history.undo(body.change_id, actor=principal.id)
    await state.alerts.reopen(undone)
    await state.audit.add(principal.id, "identity.undo", undone.id, now=utc_now())
    return await one_change_view(state, undone)
