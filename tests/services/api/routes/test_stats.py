from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.services.api.conftest import Api, check_problem


async def test_stats_count_what_happened_and_what_waits(api: Api) -> None:
    await api.detection()
    stranger = await api.person()
    await api.alert(stranger)
    stats = (await api.viewer.get("/stats")).json()
    assert stats["detections"] == 2
    assert stats["by_status"] == {"pending": 1, "classified": 1}
    assert (stats["persons"], stats["new_persons"], stats["queue"]) == (1, 1, 1)
    assert (stats["alerts_unsent"], stats["alerts_sent"]) == (1, 0)
    assert 0 <= stats["oldest_pending_s"] < 60


async def test_stats_leave_out_what_was_before_when_a_moment_is_given(api: Api) -> None:
    await api.detection()
    since = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    stats = (await api.viewer.get("/stats", params={"since": since})).json()
    assert (stats["detections"], stats["queue"]) == (0, 1)


async def test_stats_are_refused_when_the_moment_is_none(api: Api) -> None:
    check_problem(await api.viewer.get("/stats", params={"since": "yesterday"}), 422)
