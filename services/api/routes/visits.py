"""Who stayed at which camera, and how long."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from services.api.dependencies import Api, Cursor, Limit, Reader
from services.api.views import camera_set, visit_views
from usher import wire
from usher.storage.stays import StayFilter

router = APIRouter(prefix="/visits", tags=["visits"])


@router.get("")
async def page(
    principal: Reader,
    state: Api,
    camera_id: str | None = None,
    person_id: str | None = None,
    since: Annotated[wire.Utc | None, Query(alias="from")] = None,
    until: Annotated[wire.Utc | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> wire.Page[wire.Visit]:
    """The visits that began last first; `from` and `to` are about when they began."""
    cameras = camera_set(camera_id, principal.scope)
    selection = StayFilter(camera_ids=cameras, person_id=person_id, since=since, until=until)
    found, following = await state.stays.page(selection, cursor=cursor, limit=limit)
    return wire.Page(items=await visit_views(state, found), next_cursor=following)
