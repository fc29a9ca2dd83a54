from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

import httpx2
import pytest

from services.api.app import create_app
from tests.services.api.conftest import PASSWORD, Api, check_problem
from usher.settings import Settings
from usher.wire import API_PREFIX, BROWSER_COOKIE, CSRF_HEADER, SESSION_COOKIE

NEW_PASSWORD = "a new password of mine"


async def sign_in(
    client: httpx2.AsyncClient, username: str = "viewer", password: str = PASSWORD
) -> httpx2.Response:
    return await client.post("/session", json={"username": username, "password": password})


def from_address(api: Api, address: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(api.app, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url=f"http://usher.test{API_PREFIX}")


# ---- Signing in and out --------------------------------------------------------------------------


async def test_sign_in_opens_a_session_when_name_and_password_are_right(api: Api) -> None:
    response = await sign_in(api.nobody)
    assert response.status_code == 200
    body = response.json()
    assert (body["user"]["username"], body["user"]["role"]) == ("viewer", "viewer")
    assert (await api.nobody.get("/session")).json() == body
    assert (await api.nobody.get("/detections")).status_code == 200


@pytest.mark.parametrize("secure", [False, True])
async def test_cookie_is_out_of_reach_for_scripts_and_other_sites(
    own_api: Api, secure: bool
) -> None:
    own_api.state.settings.secure_cookies = secure
    response = await sign_in(own_api.nobody)
    cookies = SimpleCookie()
    for header in response.headers.get_list("set-cookie"):
        cookies.load(header)
    assert cookies.keys() == {SESSION_COOKIE, BROWSER_COOKIE}
    for morsel in cookies.values():
        assert len(morsel.value) >= 43
        assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "strict", "/")
        assert bool(morsel["secure"]) == secure
        assert morsel["domain"] == ""
        assert morsel.value not in response.text
    assert 0 < int(cookies[SESSION_COOKIE]["max-age"]) <= 12 * 3600


async def test_sign_in_opens_another_session_each_time(api: Api) -> None:
    tokens = {(await sign_in(api.nobody)).cookies[SESSION_COOKIE] for _ in range(2)}
    assert len(tokens) == 2


@pytest.mark.parametrize(
    ("username", "password"),
    [("viewer", "wrong"), ("nobody", PASSWORD), ("Viewer", PASSWORD), ("viewer", PASSWORD + " ")],
)
async def test_sign_in_is_refused_in_the_same_words_whatever_is_wrong(
    api: Api, username: str, password: str
) -> None:
    response = await sign_in(api.nobody, username, password)
    detail = check_problem(response, 401, "NotAuthenticated")
    assert detail == "the name or the password is wrong"
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"username": "admin"},
        {"username": {"$ne": ""}, "password": {"$ne": ""}},
        {"username": "a" * 65, "password": "x"},
        {"username": "admin", "password": "x" * 257},
    ],
)
async def test_sign_in_is_refused_when_the_body_is_wrong(api: Api, body: dict[str, object]) -> None:
    check_problem(await api.nobody.post("/session", json=body), 422)


async def test_sign_out_ends_the_session(api: Api) -> None:
    response = await api.viewer.delete("/session")
    assert response.status_code == 204
    assert f'{SESSION_COOKIE}=""' in response.headers["set-cookie"]
    check_problem(await api.viewer.get("/session"), 401)
    assert (await api.manager.get("/session")).status_code == 200


# ---- Throttling ----------------------------------------------------------------------------------


async def test_account_has_to_wait_when_ten_attempts_failed_from_anywhere(api: Api) -> None:
    for n in range(10):
        async with from_address(api, f"10.0.0.{n}") as client:
            check_problem(await sign_in(client, password="wrong"), 401)
    async with from_address(api, "10.0.1.1") as client:
        response = await sign_in(client)
        check_problem(response, 429, "TooManyRequests")
        assert 0 < int(response.headers["retry-after"]) <= 900
        assert (await sign_in(client, "manager")).status_code == 200


async def test_address_has_to_wait_when_ten_attempts_failed_with_any_names(api: Api) -> None:
    async with from_address(api, "10.0.0.1") as client:
        for n in range(10):
            check_problem(await sign_in(client, f"user{n}"), 401)
        check_problem(await sign_in(client), 429)
    async with from_address(api, "10.0.0.2") as client:
        assert (await sign_in(client)).status_code == 200


async def test_nobody_is_kept_out_of_a_browser_where_they_have_signed_in(api: Api) -> None:
    async with from_address(api, "10.0.0.1") as known, from_address(api, "10.0.0.2") as stranger:
        assert (await sign_in(known)).status_code == 200
        for _ in range(10):
            check_problem(await sign_in(stranger, password="wrong"), 401)
        check_problem(await sign_in(stranger), 429)
        assert (await sign_in(known)).status_code == 200


async def test_browser_is_known_for_its_own_user_alone_and_not_without_end(api: Api) -> None:
    async with from_address(api, "10.0.0.1") as known:
        assert (await sign_in(known)).status_code == 200
        for _ in range(10):
            check_problem(await sign_in(known, "manager", "wrong"), 401)
        check_problem(await sign_in(known, "manager"), 429)
        for _ in range(10):
            check_problem(await sign_in(known, password="wrong"), 401)
        check_problem(await sign_in(known), 429)


async def test_no_browser_is_known_any_more_when_the_password_has_changed(api: Api) -> None:
    assert (await sign_in(api.nobody)).status_code == 200
    await api.state.users.update((await id_of(api)), {"password_hash": "another"})
    assert await api.database["browsers"].count_documents({}) == 0


async def id_of(api: Api, username: str = "viewer") -> str:
    user = await api.state.users.by_name(username)
    assert user is not None
    return user.id


async def test_attempts_count_each_other_when_they_come_side_by_side(api: Api) -> None:
    responses = await asyncio.gather(
        *(sign_in(api.nobody, password=f"guess {n}") for n in range(40))
    )
    statuses = [response.status_code for response in responses]
    assert statuses.count(401) <= 10
    assert statuses.count(429) == 40 - statuses.count(401)


async def test_refused_attempts_do_not_make_the_wait_longer(api: Api) -> None:
    for _ in range(15):
        await sign_in(api.nobody, password="wrong")
    assert await api.database["sign_in_failures"].count_documents({}) == 10


async def test_account_may_try_again_when_the_time_is_over(api: Api) -> None:
    for _ in range(10):
        await sign_in(api.nobody, password="wrong")
    long_ago = datetime.now(UTC) - timedelta(minutes=15, seconds=1)
    await api.database["sign_in_failures"].update_many({}, {"$set": {"at": long_ago}})
    assert (await sign_in(api.nobody)).status_code == 200


async def test_failures_are_forgotten_when_a_sign_in_succeeds(api: Api) -> None:
    for _ in range(9):
        await sign_in(api.nobody, password="wrong")
    assert (await sign_in(api.nobody)).status_code == 200
    assert await api.database["sign_in_failures"].count_documents({}) == 0


async def test_account_still_has_to_wait_when_the_api_starts_again(api: Api) -> None:
    for _ in range(10):
        await sign_in(api.nobody, password="wrong")
    settings = Settings(data=api.state.settings.data, admin_dist=api.state.settings.data)
    again = create_app(settings, api.database)
    async with again.router.lifespan_context(again):
        transport = httpx2.ASGITransport(again)
        base_url = f"http://usher.test{API_PREFIX}"
        async with httpx2.AsyncClient(transport=transport, base_url=base_url) as client:
            check_problem(await sign_in(client), 429)


# ---- Passwords -----------------------------------------------------------------------------------


async def test_password_change_ends_every_session_and_the_old_password(api: Api) -> None:
    other = (await sign_in(api.nobody)).json()
    change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert (await api.viewer.post("/session/password", json=change)).status_code == 204
    check_problem(await api.viewer.get("/session"), 401)
    csrf = {CSRF_HEADER: other["csrf_token"]}
    check_problem(await api.nobody.get("/session", headers=csrf), 401)
    assert (await api.manager.get("/session")).status_code == 200
    check_problem(await sign_in(api.nobody), 401)
    assert (await sign_in(api.nobody, password=NEW_PASSWORD)).status_code == 200


async def test_password_stays_when_the_current_one_is_wrong(api: Api) -> None:
    change = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    detail = check_problem(await api.viewer.post("/session/password", json=change), 401)
    assert detail == "the current password is wrong"
    assert (await sign_in(api.nobody)).status_code == 200


async def test_password_cannot_be_guessed_through_its_change(api: Api) -> None:
    change = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    for _ in range(10):
        check_problem(await api.viewer.post("/session/password", json=change), 401)
    right = {**change, "current_password": PASSWORD}
    check_problem(await api.viewer.post("/session/password", json=right), 429)


@pytest.mark.parametrize("password", ["", "elevenchars", "x" * 257])
async def test_password_is_refused_when_it_is_too_short_or_long(api: Api, password: str) -> None:
    change = {"current_password": PASSWORD, "new_password": password}
    check_problem(await api.viewer.post("/session/password", json=change), 422)


async def test_machines_have_no_session(api: Api) -> None:
    check_problem(await api.notifier.get("/session"), 403)
    check_problem(await api.device.post("/session/password", json={}), 403)


async def test_audit_names_no_password_and_no_name(api: Api) -> None:
    await sign_in(api.nobody)
    entries = [str(entry) async for entry in api.database["audit"].find()]
    assert len(entries) == 1
    assert PASSWORD not in entries[0]
    assert "viewer" not in entries[0]
