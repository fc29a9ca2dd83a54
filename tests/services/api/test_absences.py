from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.api.absences import tell_missing
from tests.services.api.conftest import Api, check_problem
from tests.services.api.routes.test_visits import stayed
from usher.storage.alert_rules import AlertRules

MORNING = {"start": "08:00", "end": "10:00"}
RULE = {"name": "Late", "about": ["absent"], "hours": [MORNING], "to": ["managers", "mail:a@b.c"]}
EIGHT = (datetime.now(UTC) + timedelta(days=2)).replace(hour=8, minute=0, second=0, microsecond=0)
TEN = EIGHT + timedelta(hours=2)


@pytest.fixture
async def rule(api: Api) -> dict[str, Any]:
    made = await api.admin.post("/alert-rules", json=RULE)
    assert made.status_code == 201, made.text
    # Of the mornings before, it has told.
    await AlertRules(api.database).looked(made.json()["id"], EIGHT)
    found: dict[str, Any] = made.json()
    return found


async def seen_before(api: Api, name: str, **person: Any) -> str:
    """Somebody known whom a camera saw; their id."""
    person_id = await api.person(name)
    await api.assigned(await api.detection(), person_id)
    await api.manager.patch(f"/persons/{person_id}", json=person)
    return person_id


async def alerts(api: Api) -> list[dict[str, Any]]:
    response = await api.manager.get("/alerts")
    found: list[dict[str, Any]] = response.json()["items"]
    return found


async def test_who_did_not_come_is_told_once_when_the_hours_have_ended(
    api: Api, rule: dict[str, Any]
) -> None:
    ada = await seen_before(api, "Ada", managers=["@ann"])
    await api.detection(seed=1)  # of a stranger
    await settle_detections(api)

    await tell_missing(api.state, now=TEN - timedelta(seconds=1))
    assert await alerts(api) == []
    for _ in range(2):
        await tell_missing(api.state, now=TEN)
    (alert,) = await alerts(api)
    assert alert["person"]["id"] == ada
    assert alert["rules"] == [rule["id"]]
    assert alert["captured_at"] == f"{TEN:%Y-%m-%dT%H:%M:%S}Z"
    assert alert["absence"]["expected_from"] == f"{EIGHT:%Y-%m-%dT%H:%M:%S}Z"
    assert sorted(one["to"] for one in alert["deliveries"]) == ["chat:@ann", "mail:a@b.c"]
    picture = await api.manager.get(f"/detections/{alert['detection_id']}/image")
    assert picture.status_code == 200

    await tell_missing(api.state, now=TEN + timedelta(days=1))
    assert len(await alerts(api)) == 2


async def test_nobody_is_missed_who_came_or_was_never_seen_or_is_not_expected(
    api: Api, rule: dict[str, Any]
) -> None:
    came = await seen_before(api, "Came")
    await stayed(api, came, EIGHT - timedelta(hours=1), for_=timedelta(hours=1, minutes=1))
    await seen_before(api, "Over", valid_until=(EIGHT - timedelta(hours=1)).isoformat())
    await api.person("Never seen")
    await settle_detections(api)
    await tell_missing(api.state, now=TEN)
    assert await alerts(api) == []


@pytest.mark.parametrize(("camera", "missed"), [("door", False), ("gate", True)])
async def test_a_rule_of_some_cameras_misses_who_was_only_at_others(
    api: Api, rule: dict[str, Any], camera: str, missed: bool
) -> None:
    body = {**RULE, "cameras": ["door"]}
    assert (await api.admin.put(f"/alert-rules/{rule['id']}", json=body)).status_code == 200
    await AlertRules(api.database).looked(rule["id"], EIGHT)
    came = await seen_before(api, "Came")
    await stayed(api, came, EIGHT, for_=timedelta(minutes=1), camera_id=camera)
    await settle_detections(api)
    await tell_missing(api.state, now=TEN)
    assert bool(await alerts(api)) is missed


async def test_nobody_is_missed_while_pictures_of_those_hours_are_not_classified(
    api: Api, rule: dict[str, Any]
) -> None:
    await seen_before(api, "Ada")
    await api.detection(seed=1)
    await tell_missing(api.state, now=TEN)
    assert await alerts(api) == []
    await settle_detections(api)
    await tell_missing(api.state, now=TEN + timedelta(minutes=5))
    assert len(await alerts(api)) == 1


async def test_a_rule_tells_of_no_hours_before_it_was_made(api: Api) -> None:
    await seen_before(api, "Ada")
    ended = datetime.now(UTC) - timedelta(minutes=1)
    hours = {"start": f"{ended - timedelta(hours=1):%H:%M}", "end": f"{ended:%H:%M}"}
    await api.admin.post("/alert-rules", json={**RULE, "hours": [hours]})
    await settle_detections(api)
    await tell_missing(api.state, now=datetime.now(UTC))
    assert await alerts(api) == []


async def test_preview_says_who_would_have_been_missed(api: Api) -> None:
    ada = await seen_before(api, "Ada")
    response = await api.admin.post("/alert-rules/preview", json=RULE)
    found = response.json()
    assert (found["visits"], found["alerts"], found["messages"]) == (0, 1, 2)
    assert [one["person"]["id"] for one in found["examples"]] == [ada]
    assert await api.database["alerts"].count_documents({}) == 0


@pytest.mark.parametrize("wrong", [{"about": ["absent", "known"]}, {"hours": []}])
async def test_rule_about_absence_stands_alone_and_has_hours(
    api: Api, wrong: dict[str, Any]
) -> None:
    check_problem(await api.admin.post("/alert-rules", json={**RULE, **wrong}), 422)


async def settle_detections(api: Api) -> None:
    """As if a classifier had seen all of them."""
    await api.database["detections"].update_many(
        {"status": "pending"}, {"$set": {"status": "unidentifiable"}}
    )
