from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.services.api.conftest import Api, check_problem, upload
from tests.services.api.routes.test_users import id_of, settled


async def make(client: httpx2.AsyncClient, **fields: object) -> dict[str, str]:
    response = await client.post("/tokens", json={"name": "till", **fields})
    assert response.status_code == 201, response.text
    created: dict[str, str] = response.json()
    return created


def bearer(created: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {created['key']}"}


async def test_token_is_shown_once_and_kept_as_a_hash(api: Api) -> None:
    created = await make(api.manager, role="manager")
    key = created.pop("key")
    assert (created["name"], created["role"], created["username"]) == ("till", "manager", "manager")
    listed = await api.manager.get("/tokens")
    assert listed.json()["items"] == [created]
    assert key not in listed.text
    kept = [str(document) async for document in api.database["tokens"].find()]
    assert not any(key in text for text in kept)


async def test_token_acts_without_a_session_and_says_when_it_was_used(api: Api) -> None:
    created = await make(api.manager, role="manager")
    assert (await api.manager.get("/tokens")).json()["items"][0]["last_used_at"] is None
    async with api.client(headers=bearer(created)) as client:
        assert (await client.post("/persons", json={"name": "Ada"})).status_code == 201
        assert (await upload(client)).status_code == 201
    (listed,) = (await api.manager.get("/tokens")).json()["items"]
    used = datetime.now(UTC) - datetime.fromisoformat(listed["last_used_at"])
    assert timedelta(0) <= used < timedelta(minutes=1)
    entry = await api.database["audit"].find_one({"kind": "person.create"})
    assert entry is not None and entry["actor"] == created["id"]


@pytest.mark.parametrize(("maker", "role"), [("viewer", "manager"), ("manager", "admin")])
async def test_token_may_not_more_than_its_maker(api: Api, maker: str, role: str) -> None:
    client = {"viewer": api.viewer, "manager": api.manager}[maker]
    body = {"name": "till", "role": role}
    check_problem(await client.post("/tokens", json=body), 403, "PermissionDenied")
    assert (await client.get("/tokens")).json()["items"] == []


async def test_token_follows_when_its_maker_may_less(api: Api) -> None:
    created = await make(api.manager, role="manager")
    path = f"/users/{await id_of(api, 'manager')}"
    ada = {"name": "Ada"}
    async with api.client(headers=bearer(created)) as client:
        assert (await client.post("/persons", json=ada)).status_code == 201
        await api.admin.patch(path, json={"role": "viewer"})
        check_problem(await client.post("/persons", json=ada), 403)
        assert (await client.get("/persons")).status_code == 200
        await api.admin.patch(path, json={"disabled": True})
        check_problem(await client.get("/persons"), 401)


async def test_token_sees_only_what_its_cameras_and_its_makers_share(api: Api) -> None:
    for camera_id in ("door", "yard", "cellar"):
        await api.detection(camera_id=camera_id)
    async with aclosing(await settled(api, role="manager", cameras=["door", "yard"])) as ada:
        check_problem(await ada.post("/tokens", json={"name": "x", "cameras": ["cellar"]}), 403)
        narrow, wide = await make(ada, cameras=["yard"]), await make(ada)
        path = f"/users/{await id_of(api, 'ada')}"
        await api.admin.patch(path, json={"cameras": ["door"]})

    seen = {}
    for name, created in (("narrow", narrow), ("wide", wide)):
        found = (await api.nobody.get("/detections", headers=bearer(created))).json()["items"]
        seen[name] = [item["camera_id"] for item in found]
    assert seen == {"narrow": [], "wide": ["door"]}


async def test_token_is_refused_when_it_has_expired(api: Api) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    created = await make(api.viewer, expires_at=soon.isoformat())
    assert (await api.nobody.get("/persons", headers=bearer(created))).status_code == 200
    past = datetime.now(UTC) - timedelta(seconds=1)
    await api.database["tokens"].update_one({}, {"$set": {"expires_at": past}})
    check_problem(await api.nobody.get("/persons", headers=bearer(created)), 401)
    body = {"name": "till", "expires_at": past.isoformat()}
    check_problem(await api.viewer.post("/tokens", json=body), 400, "InvalidInput")


async def test_token_is_revoked_by_its_maker_or_an_admin_alone(api: Api) -> None:
    first, second = await make(api.manager), await make(api.manager)
    assert (await api.viewer.get("/tokens")).json()["items"] == []
    check_problem(await api.viewer.delete(f"/tokens/{first['id']}"), 404, "NotFound")
    assert len((await api.admin.get("/tokens")).json()["items"]) == 2
    assert (await api.manager.delete(f"/tokens/{first['id']}")).status_code == 204
    assert (await api.admin.delete(f"/tokens/{second['id']}")).status_code == 204
    for created in (first, second):
        check_problem(await api.nobody.get("/persons", headers=bearer(created)), 401)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "role": "device"},
        {"name": "x", "cameras": ["no such name"]},
        {"name": "x", "expires_at": "tomorrow"},
    ],
)
async def test_token_is_refused_when_the_body_is_wrong(api: Api, body: dict[str, object]) -> None:
    check_problem(await api.admin.post("/tokens", json=body), 422)


async def test_token_of_an_admin_is_not_narrowed_to_cameras(api: Api) -> None:
    body = {"name": "till", "role": "admin", "cameras": ["door"]}
    check_problem(await api.admin.post("/tokens", json=body), 400, "InvalidInput")


async def test_token_rests_while_its_maker_has_a_password_to_change(api: Api) -> None:
    created = await make(api.manager, role="manager")
    async with api.client(headers=bearer(created)) as client:
        assert (await client.get("/persons")).status_code == 200
        path = f"/users/{await id_of(api, 'manager')}/password"
        assert (await api.admin.post(path)).is_success
        check_problem(await client.get("/persons"), 401, "NotAuthenticated")
