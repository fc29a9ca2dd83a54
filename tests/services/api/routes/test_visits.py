from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.api.routes.attendance import harmless
from tests.services.api.conftest import NOON, Api, check_problem
from usher.domain.identifiers import new_id
from usher.domain.records import Visit
from usher.storage import stays
from usher.storage.documents import to_document
from usher.storage.stays import Days, visits_of

HOUR = timedelta(hours=1)


async def stayed(
    api: Api, person_id: str, start: datetime, *, for_: timedelta = HOUR, camera_id: str = "door"
) -> str:
    """The id of a visit, as the classifier writes it."""
    visit = Visit(
        id=new_id(),
        person_id=person_id,
        camera_id=camera_id,
        started_at=start,
        last_at=start + for_,
    )
    await api.database["visits"].insert_one({**to_document(visit), "detections": 3})
    return visit.id


async def items(api: Api, path: str, **params: Any) -> list[dict[str, Any]]:
    response = await api.viewer.get(path, params=params)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["items"]
    return found


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


# ---- Visits -------------------------------------------------------------------------------------


async def test_visits_come_newest_first_with_whom_and_how_often(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    older = await stayed(api, ada, at(20, 8))
    newer = await stayed(api, bob, at(20, 9), camera_id="gate")
    last, first = await items(api, "/visits")
    assert (last["id"], first["id"]) == (newer, older)
    assert last["person"] == {"id": bob, "name": "Bob", "kind": "known"}
    assert (last["camera_id"], last["detections"]) == ("gate", 3)
    assert (last["started_at"], last["last_at"]) == ("2026-11-20T09:00:00Z", "2026-11-20T10:00:00Z")
    assert last["detection_id"] is None


async def test_visit_says_which_detection_it_began_with(api: Api) -> None:
    later = await api.detection(1, captured_at=(NOON + timedelta(seconds=5)).isoformat())
    first = await api.detection(2)
    person_id = await api.assigned(later)
    await api.assigned(first, person_id)
    (visit,) = await items(api, f"/persons/{person_id}/visits")
    assert (visit["detection_id"], visit["detections"]) == (first, 2)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"camera_id": "gate"}, ["gate"]),
        ({"camera_id": "nowhere"}, []),
        ({"from": "2026-11-20T09:00:00Z"}, ["later", "gate"]),
        ({"to": "2026-11-20T09:00:00Z"}, ["early"]),
        ({"from": "2026-11-20T09:00:00Z", "to": "2026-11-20T10:00:00Z"}, ["gate"]),
    ],
)
async def test_visits_are_narrowed(api: Api, params: dict[str, str], found: list[str]) -> None:
    ada = await api.person("Ada")
    ids = {
        await stayed(api, ada, at(20, 8)): "early",
        await stayed(api, ada, at(20, 9), camera_id="gate"): "gate",
        await stayed(api, ada, at(20, 10)): "later",
    }
    assert [ids[item["id"]] for item in await items(api, "/visits", **params)] == found
    own = await items(api, f"/persons/{ada}/visits", **params)
    assert [ids[item["id"]] for item in own] == found


async def test_visits_of_a_kind_come_in_full_pages_and_are_no_others(api: Api) -> None:
    ada, stranger, ignored = await api.person("Ada"), await api.person(), await api.person()
    await api.manager.patch(f"/persons/{ignored}", json={"kind": "ignored"})
    await api.database["visits"].delete_many({})
    by_person: dict[str, list[str]] = {ada: [], stranger: [], ignored: []}
    for minute in range(12):
        person_id = (stranger, ada, ignored, ada)[minute % 4]
        by_person[person_id].insert(0, await stayed(api, person_id, at(20, 8, minute)))

    async def pages(**params: Any) -> list[list[str]]:
        found, cursor = [], {}
        while True:
            response = await api.viewer.get("/visits", params={**params, **cursor})
            body = response.json()
            found.append([item["id"] for item in body["items"]])
            if body["next_cursor"] is None:
                return found
            cursor = {"cursor": body["next_cursor"]}

    assert await pages(kind="unknown", limit=2) == [
        by_person[stranger][:2],
        by_person[stranger][2:],
    ]
    assert await pages(kind="unknown", limit=3) == [by_person[stranger]]
    assert await pages(kind="known", limit=4) == [by_person[ada][:4], by_person[ada][4:]]
    assert await pages(kind="ignored") == [by_person[ignored]]
    assert await pages(kind="known", person_id=stranger) == [[]]
    assert await pages(kind="known", camera_id="nowhere") == [[]]
    check_problem(await api.viewer.get("/visits", params={"kind": "somebody"}), 422)


async def test_visits_of_a_kind_are_looked_for_among_so_many_and_go_on_from_there(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stays, "MOST_LOOKED_THROUGH", 4)
    monkeypatch.setattr(stays, "_STEP", 2)
    ada, stranger = await api.person("Ada"), await api.person()
    await api.database["visits"].delete_many({})
    oldest = await stayed(api, stranger, at(20, 7))
    for minute in range(6):
        await stayed(api, ada, at(20, 8, minute))

    first = (await api.viewer.get("/visits", params={"kind": "unknown"})).json()
    second = (
        await api.viewer.get("/visits", params={"kind": "unknown", "cursor": first["next_cursor"]})
    ).json()

    assert first["items"] == []
    assert [item["id"] for item in second["items"]] == [oldest]
    assert second["next_cursor"] is None


async def test_visits_of_a_person_are_theirs_alone_and_come_in_pages(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    ids = [await stayed(api, ada, at(20, hour)) for hour in (11, 10, 9)]
    await stayed(api, bob, at(20, 12))
    path = f"/persons/{ada}/visits"
    first = (await api.viewer.get(path, params={"limit": 2})).json()
    await stayed(api, ada, at(21, 9))  # a new one moves nothing
    second = (
        await api.viewer.get(path, params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    assert [item["id"] for item in first["items"] + second["items"]] == ids
    assert second["next_cursor"] is None
    assert len(await items(api, "/visits", person_id=bob)) == 1
    check_problem(await api.viewer.get("/persons/p-none/visits"), 404, "NotFound")


# ---- Attendance ---------------------------------------------------------------------------------


async def test_attendance_is_the_first_and_the_last_time_of_a_day(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    await stayed(api, ada, at(20, 14))
    await stayed(api, ada, at(20, 8), for_=timedelta(minutes=1), camera_id="gate")
    await stayed(api, bob, at(20, 7))
    await stayed(api, ada, at(21, 9))
    found = await items(api, "/attendance", **{"from": "2026-11-20", "to": "2026-11-21"})
    assert [(item["day"], item["person"]["name"]) for item in found] == [
        ("2026-11-20", "Ada"),
        ("2026-11-20", "Bob"),
        ("2026-11-21", "Ada"),
    ]
    first = found[0]
    assert (first["first_seen_at"], first["last_seen_at"]) == (
        "2026-11-20T08:00:00Z",
        "2026-11-20T15:00:00Z",
    )
    assert (first["duration_s"], first["visits"]) == (7 * 3600, 2)


async def test_attendance_counts_days_in_the_time_zone(api: Api) -> None:
    ada = await api.person("Ada")
    await stayed(api, ada, at(20, 23, 30), for_=timedelta(minutes=5))
    days = {"from": "2026-11-20", "to": "2026-11-21"}
    (in_utc,) = await items(api, "/attendance", **days)
    (in_berlin,) = await items(api, "/attendance", tz="Europe/Berlin", **days)
    assert (in_utc["day"], in_berlin["day"]) == ("2026-11-20", "2026-11-21")


@pytest.mark.parametrize(
    ("tz", "start", "midnight"),
    [
        ("UTC", at(20, 23), "2026-11-21T00:00:00Z"),
        ("Europe/Berlin", at(20, 22), "2026-11-20T23:00:00Z"),
        # The clocks of Berlin go back on this day, which has 25 hours.
        ("Europe/Berlin", datetime(2026, 10, 24, 21, tzinfo=UTC), "2026-10-24T22:00:00Z"),
        ("America/New_York", at(21, 4), "2026-11-21T05:00:00Z"),
    ],
)
async def test_attendance_splits_a_visit_at_midnight(
    api: Api, tz: str, start: datetime, midnight: str
) -> None:
    ada = await api.person("Ada")
    await stayed(api, ada, start, for_=timedelta(hours=3))
    days = {"from": "2026-10-20", "to": "2026-11-30", "tz": tz}
    before, after = await items(api, "/attendance", **days)
    assert before["last_seen_at"] == after["first_seen_at"] == midnight
    assert (before["duration_s"], after["duration_s"]) == (3600, 2 * 3600)


async def test_attendance_is_narrowed_by_camera_class_and_kind(api: Api) -> None:
    ada, bob, stranger = await api.person("Ada"), await api.person("Bob"), await api.person()
    await api.manager.patch(f"/persons/{ada}", json={"class": "Staff"})
    await api.database["visits"].delete_many({})
    for person_id in (ada, bob, stranger):
        await stayed(api, person_id, at(20, 8))
    await stayed(api, bob, at(20, 12), camera_id="gate")

    async def who(**params: str) -> list[str]:
        days = {"from": "2026-11-20", "to": "2026-11-20"}
        found = await items(api, "/attendance", **days, **params)
        return [item["person"]["id"] for item in found]

    assert await who() == [ada, bob]
    assert await who(**{"class": "staff"}) == [ada]
    assert await who(**{"class": "vip"}) == []
    assert await who(camera_id="gate") == [bob]
    assert await who(kind="unknown") == [stranger]


@pytest.mark.parametrize("asked", ["by format", "by header"])
async def test_attendance_is_a_table_for_a_spreadsheet(api: Api, asked: str) -> None:
    ada, wicked = await api.person("Ada"), await api.person('=HYPERLINK("http://x","y")')
    await stayed(api, ada, at(20, 8, 30))
    await stayed(api, wicked, at(20, 9))
    params = {"from": "2026-11-20", "to": "2026-11-20", "tz": "Europe/Berlin"}
    headers = {}
    if asked == "by format":
        params["format"] = "csv"
    else:
        headers["Accept"] = "text/csv"
    response = await api.viewer.get("/attendance", params=params, headers=headers)
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attendance-2026-11-20-2026-11-20.csv" in response.headers["content-disposition"]
    first, *rows = response.content.decode("utf-8-sig").splitlines()
    assert first == (
        "day,name,id,class,first seen (Europe/Berlin),last seen (Europe/Berlin),hours,visits"
    )
    assert rows == [
        f'2026-11-20,"\'=HYPERLINK(""http://x"",""y"")",{wicked},,10:00:00,11:00:00,1.00,1',
        f"2026-11-20,Ada,{ada},,09:30:00,10:30:00,1.00,1",
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1"])
def test_formula_is_a_text_in_a_table(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Ada", "Jean-Luc", "a=b", "O'Neill"])
def test_name_stays_as_it_is_in_a_table(text: str) -> None:
    assert harmless(text) == text


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 422),
        ({"from": "2026-11-20"}, 422),
        ({"from": "2026-11-20", "to": "yesterday"}, 422),
        ({"from": "2026-11-20", "to": "2026-11-19"}, 400),
        ({"from": "2026-01-01", "to": "2026-12-31"}, 400),
        ({"from": "9999-12-31", "to": "9999-12-31"}, 422),
        ({"from": "0001-01-01", "to": "0001-01-01"}, 422),
        ({"from": "2026-11-20", "to": "2026-11-20", "tz": "Mars/Phobos"}, 400),
        ({"from": "2026-11-20", "to": "2026-11-20", "tz": "../etc/passwd"}, 400),
        ({"from": "2026-11-20", "to": "2026-11-20", "tz": "a\0b"}, 400),
        ({"from": "2026-11-20", "to": "2026-11-20", "tz": ""}, 400),
    ],
)
async def test_attendance_is_refused_when_the_question_is_wrong(
    api: Api, params: dict[str, str], status: int
) -> None:
    check_problem(await api.viewer.get("/attendance", params=params), status)


async def test_attendance_reads_its_days_by_an_index(api: Api) -> None:
    days = Days(first=date(2026, 11, 10), last=date(2026, 11, 20), zone=ZoneInfo("UTC"))
    plan = await api.database["visits"].find(visits_of(days)).explain()
    assert "COLLSCAN" not in str(plan)
    assert "IXSCAN" in str(plan)
