from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.api.bootstrap import FIRST_USERNAME, InitialKey, bootstrap
from services.api.passwords import password_fits
from usher.domain.records import Role
from usher.storage.access import Devices, Users
from usher.storage.database import Database

KEY = InitialKey("detector", Role.DEVICE, "a key from outside")


@pytest.fixture
async def fresh(database: Database) -> AsyncIterator[Database]:
    """The database as a first start finds it, as far as keys are concerned."""
    given = {"_id": {"$regex": "^given-key"}}
    await database["settings"].delete_many(given)
    yield database
    await database["settings"].delete_many(given)


async def test_bootstrap_makes_one_admin_at_the_first_start(fresh: Database) -> None:
    password = await bootstrap(fresh)
    assert password is not None
    assert len(password) >= 12
    admin = await Users(fresh).by_name(FIRST_USERNAME)
    assert admin is not None
    assert admin.role is Role.ADMIN
    assert admin.password_hash.startswith("$argon2id$")
    assert await password_fits(password, admin.password_hash)
    assert await bootstrap(fresh) is None


async def test_bootstrap_makes_one_admin_when_several_start_at_once(fresh: Database) -> None:
    passwords = await asyncio.gather(*(bootstrap(fresh, (KEY,)) for _ in range(4)))
    assert len([password for password in passwords if password is not None]) == 1
    assert await fresh["users"].count_documents({}) == 1
    assert len(await Devices(fresh).all()) == 1


async def test_bootstrap_registers_a_given_key_once(fresh: Database) -> None:
    for _ in range(2):
        await bootstrap(fresh, (KEY,))
    device = await Devices(fresh).by_key(KEY.key)
    assert device is not None
    assert (device.name, device.role) == ("detector", Role.DEVICE)
    assert len(await Devices(fresh).all()) == 1


async def test_bootstrap_leaves_a_key_revoked_when_it_is_given_again(fresh: Database) -> None:
    await bootstrap(fresh, (KEY,))
    device = await Devices(fresh).by_key(KEY.key)
    assert device is not None
    await Devices(fresh).delete(device.id)
    await bootstrap(fresh, (KEY,))
    assert await Devices(fresh).by_key(KEY.key) is None
