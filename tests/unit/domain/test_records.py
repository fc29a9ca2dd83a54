"""What records know of themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from usher.domain.records import ENDED, OFFLINE_AFTER, Camera, CameraState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEFORE = NOON - timedelta(hours=1)


@pytest.mark.parametrize("state", [one for one in CameraState if one not in ENDED])
def test_camera_is_offline_since_its_last_report_when_that_is_too_old(state: CameraState) -> None:
    camera = Camera(id="door", name="door", state=state, state_since=BEFORE, reported_at=NOON)
    assert camera.state_at(NOON + OFFLINE_AFTER) == (state, BEFORE)
    late = NOON + OFFLINE_AFTER + timedelta(milliseconds=1)
    assert camera.state_at(late) == (CameraState.OFFLINE, NOON)


@pytest.mark.parametrize("ended", sorted(ENDED))
def test_camera_that_has_ended_stays_so_when_nothing_is_heard_of_it(ended: CameraState) -> None:
    camera = Camera(id="door", name="door", state=ended, state_since=BEFORE, reported_at=NOON)
    assert camera.state_at(NOON + timedelta(days=9)) == (ended, BEFORE)


def test_camera_has_no_state_when_nothing_was_ever_heard_of_it() -> None:
    assert Camera(id="door", name="door").state_at(NOON) == (None, None)
