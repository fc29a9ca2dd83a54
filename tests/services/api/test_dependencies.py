from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from usher.wire import CSRF_HEADER, SESSION_COOKIE

from .conftest import Api, check_problem, signed_in, upload


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Bearer wrong", "Basic YWRtaW46YWRtaW4=", "Bearer \u00e9", "x" * 4000],
)
async def test_request_is_not_authenticated_when_its_key_is_wrong(
    api: Api, authorization: str
) -> None:
    headers = {"authorization": authorization.encode("latin-1")}
    response = await api.nobody.get("/detections", headers=headers)
    check_problem(response, 401, "NotAuthenticated")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_key_is_taken_in_the_header_alone(api: Api) -> None:
    key = api.device.headers["authorization"].removeprefix("Bearer ")
    for query in (f"?key={key}", f"?access_token={key}", f"?authorization=Bearer%20{key}"):
        check_problem(await api.nobody.get(f"/detections{query}"), 401)
    check_problem(await api.nobody.get("/detections", headers={"cookie": f"key={key}"}), 401)


async def test_query_parameter_that_is_not_taken_is_refused_with_those_that_are(api: Api) -> None:
    await api.detection()
    wrong = await api.manager.get("/detections", params={"person": "p-1", "limit": 1})
    check_problem(wrong, 400, "InvalidInput")
    detail = wrong.json()["detail"]
    assert detail.startswith("there is no query parameter `person`: there are ")
    assert "camera_id, cursor, from, limit, " in detail

    none = await api.manager.post("/persons", params={"name": "Ada"}, json={"name": "Ada"})
    check_problem(none, 400, "InvalidInput")
    assert "none is taken here" in none.json()["detail"]
    assert (await api.manager.get("/persons")).json()["items"] == []


async def test_key_wins_when_a_session_comes_along(api: Api) -> None:
    headers = {"authorization": api.device.headers["authorization"]}
    check_problem(await api.admin.get("/detections", headers=headers), 403)


async def test_device_is_refused_at_once_when_its_key_is_revoked(api: Api) -> None:
    created = (await api.admin.post("/devices", json={"name": "door"})).json()
    async with api.client(headers={"Authorization": f"Bearer {created['key']}"}) as device:
        assert (await upload(device)).status_code == 201
        assert (await api.admin.delete(f"/devices/{created['id']}")).status_code == 204
        check_problem(await upload(device), 401, "NotAuthenticated")


async def test_keys_and_tokens_are_kept_as_hashes_alone(api: Api) -> None:
    created = (await api.admin.post("/devices", json={"name": "door"})).json()
    kept = [
        str(document)
        for name in await api.database.list_collection_names()
        async for document in api.database[name].find()
    ]
    assert not any(created["key"] in text for text in kept)
    assert not any(api.admin.cookies[SESSION_COOKIE] in text for text in kept)


@pytest.mark.parametrize("csrf", [None, "", "wrong", "\u00e9", "another's"])
async def test_changing_request_is_refused_when_the_csrf_token_is_wrong(
    api: Api, csrf: str | None
) -> None:
    token = api.viewer.headers[CSRF_HEADER] if csrf == "another's" else csrf
    headers = {} if token is None else {CSRF_HEADER: token.encode("latin-1")}
    cookies = {SESSION_COOKIE: api.admin.cookies[SESSION_COOKIE]}
    async with api.client(headers=headers, cookies=cookies) as client:
        for response in (
            await client.post("/persons", json={"name": "Ada"}),
            await client.patch("/persons/none", json={"name": "Ada"}),
            await client.delete("/persons/none"),
            await client.delete("/session"),
            await client.post("/identify"),
            await upload(client),
        ):
            check_problem(response, 403, "PermissionDenied")
        assert (await client.get("/persons")).json()["items"] == []


async def test_device_needs_no_csrf_token(api: Api) -> None:
    assert (await upload(api.device)).status_code == 201


@pytest.mark.parametrize("token", ["", "wrong", "x" * 4000, "%00"])
async def test_session_is_not_authenticated_when_its_token_is_wrong(api: Api, token: str) -> None:
    async with api.client(cookies={SESSION_COOKIE: token}) as client:
        check_problem(await client.get("/session"), 401, "NotAuthenticated")


async def test_session_ends_when_its_time_is_over(api: Api) -> None:
    user = await api.state.users.by_name("viewer")
    assert user is not None
    async with await signed_in(api.app, api.state, user, for_s=60) as client:
        assert (await client.get("/session")).status_code == 200
        past = datetime.now(UTC) - timedelta(seconds=1)
        await api.database["sessions"].update_many({}, {"$set": {"expires_at": past}})
        check_problem(await client.get("/session"), 401, "NotAuthenticated")


async def test_session_follows_when_the_users_role_changes_or_the_user_goes(api: Api) -> None:
    users = api.database["users"]
    await users.update_one({"username": "admin"}, {"$set": {"role": "viewer"}})
    check_problem(await api.admin.post("/persons", json={"name": "Ada"}), 403)
    await users.delete_one({"username": "manager"})
    check_problem(await api.manager.get("/persons"), 401)
