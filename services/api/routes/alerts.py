"""Alerts, and the outbox that the notifier sends them from."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from services.api.dependencies import SENDERS, Api, Cursor, Limit, Reader
from services.api.views import alert_views
from usher import wire
from usher.domain.records import AlertStatus

router = APIRouter(prefix="/alerts", tags=["alerts"])


@router.get("")
async def page(
    principal: Reader,
    state: Api,
    status: AlertStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> wire.Page[wire.Alert]:
    """The newest alerts first, of the cameras that one may see."""
    found, following = await state.alerts.page(
        status=status, cursor=cursor, limit=limit, scope=principal.scope
    )
    return wire.Page(items=await alert_views(state, found), next_cursor=following)


@router.post("/claim", dependencies=[Depends(SENDERS)])
async def claim(body: wire.AlertClaim, state: Api) -> wire.Page[wire.ClaimedAlert]:
    """Take due alerts, oldest first. Who does not settle them in time loses them to others."""
    claimed = await state.alerts.claim(limit=body.limit, lease_s=body.lease_s)
    views = await alert_views(state, claimed)
    return wire.Page(
        items=[
            wire.ClaimedAlert(**view.model_dump(), claim_token=alert.claim_token or "")
            for view, alert in zip(views, claimed, strict=True)
        ]
    )


@router.post("/{alert_id}/settle", dependencies=[Depends(SENDERS)])
async def settle(alert_id: str, body: wire.AlertSettlement, state: Api) -> wire.Alert:
    """Say how sending went. With an error the alert is tried again after a pause."""
    if body.error is None:
        settled = await state.alerts.settle_sent(alert_id, body.claim_token)
    else:
        settled = await state.alerts.settle_error(alert_id, body.claim_token, reason=body.error)
    (view,) = await alert_views(state, [settled])
    return view
