from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.services.api.conftest import Api, check_problem
from tests.services.api.routes.test_visits import stayed
from usher.storage.alert_rules import STRANGERS
from usher.wire import IDEMPOTENCY_HEADER

RULE = {"name": "Night", "to": ["@ann", "mail:bob@example.org"], "cooldown_minutes": 10}


async def test_there_is_a_rule_about_strangers_from_the_start(api: Api) -> None:
    (rule,) = (await api.manager.get("/alert-rules")).json()["items"]
    assert (rule["id"], rule["about"], rule["to"]) == (STRANGERS.id, ["stranger"], ["managers"])


async def test_rule_is_made_changed_and_removed(api: Api) -> None:
    hours = [{"days": [4, 5], "start": "22:00", "end": "06:30"}]
    made = await api.admin.post("/alert-rules", json={**RULE, "hours": hours})
    assert made.status_code == 201, made.text
    rule = made.json()
    assert rule["hours"] == hours
    path = f"/alert-rules/{rule['id']}"

    changed = await api.admin.put(path, json={**RULE, "enabled": False, "classes": ["Barred"]})
    assert changed.json() == {
        **rule,
        "enabled": False,
        "classes": ["barred"],
        "hours": [],
    }
    listed = (await api.manager.get("/alert-rules")).json()["items"]
    assert [one["id"] for one in listed] == [STRANGERS.id, rule["id"]]

    assert (await api.admin.delete(path)).status_code == 204
    check_problem(await api.admin.delete(path), 404, "NotFound")
    check_problem(await api.admin.put(path, json=RULE), 404, "NotFound")


async def test_rule_is_made_once_when_a_request_is_repeated(api: Api) -> None:
    once = {IDEMPOTENCY_HEADER: "made-once"}
    first, again = [await api.admin.post("/alert-rules", json=RULE, headers=once) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    listed = (await api.manager.get("/alert-rules")).json()["items"]
    assert [one["id"] for one in listed] == [STRANGERS.id, first.json()["id"]]
    other = await api.admin.post("/alert-rules", json={**RULE, "name": "Day"}, headers=once)
    check_problem(other, 422, "IdempotencyConflict")


@pytest.mark.parametrize(
    "wrong",
    [
        {"about": []},
        {"zone": "Mars/Olympus"},
        {"zone": "../../etc/passwd"},
        {"hours": [{"days": [7], "start": "10:00", "end": "11:00"}]},
        {"hours": [{"days": [], "start": "10:00", "end": "11:00"}]},
        {"hours": [{"start": "24:00", "end": "11:00"}]},
        {"escalate_after_minutes": 5},
        {"name": ""},
        {"color": "red"},
    ],
)
async def test_rule_that_makes_no_sense_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    check_problem(await api.admin.post("/alert-rules", json={**RULE, **wrong}), 422)


async def test_preview_says_what_a_rule_would_have_sent(api: Api) -> None:
    now = datetime.now(UTC)
    stranger, ada = await api.person(), await api.person("Ada")
    await stayed(api, stranger, now - timedelta(hours=5))
    await stayed(api, stranger, now - timedelta(hours=4, minutes=58))
    await stayed(api, ada, now - timedelta(hours=3))
    await stayed(api, stranger, now - timedelta(hours=30))

    async def preview(**changes: Any) -> dict[str, Any]:
        response = await api.admin.post("/alert-rules/preview", json={**RULE, **changes})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    found = await preview()
    assert (found["visits"], found["alerts"], found["messages"]) == (3, 1, 2)
    (example,) = found["examples"]
    assert example["person"]["id"] == stranger
    assert example["to"] == ["chat:@ann", "mail:bob@example.org"]

    assert (await preview(cooldown_minutes=0))["alerts"] == 2
    assert (await preview(about=["stranger", "known"]))["alerts"] == 2
    assert (await preview(cameras=["elsewhere"]))["alerts"] == 0
    assert await api.database["alerts"].count_documents({}) == 0
