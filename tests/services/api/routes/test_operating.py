"""What an operator sets while Usher runs, and how the system does."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.services.api.conftest import Api, check_problem
from usher.domain.records import Role
from usher.storage import operating
from usher.storage.leases import ASSIGN, Leases
from usher.storage.operating import Operating
from usher.storage.workers import GONE_AFTER_S, Workers


async def test_budget_is_as_installed_until_an_admin_changes_it(api: Api) -> None:
    assert (await api.manager.get("/settings")).json() == {
        "identity_rule": "budget",
        "identity_budget": 0.01,
        "strangers_kept_days": None,
        "known_kept_days": None,
        "taken_up": True,
        "channels": [],
    }
    changed = await api.admin.patch("/settings", json={"identity_budget": 0.002})
    assert changed.json() == {
        "identity_rule": "budget",
        "identity_budget": 0.002,
        "strangers_kept_days": None,
        "known_kept_days": None,
        "taken_up": False,
        "channels": [],
    }
    assert await Operating(api.database).identity_budget(0.01) == 0.002
    (entry,) = (await api.admin.get("/audit", params={"action": "settings.update"})).json()["items"]
    assert (entry["action"], entry["subject"]) == (
        "settings.update:0.01 to 0.002",
        "identity_budget",
    )


@pytest.mark.parametrize("body", [{}, {"identity_budget": None}, {"identity_budget": 0.01}])
async def test_nothing_is_written_where_nothing_changes(api: Api, body: dict[str, object]) -> None:
    response = await api.admin.patch("/settings", json=body)
    assert (response.status_code, response.json()["taken_up"]) == (200, True)
    assert (await api.admin.get("/audit")).json()["items"] == []


@pytest.mark.parametrize("budget", [0, -1, 0.3, "many"])
async def test_budget_is_refused_that_makes_no_sense(api: Api, budget: object) -> None:
    check_problem(await api.admin.patch("/settings", json={"identity_budget": budget}), 422)


async def test_service_notices_another_budget_than_its_own(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "NOTICED_WITHIN_S", 0.01)
    kept = Operating(api.database)
    waiting = asyncio.create_task(kept.until_another_budget(0.01))
    await kept.change({"identity_budget": 0.01})
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await kept.change({"identity_budget": 0.05})
    await asyncio.wait_for(waiting, 10)


async def test_system_tells_what_waits_who_works_and_what_is_kept(api: Api) -> None:
    await api.detection()
    found = (await api.admin.get("/system")).json()
    assert (found["queue"], found["classifier"]) == (1, None)
    assert found["oldest_pending_s"] >= 0
    assert found["database"]["documents"]["detections"] == 1
    assert 0 < found["disk"]["free_bytes"] < found["disk"]["total_bytes"]

    await Leases(api.database).acquire(ASSIGN, "gatehouse:12:ab", lease_s=60)
    assert (await api.admin.get("/system")).json()["classifier"] == "gatehouse"


async def test_system_and_settings_tell_who_works_and_what_sends(own_api: Api) -> None:
    assert (await own_api.admin.get("/system")).json()["workers"] == []
    assert (await own_api.manager.get("/settings")).json()["channels"] == []
    notifier = own_api.clients[Role.NOTIFIER]
    for channels, sends_by in ((["mail"], []), (["webhook"], ["webhook"]), (["chat"], ["console"])):
        claim = {"channels": channels, "sends_by": sends_by}
        claimed = await notifier.post("/alerts/deliveries/claim", json=claim)
        assert claimed.status_code == 200
        noted = await own_api.database["workers"].find().to_list()
        again = await notifier.post("/alerts/deliveries/claim", json=claim)
        assert again.status_code == 200
        assert await own_api.database["workers"].find().to_list() == noted
    await Workers(own_api.database).works("gatehouse:12:ab", "classifier", "gatehouse")

    workers = (await own_api.admin.get("/system")).json()["workers"]
    assert [(one["kind"], one["channels"]) for one in workers] == [
        ("classifier", []),
        ("notifier", ["console", "webhook"]),
    ]
    assert workers[0]["name"] == "gatehouse"
    channels = (await own_api.manager.get("/settings")).json()["channels"]
    assert channels == ["console", "webhook"]

    long_ago = datetime.now(UTC) - timedelta(seconds=GONE_AFTER_S + 1)
    await own_api.database["workers"].update_many({}, {"$set": {"seen_at": long_ago}})
    assert (await own_api.admin.get("/system")).json()["workers"] == []
