from __future__ import annotations

import asyncio
from contextlib import aclosing

import httpx2
import pytest

from tests.services.api.conftest import PASSWORD, Api, check_problem
from usher.wire import CSRF_HEADER

NEW_PASSWORD = "a new password of mine"


async def add(api: Api, username: str = "ada", **fields: object) -> dict[str, str]:
    response = await api.admin.post("/users", json={"username": username, **fields})
    assert response.status_code == 201, response.text
    created: dict[str, str] = response.json()
    return created


async def enter(api: Api, username: str, password: str) -> httpx2.AsyncClient:
    """A client in which somebody has signed in; close it."""
    client = api.client()
    response = await client.post("/session", json={"username": username, "password": password})
    assert response.status_code == 200, response.text
    client.headers[CSRF_HEADER] = response.json()["csrf_token"]
    return client


async def settled(api: Api, username: str = "ada", **fields: object) -> httpx2.AsyncClient:
    """A client of a new user who has changed the password that was given."""
    created = await add(api, username, **fields)
    async with aclosing(await enter(api, username, created["password"])) as client:
        change = {"current_password": created["password"], "new_password": NEW_PASSWORD}
        assert (await client.post("/session/password", json=change)).status_code == 204
    return await enter(api, username, NEW_PASSWORD)


async def id_of(api: Api, username: str) -> str:
    user = await api.state.users.by_name(username)
    assert user is not None
    return user.id


# ---- Adding --------------------------------------------------------------------------------------


async def test_password_of_a_new_user_is_shown_once_and_kept_as_a_hash(api: Api) -> None:
    created = await add(api, role="manager", cameras=["door", "yard", "door"])
    password = created.pop("password")
    assert (created["username"], created["role"]) == ("ada", "manager")
    assert (created["cameras"], created["disabled"]) == (["door", "yard"], False)
    listed = await api.admin.get("/users")
    assert created in listed.json()["items"]
    assert password not in listed.text
    kept = [str(document) async for document in api.database["users"].find()]
    assert not any(password in text for text in kept)


async def test_new_user_may_nothing_before_the_password_is_changed(api: Api) -> None:
    created = await add(api)
    async with aclosing(await enter(api, "ada", created["password"])) as client:
        assert (await client.get("/session")).json()["user"]["must_renew"] is True
        detail = check_problem(await client.get("/detections"), 403, "PermissionDenied")
        assert "change the password" in detail
        same = {"current_password": created["password"], "new_password": created["password"]}
        check_problem(await client.post("/session/password", json=same), 409)
        change = {**same, "new_password": NEW_PASSWORD}
        assert (await client.post("/session/password", json=change)).status_code == 204
    async with aclosing(await enter(api, "ada", NEW_PASSWORD)) as client:
        assert (await client.get("/session")).json()["user"]["must_renew"] is False
        assert (await client.get("/detections")).status_code == 200


async def test_user_is_refused_when_the_name_is_taken(api: Api) -> None:
    check_problem(await api.admin.post("/users", json={"username": "viewer"}), 409, "Conflict")
    path = f"/users/{await id_of(api, 'manager')}"
    check_problem(await api.admin.patch(path, json={"username": "viewer"}), 409, "Conflict")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": " "},
        {"username": "x" * 65},
        {"username": "a\nb"},
        {"username": "ada", "role": "device"},
        {"username": "ada", "role": "notifier"},
        {"username": "ada", "cameras": ["no such name"]},
        {"username": "ada", "password": "of the admin's choice"},
    ],
)
async def test_user_is_refused_when_the_body_is_wrong(api: Api, body: dict[str, object]) -> None:
    check_problem(await api.admin.post("/users", json=body), 422)


async def test_admin_has_no_cameras_of_their_own(api: Api) -> None:
    body = {"username": "ada", "role": "admin", "cameras": ["door"]}
    check_problem(await api.admin.post("/users", json=body), 400, "InvalidInput")
    created = await add(api, role="viewer", cameras=["door"])
    promoted = await api.admin.patch(f"/users/{created['id']}", json={"role": "admin"})
    assert promoted.json()["cameras"] == []


# ---- Changing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [{"role": "viewer"}, {"cameras": ["door"]}, {"disabled": True}, {"role": "admin"}]
)
async def test_sessions_end_at_once_when_role_or_scope_changes(
    api: Api, change: dict[str, object]
) -> None:
    path = f"/users/{await id_of(api, 'manager')}"
    assert (await api.manager.get("/session")).status_code == 200
    assert (await api.admin.patch(path, json=change)).status_code == 200
    check_problem(await api.manager.get("/session"), 401)
    assert (await api.viewer.get("/session")).status_code == 200


async def test_sessions_stay_when_nothing_changes_but_the_name(api: Api) -> None:
    path = f"/users/{await id_of(api, 'manager')}"
    body = {"username": "Mia", "role": "manager", "cameras": [], "disabled": False}
    assert (await api.admin.patch(path, json=body)).json()["username"] == "Mia"
    assert (await api.manager.get("/session")).json()["user"]["username"] == "Mia"


async def test_sessions_and_the_old_password_end_when_it_is_reset(api: Api) -> None:
    user_id = await id_of(api, "manager")
    response = await api.admin.post(f"/users/{user_id}/password")
    password = response.json()["password"]
    check_problem(await api.manager.get("/session"), 401)
    old = {"username": "manager", "password": PASSWORD}
    check_problem(await api.nobody.post("/session", json=old), 401)
    async with aclosing(await enter(api, "manager", password)) as client:
        assert (await client.get("/session")).json()["user"]["must_renew"] is True


async def test_disabled_user_cannot_sign_in_and_may_again_when_enabled(api: Api) -> None:
    path = f"/users/{await id_of(api, 'viewer')}"
    await api.admin.patch(path, json={"disabled": True})
    credentials = {"username": "viewer", "password": PASSWORD}
    detail = check_problem(await api.nobody.post("/session", json=credentials), 401)
    assert detail == "the name or the password is wrong"
    await api.admin.patch(path, json={"disabled": False})
    assert (await api.nobody.post("/session", json=credentials)).status_code == 200


async def test_user_is_gone_with_sessions_and_tokens_when_removed(api: Api) -> None:
    key = (await api.manager.post("/tokens", json={"name": "till"})).json()["key"]
    user_id = await id_of(api, "manager")
    assert (await api.admin.delete(f"/users/{user_id}")).status_code == 204
    check_problem(await api.manager.get("/session"), 401)
    headers = {"Authorization": f"Bearer {key}"}
    check_problem(await api.nobody.get("/detections", headers=headers), 401)
    for name in ("sessions", "tokens"):
        assert await api.database[name].count_documents({"user_id": user_id}) == 0
    check_problem(await api.admin.delete(f"/users/{user_id}"), 404, "NotFound")
    check_problem(await api.admin.patch(f"/users/{user_id}", json={"role": "admin"}), 404)
    check_problem(await api.admin.post(f"/users/{user_id}/password"), 404)


# ---- The last admin ------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"role": "manager"}, {"disabled": True}, None])
async def test_last_admin_stays_one(api: Api, change: dict[str, object] | None) -> None:
    path = f"/users/{await id_of(api, 'admin')}"
    other = await add(api, "other", role="admin")
    await api.admin.patch(f"/users/{other['id']}", json={"disabled": True})

    refused = (
        await api.admin.delete(path) if change is None else await api.admin.patch(path, json=change)
    )

    assert "last admin" in check_problem(refused, 409, "Conflict")
    assert (await api.admin.get("/session")).json()["user"]["role"] == "admin"


async def test_one_admin_stays_when_two_demote_each_other_at_once(api: Api) -> None:
    async with aclosing(await settled(api, "other", role="admin")) as other:
        paths = [f"/users/{await id_of(api, name)}" for name in ("other", "admin")]
        responses = await asyncio.gather(
            *(
                client.patch(path, json={"role": "viewer"})
                for client, path in zip((api.admin, other), paths, strict=True)
            )
        )
    assert 200 in [response.status_code for response in responses]
    assert await api.database["users"].count_documents({"role": "admin"}) == 1
