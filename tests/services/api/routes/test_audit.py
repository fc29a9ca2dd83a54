from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.services.api.conftest import PASSWORD, Api, check_problem
from tests.services.api.routes.test_alert_rules import RULE
from tests.services.api.routes.test_users import add, id_of


async def entries(api: Api, **filters: str) -> list[dict[str, str]]:
    response = await api.admin.get("/audit", params=filters)
    assert response.status_code == 200, response.text
    found: list[dict[str, str]] = response.json()["items"]
    return found


async def test_what_people_did_is_listed_with_names_the_newest_first(api: Api) -> None:
    created = await add(api)
    await api.admin.patch(f"/users/{created['id']}", json={"role": "manager"})
    await api.admin.post(f"/users/{created['id']}/password")
    token = (await api.admin.post("/tokens", json={"name": "till"})).json()
    await api.admin.post("/devices", json={"name": "door"})
    await api.admin.delete(f"/users/{created['id']}")

    found = await entries(api)

    assert [(item["actor"], item["action"], item["subject"]) for item in found] == [
        ("admin", "user.delete", created["id"]),
        ("admin", "device.create", "door"),
        ("admin", "token.create:viewer", "till"),
        ("admin", "user.password", created["id"]),
        ("admin", "user.update:role", created["id"]),
        ("admin", "user.create:viewer", created["id"]),
    ]
    assert found[2]["subject_id"] == token["id"]
    assert [item["number"] for item in found] == [6, 5, 4, 3, 2, 1]


async def test_signing_in_failing_and_signing_out_are_listed(api: Api) -> None:
    wrong = {"username": "viewer", "password": "wrong"}
    await api.nobody.post("/session", json=wrong)
    await api.nobody.post("/session", json={**wrong, "username": "somebody"})
    await api.nobody.post("/session", json={**wrong, "password": PASSWORD})
    await api.viewer.delete("/session")
    found = [(item["actor"], item["action"], item["subject"]) for item in await entries(api)]
    assert found == [
        ("viewer", "session.close", "viewer"),
        ("viewer", "session.open", "viewer"),
        ("nobody", "session.refuse", "unknown"),
        ("nobody", "session.refuse", "viewer"),
    ]


async def test_changes_of_persons_are_listed_without_their_names(api: Api) -> None:
    ada, stranger = await api.person("Canary Ada"), await api.person()
    await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": [stranger]})
    await api.manager.delete(f"/persons/{ada}")
    response = await api.admin.get("/audit")
    assert [item["action"] for item in response.json()["items"]] == [
        "person.delete",
        f"person.merge:{stranger}",
        "detection.assign",
        "person.create",
    ]
    assert "Canary" not in response.text


async def test_what_has_a_name_is_listed_by_it(api: Api) -> None:
    detection_id = await api.detection()
    ada = await api.person("Ada")
    await api.admin.patch("/cameras/door", json={"name": "Front door"})
    rule = (await api.admin.post("/alert-rules", json=RULE)).json()
    stranger = await api.assigned(detection_id)

    found = {item["subject_id"]: item["subject"] for item in await entries(api)}

    assert found == {
        ada: "Ada",
        "door": "Front door",
        rule["id"]: RULE["name"],
        detection_id: detection_id,
    }
    await api.manager.patch(f"/persons/{stranger}", json={"kind": "ignored"})
    assert (await entries(api))[0]["subject"] == stranger


async def test_persons_after_the_colon_are_named_while_they_are_there(api: Api) -> None:
    ada, bob, detection_id = await api.person("Ada"), await api.person("Bob"), await api.detection()
    await api.manager.patch(f"/persons/{ada}", json={"notes": "tall"})
    await api.manager.post(f"/detections/{detection_id}/assign", json={"person_id": ada})
    split = {"detection_ids": [detection_id], "into": bob}
    response = await api.manager.post(f"/persons/{ada}/split", json=split)
    assert response.status_code == 200, response.text

    found = {item["action"]: item["more"] for item in await entries(api)}

    assert found == {
        "person.create": None,
        "person.update:notes": "notes",
        "detection.assign": None,
        f"person.split:{bob}": "Bob",
    }
    await api.manager.delete(f"/persons/{bob}")
    assert (await entries(api, action="person.split"))[0]["more"] == bob


async def test_entries_are_found_by_actor_action_and_time(api: Api) -> None:
    ada = await api.person("Ada")
    await api.manager.patch(f"/persons/{ada}", json={"notes": "tall"})
    await api.admin.patch(f"/persons/{ada}", json={"notes": "taller"})
    admin, manager = [await id_of(api, name) for name in ("admin", "manager")]
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    assert len(await entries(api, actor=manager)) == 2
    assert [item["actor"] for item in await entries(api, action="person.update")] == [
        "admin",
        "manager",
    ]
    assert len(await entries(api, actor=admin, action="person.update")) == 1
    assert await entries(api, action="person") == []
    assert len(await entries(api, to=soon)) == 3
    assert await entries(api, **{"from": soon}) == []


async def test_entries_come_in_pages(api: Api) -> None:
    for name in ("Ada", "Bob", "Cy"):
        await api.person(name)
    first = (await api.admin.get("/audit", params={"limit": 2})).json()
    rest = await api.admin.get("/audit", params={"limit": 2, "cursor": first["next_cursor"]})
    numbers = [item["number"] for item in (*first["items"], *rest.json()["items"])]
    assert sorted(numbers) == [1, 2, 3]
    assert rest.json()["next_cursor"] is None
    check_problem(await api.admin.get("/audit", params={"cursor": "wrong"}), 400)


async def test_chain_holds_until_an_entry_is_changed(api: Api) -> None:
    for name in ("Ada", "Bob", "Cy"):
        await api.person(name)
    whole = (await api.admin.get("/audit/chain")).json()
    assert (whole["intact"], whole["entries"], whole["broken_at"]) == (True, 3, None)
    assert whole["digest"] == (await entries(api))[0]["digest"]
    await api.database["audit"].update_one({"number": 2}, {"$set": {"actor": "somebody else"}})
    broken = (await api.admin.get("/audit/chain")).json()
    assert (broken["intact"], broken["entries"], broken["broken_at"]) == (False, 1, 2)
