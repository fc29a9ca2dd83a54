"""The audit trail: who did what to whom, when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.api.dependencies import ADMINS, Api, Cursor, Limit
from services.api.views import audit_views
from usher import wire
from usher.storage.audit import AuditFilter

router = APIRouter(prefix="/audit", tags=["audit"])

Text = Annotated[str | None, Query(max_length=120)]


@router.get("", dependencies=[Depends(ADMINS)])
async def page(
    state: Api,
    actor: Text = None,
    action: Text = None,
    since: Annotated[wire.Utc | None, Query(alias="from")] = None,
    until: Annotated[wire.Utc | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> wire.Page[wire.AuditEntry]:
    """The newest entries first. `actor` is an id, `action` one without what follows its colon."""
    selection = AuditFilter(actor=actor, action=action, since=since, until=until)
    found, following = await state.audit.page(selection, cursor=cursor, limit=limit)
    return wire.Page(items=await audit_views(state, found), next_cursor=following)


@router.get("/chain", dependencies=[Depends(ADMINS)])
async def chain(state: Api) -> wire.AuditVerdict:
    """Whether an entry was changed, put in or taken out since it was written."""
    verdict = await state.audit.verify()
    return wire.AuditVerdict(
        intact=verdict.broken_at is None,
        entries=verdict.entries,
        broken_at=verdict.broken_at,
        digest=verdict.digest,
    )
