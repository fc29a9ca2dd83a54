"""When the threshold moved, and why."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.storage.making import NOON
from usher.storage.calibrations import Calibrations, Recalibration
from usher.storage.database import Database


async def test_calibrations_are_the_newest_first_when_some_were_added(prepared: Database) -> None:
    calibrations = Calibrations(prepared)
    assert await calibrations.latest(5) == []
    made = [
        Recalibration(
            at=NOON + timedelta(minutes=minute),
            threshold=minute / 10,
            persons=minute,
            reason="more people",
        )
        for minute in (1, 3, 2)
    ]
    for calibration in made:
        await calibrations.add(calibration)
    assert await calibrations.latest(2) == [made[1], made[2]]
