"""Cameras, and the devices that hold keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from services.api.dependencies import ADMINS, MANAGERS, READERS, Api, Principal
from services.api.views import camera_view, device_view
from usher import wire
from usher.domain.identifiers import new_id, new_key
from usher.domain.records import Device
from usher.storage.documents import milliseconds
from usher.wire import utc_now

router = APIRouter(tags=["cameras and devices"])


@router.get("/cameras", dependencies=[Depends(READERS)])
async def cameras(state: Api) -> wire.Page[wire.Camera]:
    """Every camera that ever saw a face."""
    return wire.Page(items=[camera_view(camera) for camera in await state.cameras.all()])


@router.patch("/cameras/{camera_id}")
async def update_camera(
    camera_id: str,
    body: wire.CameraUpdate,
    principal: Annotated[Principal, Depends(MANAGERS)],
    state: Api,
) -> wire.Camera:
    """Name a camera, and say who hears of its alerts."""
    camera = await state.cameras.update(camera_id, body.model_dump(exclude_none=True))
    await state.audit.add(principal.id, "camera.update", camera_id, now=utc_now())
    return camera_view(camera)


@router.get("/devices", dependencies=[Depends(MANAGERS)])
async def devices(state: Api) -> wire.Page[wire.Device]:
    """Everything that holds a key."""
    return wire.Page(items=[device_view(device) for device in await state.devices.all()])


@router.post("/devices", status_code=201)
async def create_device(
    body: wire.DeviceCreate, principal: Annotated[Principal, Depends(ADMINS)], state: Api
) -> wire.DeviceCreated:
    """Make a key. It is shown in this answer and never again."""
    device = Device(id=new_id(), name=body.name, role=body.role, created_at=milliseconds(utc_now()))
    key = new_key(f"usher_{body.role.value}")
    await state.devices.insert(device, key)
    await state.audit.add(principal.id, "device.create", device.id, now=utc_now())
    return wire.DeviceCreated(**device_view(device).model_dump(), key=key)


@router.delete("/devices/{device_id}", status_code=204)
async def delete_device(
    device_id: str, principal: Annotated[Principal, Depends(ADMINS)], state: Api
) -> None:
    """Revoke a key, at once."""
    await state.devices.delete(device_id)
    await state.audit.add(principal.id, "device.delete", device_id, now=utc_now())
