"""What is noted of cameras."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from services.api.sightings import Sightings
from tests.services.api.conftest import NOON
from usher.storage.cameras import Cameras
from usher.storage.database import Database


@pytest.fixture
def sightings(database: Database) -> Sightings:
    return Sightings(Cameras(database))


async def last_seen_at(database: Database) -> datetime | None:
    camera = (await Cameras(database).of_ids(["door"])).get("door")
    return camera.last_seen_at if camera else None


@pytest.mark.parametrize(("later_s", "noted_s"), [(4.999, 0), (5, 5), (-60, 0)])
async def test_sighting_is_noted_when_it_is_five_seconds_later_than_the_last(
    sightings: Sightings, database: Database, later_s: float, noted_s: float
) -> None:
    await sightings.note("door", NOON)
    assert await last_seen_at(database) == NOON
    await sightings.note("door", NOON + timedelta(seconds=later_s))
    assert await last_seen_at(database) == NOON + timedelta(seconds=noted_s)


async def test_sightings_are_each_cameras_own_when_two_see_somebody(
    sightings: Sightings, database: Database
) -> None:
    await sightings.note("yard", NOON)
    await sightings.note("door", NOON)
    assert await last_seen_at(database) == NOON
