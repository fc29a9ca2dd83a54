"""The first start: schema, the first admin, and keys for the services beside the API."""

from __future__ import annotations

from dataclasses import dataclass

from services.api.passwords import hash_password, new_password
from usher.domain.errors import Conflict
from usher.domain.identifiers import new_id
from usher.domain.records import Device, Role, User
from usher.storage.access import Devices, Users
from usher.storage.database import Database
from usher.storage.documents import milliseconds
from usher.storage.schema import prepare
from usher.wire import utc_now

FIRST_USERNAME = "admin"


@dataclass(frozen=True, slots=True)
class InitialKey:
    """A key that a service beside the API was given by whoever started both."""

    name: str
    role: Role
    key: str


async def bootstrap(database: Database, initial_keys: tuple[InitialKey, ...] = ()) -> str | None:
    """Make the database ready. Safe to repeat, and by several processes.

    An initial key is registered once: where its device was deleted since, it stays revoked.

    Returns
    -------
    str or None
        The first admin's password, at the very first start: show it, it is kept nowhere.
    """
    await prepare(database)
    for initial in initial_keys:
        await _register(Devices(database), initial)
    return await _first_admin(Users(database))


async def _first_admin(users: Users) -> str | None:
    if not await users.is_empty():
        return None
    password = new_password()
    admin = User(
        id=new_id(),
        username=FIRST_USERNAME,
        role=Role.ADMIN,
        password_hash=await hash_password(password),
    )
    try:
        await users.insert(admin)
    except Conflict:
        return None
    return password


async def _register(devices: Devices, initial: InitialKey) -> None:
    device = Device(
        id=new_id(), name=initial.name, role=initial.role, created_at=milliseconds(utc_now())
    )
    await devices.insert_given(device, initial.key)
