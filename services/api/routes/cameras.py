"""Cameras: how they are, what they are called, and who hears of them."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import ValidationError

from services.api.dependencies import REPORT, REPORTERS, Api, Manager, Principal, Reader
from services.api.forms import FILE, form_with, json_of
from services.api.scoping import check_camera
from services.api.state import State
from services.api.uploads import read_report
from services.api.views import camera_view, rates_of, regions_of, spool_of
from usher import wire
from usher.domain.errors import InvalidInput
from usher.storage.cameras import Report
from usher.storage.documents import milliseconds
from usher.vision.images import decode_image, encode_jpeg
from usher.wire import utc_now

router = APIRouter(prefix="/cameras", tags=["cameras"])

FRAME_MAX_PIXELS = 2_100_000
_FRAME_QUALITY = 80


@router.get("")
async def cameras(principal: Reader, state: Api) -> wire.Page[wire.Camera]:
    """Every camera that ever saw a face, or that a device reported, of those that one may see."""
    now = utc_now()
    found = await state.cameras.all(principal.scope)
    return wire.Page(items=[camera_view(camera, now) for camera in found])


@router.patch("/{camera_id}")
async def update_camera(
    camera_id: str,
    body: wire.CameraUpdate,
    principal: Manager,
    state: Api,
) -> wire.Camera:
    """Name a camera, say who hears of its alerts, and where in its picture faces are looked for."""
    check_camera(camera_id, principal)
    changes = body.model_dump(exclude_none=True)
    if "regions" in body.model_fields_set:
        changes["regions"] = body.regions.model_dump(mode="json") if body.regions else None
    camera = await state.cameras.update(camera_id, changes)
    action = f"camera.update:{','.join(sorted(changes))}"
    await state.audit.add(principal.id, action, camera_id, now=utc_now())
    return camera_view(camera, utc_now())


@router.delete("/{camera_id}", status_code=204)
async def delete_camera(camera_id: str, principal: Manager, state: Api) -> None:
    """Forget a camera that is there no more, with its last picture. Its detections stay.

    One that still sees faces or is reported comes back.
    """
    check_camera(camera_id, principal)
    await state.cameras.delete(camera_id)
    state.sightings.forget(camera_id)
    await asyncio.to_thread(state.frames.delete, camera_id)
    await state.audit.add(principal.id, "camera.delete", camera_id, now=utc_now())


@router.post(
    "/{camera_id}/report",
    dependencies=REPORT,
    openapi_extra=form_with(
        "report",
        report=json_of(wire.CameraReport),
        frame={**FILE, "description": "Its last picture: JPEG, 300 kB at most."},
    ),
)
async def report(
    camera_id: wire.Slug,
    request: Request,
    principal: Annotated[Principal, Depends(REPORTERS)],
    state: Api,
) -> wire.CameraOrders:
    """Say how a camera is: every ten seconds, and at once when its state changes.

    One that is new becomes known. What is kept of the picture is made anew from its pixels, and
    replaces the one before.
    """
    form = await read_report(request)
    check_camera(camera_id, principal)
    said = _parsed(form.report)
    if form.frame is not None:
        await asyncio.to_thread(_keep, camera_id, form.frame, state)
    given = _report(said, principal.id, has_frame=form.frame is not None, now=utc_now())
    camera = await state.cameras.report(camera_id, given)
    return wire.CameraOrders(regions=regions_of(camera))


@router.get("/{camera_id}/frame", response_class=Response)
async def frame(
    camera_id: str,
    principal: Reader,
    state: Api,
    _: Annotated[
        str | None,
        Query(
            alias="at",
            max_length=64,
            description="`frame_at`, so that a browser fetches a picture that is newer.",
        ),
    ] = None,
) -> Response:
    """A camera's last picture, JPEG."""
    check_camera(camera_id, principal)
    jpeg = await asyncio.to_thread(state.frames.get, camera_id)
    return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _parsed(report: str) -> wire.CameraReport:
    try:
        return wire.CameraReport.model_validate_json(report)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'report'}: {item['msg']}"
            for item in error.errors()
        )
        raise InvalidInput(f"the report is not as it should be: {found}") from error


def _keep(camera_id: str, frame: bytes, state: State) -> None:
    image_rgb = decode_image(
        frame, formats=frozenset({"JPEG"}), max_pixels=FRAME_MAX_PIXELS, alpha=False
    )
    state.frames.put(camera_id, encode_jpeg(image_rgb, _FRAME_QUALITY))


def _report(said: wire.CameraReport, device_id: str, *, has_frame: bool, now: datetime) -> Report:
    return Report(
        device_id=device_id,
        reported_at=milliseconds(now),
        state=said.state,
        # A device's clock may be ahead; nothing has been so since a time to come.
        state_since=milliseconds(min(said.since, now)),
        reason=said.reason,
        rates=rates_of(said.rates) if said.rates else None,
        spool=spool_of(said.spool) if said.spool else None,
        width=said.width,
        height=said.height,
        has_frame=has_frame,
        regions_taken=said.regions,
    )
