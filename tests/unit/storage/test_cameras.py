"""Cameras as their devices report them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.storage.making import NOON
from usher.domain.errors import NotFound
from usher.domain.records import CameraState, SpoolBooks
from usher.storage.cameras import Cameras, Report
from usher.storage.database import Database

BOOKS = SpoolBooks(produced=5, delivered=1, dropped=1, refused=1, pending=2, bytes=9000)
FROZEN = Report(
    device_id="d",
    reported_at=NOON,
    state=CameraState.FROZEN,
    state_since=NOON - timedelta(minutes=3),
    reason="the same picture for 20 s",
    spool=BOOKS,
    has_frame=True,
)


@pytest.fixture
def cameras(prepared: Database) -> Cameras:
    return Cameras(prepared)


async def test_camera_becomes_known_once_when_many_reports_come_at_once(cameras: Cameras) -> None:
    await asyncio.gather(*(cameras.report("door", FROZEN) for _ in range(8)))
    (door,) = await cameras.all()
    assert (door.name, door.state, door.spool, door.device_id) == ("door", FROZEN.state, BOOKS, "d")
    assert door.frame_at == NOON


async def test_report_leaves_what_people_and_faces_said_of_the_camera(cameras: Cameras) -> None:
    await cameras.saw("door", NOON)
    await cameras.update("door", {"name": "Front door", "managers": ["@ann"]})
    await cameras.report("door", FROZEN)
    door = (await cameras.of_ids(["door"]))["door"]
    assert (door.name, door.managers, door.last_seen_at) == ("Front door", ("@ann",), NOON)


async def test_picture_stays_known_when_a_report_brings_none(cameras: Cameras) -> None:
    await cameras.report("door", FROZEN)
    later = replace(FROZEN, reported_at=NOON + timedelta(seconds=10), has_frame=False)
    await cameras.report("door", later)
    (door,) = await cameras.all()
    assert (door.reported_at, door.frame_at) == (later.reported_at, NOON)


async def test_pictures_are_forgotten_when_they_came_too_long_ago(cameras: Cameras) -> None:
    await cameras.report("old", FROZEN)
    await cameras.report("new", replace(FROZEN, reported_at=NOON + timedelta(seconds=1)))
    await cameras.forget_frames_before(NOON + timedelta(seconds=1))
    found = {camera.id: camera.frame_at for camera in await cameras.all()}
    assert found == {"old": None, "new": NOON + timedelta(seconds=1)}


async def test_camera_is_gone_when_it_was_deleted(cameras: Cameras) -> None:
    await cameras.report("door", FROZEN)
    await cameras.delete("door")
    assert await cameras.all() == []
    with pytest.raises(NotFound):
        await cameras.delete("door")
