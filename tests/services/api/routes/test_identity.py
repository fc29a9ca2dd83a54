from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningSystem
from tests.services.api.conftest import Api, check_problem
from usher.client import UsherClient
from usher.domain.errors import Conflict
from usher.domain.records import PersonKind
from usher.wire import Assignment, Merge, PersonCreate, Rejection, Split


async def changes(api: Api, **params: Any) -> list[dict[str, Any]]:
    response = await api.viewer.get("/identity/changes", params=params)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_history_tells_who_changed_whom_in_words(api: Api) -> None:
    ada, stranger = await api.person("Ada"), await api.person()
    await api.admin.patch(f"/persons/{stranger}", json={"name": "Bob"})
    await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": [stranger]})
    merge, naming, assigning = await changes(api)
    assert [item["kind"] for item in (merge, naming, assigning)] == ["merge", "update", "move"]
    assert [item["actor"] for item in (merge, naming, assigning)] == [
        "manager",
        "admin",
        "manager",
    ]
    assert [person["name"] for person in merge["persons"]] == ["Ada"]  # Bob is no more
    assert (merge["detections"], merge["undone_at"], merge["final"]) == (1, None, None)
    assert [item["id"] for item in await changes(api, person_id=ada)] == [merge["id"]]
    assert await changes(api, person_id="p-none") == []


async def test_history_comes_in_pages(api: Api) -> None:
    ada = await api.person("Ada")
    for name in ("Bob", "Carol", "Dan"):
        await api.manager.patch(f"/persons/{ada}", json={"name": name})
    first = (await api.viewer.get("/identity/changes", params={"limit": 2})).json()
    params = {"limit": 2, "cursor": first["next_cursor"]}
    second = (await api.viewer.get("/identity/changes", params=params)).json()
    assert len({item["id"] for item in first["items"] + second["items"]}) == 3
    assert second["next_cursor"] is None


async def test_undo_takes_a_change_back_once(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": [bob]})
    (merge,) = await changes(api)
    undone = await api.admin.post("/identity/undo", json={"change_id": merge["id"]})
    assert (undone.json()["undone_by"], undone.json()["id"]) == ("admin", merge["id"])
    assert undone.json()["undone_at"] is not None
    assert (await api.viewer.get(f"/persons/{bob}")).json()["name"] == "Bob"
    again = await api.admin.post("/identity/undo", json={"change_id": merge["id"]})
    check_problem(again, 409, "Conflict")
    audited = await api.database["audit"].find_one({"action": "identity.undo"})
    assert audited is not None
    assert audited["subject"] == merge["id"]


async def test_undo_is_refused_when_a_later_change_stands_in_the_way(api: Api) -> None:
    ada = await api.person("Ada")
    for name in ("Bob", "Carol"):
        await api.manager.patch(f"/persons/{ada}", json={"name": name})
    later, first = await changes(api)
    refused = await api.manager.post("/identity/undo", json={"change_id": first["id"]})
    assert later["id"] in check_problem(refused, 409, "Conflict")
    check_problem(await api.manager.post("/identity/undo", json={"change_id": "none"}), 404)
    check_problem(await api.manager.post("/identity/undo", json={}), 422)


async def test_undo_is_refused_when_somebody_was_deleted_since(api: Api) -> None:
    ada = await api.person("Ada")
    await api.assigned(await api.detection(), ada)
    await api.manager.delete(f"/persons/{ada}")
    (change,) = await changes(api)
    assert change["persons"] == []
    assert "deleted" in change["final"]
    refused = await api.manager.post("/identity/undo", json={"change_id": change["id"]})
    assert "deleted" in check_problem(refused, 409, "Conflict")


def test_client_corrects_and_takes_back_when_the_whole_system_runs(
    running_system: RunningSystem, test_data: Path
) -> None:
    photo = test_data / "enrol" / "barack-obama" / "1.jpg"
    detection_id = running_system.upload(photo, "door")
    with UsherClient(running_system.url, timeout_s=60) as client:
        client.sign_in(running_system.admin_username, running_system.admin_password)
        ada, bob = [client.create_person(PersonCreate(name=name)).id for name in ("Ada", "Bob")]
        assigned = client.assign(detection_id, Assignment(person_id=ada))
        assert assigned.confirmed
        stranger = client.split(ada, Split(detection_ids=[detection_id]))
        assert stranger.kind is PersonKind.UNKNOWN
        client.merge(bob, Merge(person_ids=[stranger.id]))
        change = client.identity_changes(person_id=bob).items[0]
        assert client.undo(change.id).undone_by == running_system.admin_username
        with pytest.raises(Conflict):
            client.undo(change.id)
        rejected = client.reject(detection_id, Rejection(person_id=stranger.id))
        assert rejected.person is None


@pytest.mark.parametrize("answer", ["name", "merge", "not a face"])
async def test_undo_takes_back_the_answer_that_came_of_the_change(api: Api, answer: str) -> None:
    detection_id = await api.detection()
    stranger = await api.assigned(detection_id)
    alert_id = await api.alert(stranger, detection_id=detection_id)
    other = await api.alert(await api.person())
    await api.manager.post(f"/alerts/{other}/answer", json={"answer": "is taken care of"})
    match answer:
        case "name":
            await api.manager.patch(f"/persons/{stranger}", json={"name": "Tom"})
        case "merge":
            ada = await api.person("Ada")
            await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": [stranger]})
        case _:
            not_a_face = {"not_a_face": True}
            await api.manager.post(f"/detections/{detection_id}/assign", json=not_a_face)
    assert (await answers(api))[alert_id]

    change = (await api.manager.get("/identity/changes")).json()["items"][0]
    undone = await api.manager.post("/identity/undo", json={"change_id": change["id"]})

    assert undone.status_code == 200, undone.text
    assert await answers(api) == {alert_id: None, other: "is taken care of"}


async def answers(api: Api) -> dict[str, str | None]:
    found = (await api.manager.get("/alerts")).json()["items"]
    return {alert["id"]: alert["answer"] for alert in found}
