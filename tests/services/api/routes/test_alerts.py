from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.services.api.conftest import NOON, Api, check_problem
from usher.storage.alerts import MAX_ATTEMPTS


async def claim(api: Api, **body: int) -> list[dict[str, Any]]:
    response = await api.notifier.post("/alerts/claim", json=body)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def settle(api: Api, alert: dict[str, Any], error: str | None = None) -> dict[str, Any]:
    body = {"claim_token": alert["claim_token"], "error": error}
    response = await api.notifier.post(f"/alerts/{alert['id']}/settle", json=body)
    assert response.status_code == 200, response.text
    settled: dict[str, Any] = response.json()
    return settled


async def free_at(api: Api, alert_id: str) -> datetime:
    document = await api.database["alerts"].find_one({"_id": alert_id})
    assert document is not None
    moment: datetime = document["available_at"]
    return moment


async def make_due(api: Api) -> None:
    """Let all leases and pauses run out."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    await api.database["alerts"].update_many({}, {"$set": {"available_at": past}})


async def test_claim_gives_alerts_in_order_of_capture_and_to_one_alone(api: Api) -> None:
    stranger = await api.person()
    later = await api.alert(stranger, captured_at=NOON + timedelta(seconds=1))
    first = await api.alert(stranger)
    claimed = await claim(api)
    assert [alert["id"] for alert in claimed] == [first, later]
    assert claimed[0]["person"]["id"] == stranger
    assert claimed[0]["camera"]["id"] == "door"
    assert claimed[0]["attempts"] == 1
    assert await claim(api) == []


async def test_claim_takes_no_more_than_asked_for(api: Api) -> None:
    stranger = await api.person()
    for _ in range(3):
        await api.alert(stranger)
    assert len(await claim(api, limit=2)) == 2
    assert len(await claim(api, limit=2)) == 1


async def test_claim_goes_to_another_when_the_lease_runs_out(api: Api) -> None:
    alert_id = await api.alert(await api.person())
    (first,) = await claim(api, lease_s=5)
    assert await free_at(api, alert_id) > datetime.now(UTC) + timedelta(seconds=3)
    await make_due(api)
    (second,) = await claim(api)
    assert (second["id"], second["attempts"]) == (first["id"], 2)
    late = {"claim_token": first["claim_token"]}
    check_problem(await api.notifier.post(f"/alerts/{alert_id}/settle", json=late), 409)
    assert (await settle(api, second))["status"] == "sent"


async def test_alert_is_sent_once_when_settled(api: Api) -> None:
    await api.alert(await api.person())
    (alert,) = await claim(api)
    settled = await settle(api, alert)
    assert settled["status"] == "sent"
    assert settled["sent_at"] is not None
    assert "claim_token" not in settled
    again = {"claim_token": alert["claim_token"]}
    check_problem(await api.notifier.post(f"/alerts/{alert['id']}/settle", json=again), 409)
    await make_due(api)
    assert await claim(api) == []


async def test_alert_waits_longer_after_each_error(api: Api) -> None:
    alert_id = await api.alert(await api.person())
    pauses = []
    for attempt in range(1, 11):
        (alert,) = await claim(api)
        assert alert["attempts"] == attempt
        before = datetime.now(UTC)
        settled = await settle(api, alert, "chat is down: $where")
        assert (settled["status"], settled["reason"]) == ("pending", "chat is down: $where")
        pauses.append((await free_at(api, alert_id) - before).total_seconds())
        assert await claim(api) == []
        await make_due(api)
    assert pauses[0] == pytest.approx(4, abs=1.5)
    assert all(longer > 1.5 * pause for pause, longer in pairwise(pauses[:8]))
    assert pauses[-1] == pytest.approx(600, abs=5)


async def test_alert_fails_when_its_last_attempt_does(api: Api) -> None:
    alert_id = await api.alert(await api.person(), attempts=MAX_ATTEMPTS - 2)
    statuses = []
    for _ in range(2):
        (alert,) = await claim(api)
        statuses.append((await settle(api, alert, "chat is down"))["status"])
        await make_due(api)
    assert statuses == ["pending", "failed"]
    assert await claim(api) == []
    (failed,) = (await api.viewer.get("/alerts", params={"status": "failed"})).json()["items"]
    assert (failed["id"], failed["reason"]) == (alert_id, "chat is down")


async def test_alert_is_not_found_when_there_is_none(api: Api) -> None:
    body = {"claim_token": "x"}
    check_problem(await api.notifier.post("/alerts/none/settle", json=body), 404, "NotFound")


@pytest.mark.parametrize("body", [{"limit": 0}, {"limit": 101}, {"lease_s": 4}, {"lease_s": 601}])
async def test_claim_is_refused_when_it_is_out_of_bounds(api: Api, body: dict[str, int]) -> None:
    check_problem(await api.notifier.post("/alerts/claim", json=body), 422)


async def test_page_is_the_newest_first_and_of_one_status(api: Api) -> None:
    stranger = await api.person()
    old = await api.alert(stranger)
    new = await api.alert(stranger, captured_at=NOON + timedelta(seconds=1))
    (first, _) = await claim(api)
    await settle(api, first)

    async def found(**params: str) -> list[str]:
        page = (await api.viewer.get("/alerts", params=params)).json()
        return [item["id"] for item in page["items"]]

    assert await found() == [new, old]
    assert await found(status="sent") == [old]
    assert await found(status="pending") == [new]


async def test_alert_still_shows_when_its_person_is_gone(api: Api) -> None:
    await api.alert("p-gone")
    (alert,) = (await api.viewer.get("/alerts")).json()["items"]
    assert (alert["person"], alert["camera"]["name"]) == (None, "door")
