"""Alerts, what was answered to them, and the outbox that the notifier sends them from."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from time import monotonic
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from services.api.dependencies import MANAGERS, SENDERS, Api, Cursor, Limit, Principal, Reader
from services.api.picture_links import PictureLinks
from services.api.routes.detections import picture
from services.api.scoping import check_camera
from services.api.state import State
from services.api.throttle import address_of, count_attempt
from services.api.views import alert_views, delivery_view
from usher import wire
from usher.domain.alerting import qualified
from usher.domain.errors import NotFound, PermissionDenied
from usher.domain.records import Alert, AlertStatus, Role
from usher.storage.alert_rules import AlertRules
from usher.storage.alerts import Batch
from usher.storage.changes import Change
from usher.wire import utc_now

router = APIRouter(prefix="/alerts", tags=["alerts"])

_LOOK_EVERY_S = 1.0
_MAX_WRONG_KEYS = 10

Answerer = Annotated[Principal, Depends(MANAGERS)]


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


@router.post("/{alert_id}/answer")
async def answer(
    alert_id: str, body: wire.AlertAnswer, principal: Answerer, state: Api
) -> wire.Alert:
    """Say that an alert is taken care of: it goes to nobody else, and who heard of it is told.

    Naming, merging or ignoring the person answers it by itself.
    """
    await _own(state, alert_id, principal)
    await state.alerts.answer({"_id": alert_id}, by=principal.id, answer=body.answer)
    await state.audit.add(principal.id, "alert.answer", alert_id, now=utc_now())
    return await _one(state, await state.alerts.get(alert_id))


@router.post("/{alert_id}/retry")
async def retry(alert_id: str, principal: Answerer, state: Api) -> wire.Alert:
    """Send again what has failed for good."""
    await _own(state, alert_id, principal)
    alert = await state.alerts.retry(alert_id)
    await state.audit.add(principal.id, "alert.retry", alert_id, now=utc_now())
    return await _one(state, alert)


@router.post("/mute", status_code=204)
async def mute(body: wire.MuteRequest, principal: Answerer, state: Api) -> None:
    """Tell an address of nothing for a while."""
    to = qualified(body.to)
    if principal.role is not Role.ADMIN and to not in await state.users.accounts(principal.id):
        raise PermissionDenied("one mutes one's own accounts; an admin mutes others'")
    until = utc_now() + timedelta(minutes=body.minutes)
    await AlertRules(state.database).mute(to, until)
    await state.audit.add(principal.id, "alert.mute", to, now=utc_now())


@router.get("/pictures/{detection_id}", response_class=Response)
async def linked_picture(
    detection_id: str,
    until: Annotated[int, Query(ge=0, le=2**53)],
    key: Annotated[str, Query(max_length=64)],
    request: Request,
    state: Api,
) -> Response:
    """A face that a message has a link to, JPEG. The link opens without signing in, for a day.

    Ten wrong keys in fifteen minutes of an address make it wait.
    """
    links = await PictureLinks.of(state.database)
    if not links.is_right(detection_id, until, key):
        limits = [([f"picture-{address_of(request)}"], _MAX_WRONG_KEYS)]
        await count_attempt(state.sign_in_failures, limits)
        raise NotFound("there is no such picture")
    if utc_now().timestamp() >= until:
        raise NotFound("this link has ended: the picture is in the panel")
    return await picture(await state.detections.crop_of(detection_id), request, state)


# ---- The outbox ----------------------------------------------------------------------------------


@router.post("/deliveries/claim")
async def claim(
    body: wire.DeliveryClaim, principal: Annotated[Principal, Depends(SENDERS)], state: Api
) -> wire.ClaimedDeliveries:
    """Take what is due for one address. Who does not settle it in time loses it to others."""
    await _note_sender(state, principal.id, body)
    batch = await _claimed(body, state)
    views = await alert_views(state, [alert for alert, _ in batch.items])
    links = await PictureLinks.of(state.database)
    return wire.ClaimedDeliveries(
        claim_token=batch.token,
        items=[
            wire.ClaimedDelivery(
                alert=view,
                delivery=delivery_view(delivery),
                picture_path=links.path(alert.detection_id, utc_now()),
            )
            for view, (alert, delivery) in zip(views, batch.items, strict=True)
        ],
    )


@router.post("/deliveries/settle", dependencies=[Depends(SENDERS)])
async def settle(body: wire.DeliverySettlement, state: Api) -> wire.Page[wire.Alert]:
    """Say how sending went; the alerts that it was of."""
    alerts = await state.alerts.settle(
        body.claim_token, error=body.error, delivery_ids=body.delivery_ids, via=body.via
    )
    return wire.Page(items=await alert_views(state, alerts))


async def _note_sender(state: State, device_id: str, claim: wire.DeliveryClaim) -> None:
    """Several may have one key: they are told apart by the channels."""
    sender_id = ":".join((device_id, *sorted(claim.channels)))
    if not state.workers.is_due(sender_id):
        return
    names = await state.devices.names([device_id])
    name = names.get(device_id, device_id)
    await state.workers.works(sender_id, "notifier", name, claim.sends_by)


async def _claimed(body: wire.DeliveryClaim, state: State) -> Batch:
    """What is due now, or within the time that the sender waits."""

    async def claim() -> Batch:
        return await state.alerts.claim(
            body.channels, skip=body.skip, limit=body.limit, lease_s=body.lease_s
        )

    until = monotonic() + body.wait_s
    async with aclosing(state.hub.listen()) as changes:
        following = asyncio.ensure_future(_next_alert(changes))
        try:
            while not (batch := await claim()).items and (left_s := until - monotonic()) > 0:
                # What waits for its time is no change: it is looked for now and then.
                await asyncio.wait({following}, timeout=min(left_s, _LOOK_EVERY_S))
                if following.done():
                    if not following.result():
                        break
                    following = asyncio.ensure_future(_next_alert(changes))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
    return batch


async def _next_alert(changes: AsyncIterator[Change]) -> bool:
    """Whether an alert changes before the stream ends."""
    async for change in changes:
        if change.collection == "alerts":
            return True
    return False


async def _own(state: State, alert_id: str, principal: Principal) -> None:
    check_camera((await state.alerts.get(alert_id)).camera_id, principal)


async def _one(state: State, alert: Alert) -> wire.Alert:
    (view,) = await alert_views(state, [alert])
    return view
