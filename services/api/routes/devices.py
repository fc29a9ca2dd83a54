"""The devices that hold keys, and the codes by which they fetch them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from services.api.dependencies import ADMINS, KEY_KEEPERS, Api, Manager, Principal
from services.api.state import State
from services.api.throttle import address_of, count_attempt
from services.api.views import device_view, pairing_code_view
from usher import wire
from usher.domain.errors import InvalidInput, NotAuthenticated
from usher.domain.identifiers import new_id, new_key, new_pairing_code, pairing_code_of
from usher.domain.records import Device, PairingCode, Role
from usher.domain.scope import Scope
from usher.storage.documents import milliseconds
from usher.wire import utc_now

router = APIRouter(tags=["devices"])

_CODE_FOR = timedelta(minutes=10)
_MAX_OF_ADDRESS = 10
_MAX_OF_ALL = 200
"""Wrong codes in fifteen minutes. A code has 40 bits: two hundred guesses find one of ten that are
open with a probability of 2e-9."""


@router.get("/devices")
async def devices(principal: Manager, state: Api) -> wire.Page[wire.Device]:
    """Everything that holds a key, but keys for other cameras alone than one may see."""
    scope = principal.scope
    found = [device for device in await state.devices.all() if _is_shown(device, scope)]
    return wire.Page(items=[device_view(device, scope) for device in found])


@router.post("/devices", status_code=201)
async def create_device(
    body: wire.DeviceCreate, principal: Annotated[Principal, Depends(KEY_KEEPERS)], state: Api
) -> wire.DeviceCreated:
    """Make a key. It is shown in this answer and never again."""
    if body.cameras and body.role is not Role.DEVICE:
        raise InvalidInput("a notifier's key is for no cameras: leave `cameras` out")
    device = Device(
        id=new_id(),
        name=body.name,
        role=body.role,
        created_at=milliseconds(utc_now()),
        cameras=tuple(sorted(set(body.cameras))),
    )
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


@router.post("/pairing-codes", status_code=201)
async def create_pairing_code(
    body: wire.PairingCodeCreate, principal: Annotated[Principal, Depends(KEY_KEEPERS)], state: Api
) -> wire.PairingCodeCreated:
    """Make a code with which one detector can fetch a key of its own, for ten minutes.

    The code is shown in this answer and never again: `usher detect --pair CODE` takes it.
    """
    now = milliseconds(utc_now())
    pairing = PairingCode(
        id=new_id(),
        name=body.name,
        created_by=principal.id,
        expires_at=now + _CODE_FOR,
        cameras=tuple(sorted(set(body.cameras))),
    )
    code = new_pairing_code()
    await state.pairing_codes.insert(pairing, code)
    await state.audit.add(principal.id, "pairing-code.create", pairing.id, now=now)
    return wire.PairingCodeCreated(**pairing_code_view(pairing).model_dump(), code=code)


@router.get("/pairing-codes/{code_id}", dependencies=[Depends(ADMINS)])
async def pairing_code(code_id: str, state: Api) -> wire.PairingCode:
    """What became of a code: `device_id` is there once a device has fetched its key."""
    return pairing_code_view(await state.pairing_codes.get(code_id))


@router.post(
    "/pair",
    status_code=201,
    responses={
        401: {"model": wire.Problem, "description": "The code is wrong, used or too old."},
        429: {"model": wire.Problem, "description": "Too many wrong codes lately."},
    },
)
async def pair(body: wire.Pairing, request: Request, state: Api) -> wire.DeviceCreated:
    """Fetch a device's key by a code, which is used up then. Open to all who have one.

    Ten wrong codes in fifteen minutes of an address, or two hundred of all, make one wait.
    """
    limits = [([f"pairing-{address_of(request)}"], _MAX_OF_ADDRESS), (["pairing"], _MAX_OF_ALL)]
    attempt = await count_attempt(state.sign_in_failures, limits)
    created = await _paired(state, body.code)
    await state.sign_in_failures.forget(attempt)
    return created


def _is_shown(device: Device, scope: Scope) -> bool:
    """Whether a key acts for some camera of the scope, or for none in particular."""
    return not device.cameras or any(scope.admits(camera_id) for camera_id in device.cameras)


async def _paired(state: State, text: str) -> wire.DeviceCreated:
    """The device that a code was made for, with its key."""
    code = pairing_code_of(text)
    now, key = utc_now(), new_key(f"usher_{Role.DEVICE.value}")
    found = code and await state.pairing_codes.use(code, device_id=new_id(), key=key, now=now)
    if not found:
        raise NotAuthenticated(
            "the code is wrong, was used, or is older than ten minutes: make a new one in the panel"
        )
    device, pairing = found
    await state.audit.add(pairing.created_by, f"device.pair:{pairing.id}", device.id, now=now)
    return wire.DeviceCreated(**device_view(device).model_dump(), key=key)
