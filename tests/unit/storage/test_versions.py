"""The gallery's version: one after the other, each with whom it concerned."""

from __future__ import annotations

import pytest

from tests.unit.storage.house import House
from usher.domain.errors import LeaseLost
from usher.storage.database import in_transaction
from usher.storage.versions import gallery_version, raise_version


async def test_version_is_raised_with_the_persons_when_a_change_is_made(house: House) -> None:
    before = await gallery_version(house.database)
    after = await in_transaction(
        house.database,
        lambda session: raise_version(house.database, session, persons=["p-2", "p-1", "p-2"]),
    )
    assert after == before + 1 == await gallery_version(house.database)
    (entry,) = await house.all("gallery_changes")
    assert (entry["_id"], entry["persons"]) == (after, ["p-1", "p-2"])


async def test_version_is_not_raised_when_another_one_was_expected(house: House) -> None:
    before = await gallery_version(house.database)
    with pytest.raises(LeaseLost):
        await in_transaction(
            house.database,
            lambda session: raise_version(
                house.database, session, persons=["p-1"], expected=before - 1
            ),
        )
    assert await gallery_version(house.database) == before
    assert await house.all("gallery_changes") == []
