"""Pairing codes: one device for each, and of the code a hash that is slow to guess."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from usher.domain.errors import NotFound
from usher.domain.records import PairingCode, Role
from usher.storage.access import Devices, secret_hash
from usher.storage.database import Database
from usher.storage.pairing import PairingCodes, code_hash

CODE = "7K3Q-XZ0M"
# To come: MongoDB itself removes codes that have expired.
NOON = datetime(2190, 3, 1, 12, tzinfo=UTC)
LAST = NOON + timedelta(minutes=10)


@pytest.fixture
async def codes(prepared: Database) -> PairingCodes:
    codes = PairingCodes(prepared)
    pairing = PairingCode(
        id="c", name="Front door", created_by="u", expires_at=LAST, cameras=("door", "yard")
    )
    await codes.insert(pairing, CODE)
    return codes


async def test_code_becomes_a_device_with_its_key_when_it_is_used(
    codes: PairingCodes, prepared: Database
) -> None:
    found = await codes.use(CODE, device_id="d", key="a key", now=NOON)
    assert found is not None
    device, pairing = found
    assert (device.id, device.name, device.role) == ("d", "Front door", Role.DEVICE)
    assert device.cameras == ("door", "yard")
    assert pairing.created_by == "u"
    assert await Devices(prepared).by_key("a key") == device
    assert (await codes.get("c")).device_id == "d"


@pytest.mark.parametrize(
    ("code", "late"),
    [("0000-0000", timedelta()), (CODE, timedelta()), (CODE, timedelta(days=1))],
)
async def test_code_makes_nothing_when_it_is_wrong_or_has_expired(
    codes: PairingCodes, prepared: Database, code: str, late: timedelta
) -> None:
    now = LAST + late if code == CODE else NOON
    assert await codes.use(code, device_id="d", key="a key", now=now) is None
    assert await prepared["devices"].count_documents({}) == 0
    assert (await codes.get("c")).device_id is None


async def test_code_stays_good_when_the_device_cannot_be_added(
    codes: PairingCodes, prepared: Database
) -> None:
    await prepared["devices"].insert_one({"_id": "other", "key_hash": secret_hash("a key")})
    with pytest.raises(Exception, match="duplicate key"):
        await codes.use(CODE, device_id="d", key="a key", now=NOON)
    assert await codes.use(CODE, device_id="d", key="another", now=NOON) is not None


async def test_code_is_used_once_when_several_use_it_at_once(
    codes: PairingCodes, prepared: Database
) -> None:
    uses = (codes.use(CODE, device_id=f"d{n}", key=f"k{n}", now=NOON) for n in range(6))
    found = await asyncio.gather(*uses)
    assert len([one for one in found if one]) == 1
    assert await prepared["devices"].count_documents({}) == 1


async def test_several_used_codes_stand_side_by_side(
    codes: PairingCodes, prepared: Database
) -> None:
    for n in range(3):
        pairing = PairingCode(id=f"c{n}", name="Door", created_by="u", expires_at=LAST)
        await codes.insert(pairing, f"0000-000{n}")
        assert await codes.use(f"0000-000{n}", device_id=f"d{n}", key=f"k{n}", now=NOON)
    assert await prepared["devices"].count_documents({}) == 3


async def test_code_is_not_found_when_there_is_none(codes: PairingCodes) -> None:
    with pytest.raises(NotFound):
        await codes.get("none")


def test_hash_of_a_code_is_the_same_each_time_and_no_fast_one() -> None:
    assert code_hash(CODE) == code_hash(CODE) != code_hash("7K3Q-XZ0N")
    assert code_hash(CODE) not in (secret_hash(CODE), secret_hash(CODE.replace("-", "")))
