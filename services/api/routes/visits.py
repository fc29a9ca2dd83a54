"""Who stayed at which camera, and how long."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from services.api.dependencies import Api, Cursor, Limit, Reader
from services.api.views import camera_set, visit_views
from usher import wire
from usher.domain.records import PersonKind
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
    kind: PersonKind | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> wire.Page[wire.Visit]:
    """The visits that began last first; `from` and `to` are about when they began.

    With `kind` a page may have fewer than `limit`, or none, while `next_cursor` leads to others:
    5,000 visits are looked through for one.
    """
    cameras = camera_set(camera_id, principal.scope)
    selection = StayFilter(
        camera_ids=cameras, person_id=person_id, since=since, until=until, kind=kind
    )
    found, following = await state.stays.page(selection, cursor=cursor, limit=limit)
    return wire.Page(items=await visit_views(state, found), next_cursor=following)
