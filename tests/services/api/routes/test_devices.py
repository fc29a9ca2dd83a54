from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.services.api.conftest import Api, check_problem, upload
from usher.wire import API_PREFIX


async def test_device_key_is_shown_once(api: Api) -> None:
    created = await api.admin.post("/devices", json={"name": "door"})
    assert created.status_code == 201
    device = created.json()
    key = device.pop("key")
    assert (device["name"], device["role"]) == ("door", "device")
    listed = await api.manager.get("/devices")
    assert device in listed.json()["items"]
    assert key not in listed.text


async def test_device_may_be_a_notifier_when_asked_for(api: Api) -> None:
    body = {"name": "bot", "role": "notifier"}
    key = (await api.admin.post("/devices", json=body)).json()["key"]
    async with api.client(headers={"Authorization": f"Bearer {key}"}) as notifier:
        body = {"channels": ["chat"]}
        assert (await notifier.post("/alerts/deliveries/claim", json=body)).status_code == 200
        check_problem(await upload(notifier), 403)


@pytest.mark.parametrize("role", ["admin", "manager", "viewer", "", None])
async def test_device_gets_no_role_of_a_person(api: Api, role: str | None) -> None:
    body = {"name": "door", "role": role}
    check_problem(await api.admin.post("/devices", json=body), 422)


async def test_device_shows_the_cameras_of_its_key(api: Api) -> None:
    body = {"name": "two doors", "cameras": ["yard", "door", "yard"]}
    created = (await api.admin.post("/devices", json=body)).json()
    assert created["cameras"] == ["door", "yard"]
    listed = (await api.manager.get("/devices")).json()["items"]
    cameras = {one["id"]: one["cameras"] for one in listed}
    assert cameras.pop(created["id"]) == ["door", "yard"]
    assert cameras and not any(cameras.values())


async def test_device_is_for_any_camera_when_it_is_older_than_keys_for_some(api: Api) -> None:
    async with await api.device_for("door") as device:
        check_problem(await upload(device, camera_id="yard"), 403, "CameraDenied")
        await api.database["devices"].update_many({}, {"$unset": {"cameras": ""}})
        assert (await upload(device, camera_id="yard")).status_code == 201


async def test_notifier_is_refused_when_cameras_are_named(api: Api) -> None:
    body = {"name": "bot", "role": "notifier", "cameras": ["door"]}
    detail = check_problem(await api.admin.post("/devices", json=body), 400, "InvalidInput")
    assert "leave `cameras` out" in detail
    assert await api.database["devices"].count_documents({"name": "bot"}) == 0


@pytest.mark.parametrize("path", ["/devices", "/pairing-codes"])
@pytest.mark.parametrize("cameras", [None, "door", ["no such name"], ["door"] * 101])
async def test_key_is_not_made_when_its_cameras_are_wrong(
    api: Api, path: str, cameras: object
) -> None:
    check_problem(await api.admin.post(path, json={"name": "door", "cameras": cameras}), 422)


async def test_device_is_not_found_when_there_is_none(api: Api) -> None:
    check_problem(await api.admin.delete("/devices/none"), 404, "NotFound")


# ---- Pairing -------------------------------------------------------------------------------------


async def new_code(api: Api, name: str = "Front door", **fields: object) -> dict[str, str]:
    response = await api.admin.post("/pairing-codes", json={"name": name, **fields})
    assert response.status_code == 201, response.text
    created: dict[str, str] = response.json()
    return created


async def pair(client: httpx2.AsyncClient, code: str) -> httpx2.Response:
    return await client.post("/pair", json={"code": code})


def from_address(api: Api, address: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(api.app, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url=f"http://usher.test{API_PREFIX}")


async def test_code_is_short_unambiguous_and_good_for_ten_minutes(api: Api) -> None:
    created = await new_code(api)
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", created["code"])
    left = datetime.fromisoformat(created["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9, seconds=50) < left <= timedelta(minutes=10)
    assert (created["name"], created["device_id"]) == ("Front door", None)


async def test_code_fetches_a_key_that_may_upload_when_a_device_pairs(api: Api) -> None:
    created = await new_code(api)
    response = await pair(api.nobody, created["code"])
    assert response.status_code == 201
    device = response.json()
    key = device.pop("key")
    assert (device["name"], device["role"]) == ("Front door", "device")
    async with api.client(headers={"Authorization": f"Bearer {key}"}) as paired:
        assert (await upload(paired)).status_code == 201
        check_problem(await paired.get("/detections"), 403)
    listed = (await api.manager.get("/devices")).json()["items"]
    assert device["id"] in [one["id"] for one in listed]


async def test_code_hands_its_cameras_on_when_a_device_pairs(api: Api) -> None:
    created = await new_code(api, cameras=["yard", "door"])
    assert created["cameras"] == ["door", "yard"]
    device = (await pair(api.nobody, created["code"])).json()
    assert device["cameras"] == ["door", "yard"]
    async with api.client(headers={"Authorization": f"Bearer {device['key']}"}) as paired:
        assert (await upload(paired, camera_id="yard")).status_code == 201
        check_problem(await upload(paired, camera_id="gate"), 403, "CameraDenied")


async def test_code_says_which_device_has_used_it(api: Api) -> None:
    created = await new_code(api)
    path = f"/pairing-codes/{created['id']}"
    waiting = await api.admin.get(path)
    assert waiting.json() == {name: value for name, value in created.items() if name != "code"}
    device_id = (await pair(api.nobody, created["code"])).json()["id"]
    assert (await api.admin.get(path)).json()["device_id"] == device_id
    check_problem(await api.admin.get("/pairing-codes/none"), 404, "NotFound")


@pytest.mark.parametrize("written", ["{}", " {} ", "lower", "no dash", "spaces", "misread"])
async def test_code_is_taken_however_it_is_typed(api: Api, written: str) -> None:
    code = (await new_code(api))["code"]
    typed = {
        "lower": code.lower(),
        "no dash": code.replace("-", ""),
        "spaces": code.replace("-", " "),
        "misread": code.replace("0", "O").replace("1", "l"),
    }
    assert (await pair(api.nobody, typed.get(written, written.format(code)))).status_code == 201


async def test_code_is_refused_in_the_same_words_whatever_is_wrong(api: Api) -> None:
    used, expired = await new_code(api), await new_code(api)
    await pair(api.nobody, used["code"])
    past = datetime.now(UTC) - timedelta(seconds=1)
    await api.database["pairing_codes"].update_one(
        {"_id": expired["id"]}, {"$set": {"expires_at": past}}
    )
    details = {
        check_problem(await pair(api.nobody, code), 401, "NotAuthenticated")
        for code in (used["code"], expired["code"], "0000-0000", "short", "ÄÖÜß-ÄÖÜß")
    }
    assert len(details) == 1
    assert await api.database["devices"].count_documents({"name": "Front door"}) == 1


async def test_code_makes_one_device_when_many_come_with_it_at_once(api: Api) -> None:
    code = (await new_code(api))["code"]
    clients = [from_address(api, f"10.0.0.{n}") for n in range(8)]
    responses = await asyncio.gather(*(pair(client, code) for client in clients))
    await asyncio.gather(*(client.aclose() for client in clients))
    assert sorted(response.status_code for response in responses) == [201] + [401] * 7
    assert await api.database["devices"].count_documents({"name": "Front door"}) == 1


async def test_code_and_key_are_kept_as_hashes_alone(api: Api) -> None:
    waiting, used = await new_code(api), await new_code(api)
    key = (await pair(api.nobody, used["code"])).json()["key"]
    kept = [
        str(document)
        for name in await api.database.list_collection_names()
        async for document in api.database[name].find()
    ]
    secrets = [key, *(one["code"] for one in (waiting, used))]
    secrets += [code.replace("-", "") for code in secrets[1:]]
    assert not [text for text in kept if any(secret in text for secret in secrets)]
    assert await api.database["pairing_codes"].count_documents({"code_hash": {"$ne": None}}) == 1


async def test_address_has_to_wait_when_it_guessed_ten_codes(api: Api) -> None:
    code = (await new_code(api))["code"]
    async with from_address(api, "10.0.0.1") as guesser, from_address(api, "10.0.0.2") as other:
        for n in range(10):
            check_problem(await pair(guesser, f"{n:08}"), 401)
        response = await pair(guesser, code)
        check_problem(response, 429, "TooManyRequests")
        assert 0 < int(response.headers["retry-after"]) <= 900
        assert (await pair(other, code)).status_code == 201


async def test_guesses_count_each_other_when_they_come_side_by_side(api: Api) -> None:
    responses = await asyncio.gather(*(pair(api.nobody, f"{n:08}") for n in range(40)))
    statuses = [response.status_code for response in responses]
    assert statuses.count(401) <= 10
    assert statuses.count(429) == 40 - statuses.count(401)


async def test_everybody_has_to_wait_when_two_hundred_codes_were_guessed(api: Api) -> None:
    code = (await new_code(api))["code"]
    now = datetime.now(UTC)
    failures = [{"keys": [f"pairing-address:10.0.{n}.1", "pairing"], "at": now} for n in range(200)]
    await api.database["sign_in_failures"].insert_many(failures)
    check_problem(await pair(api.nobody, code), 429, "TooManyRequests")
    await api.database["sign_in_failures"].delete_one({"keys": "pairing"})
    assert (await pair(api.nobody, code)).status_code == 201


async def test_pairing_does_not_count_against_signing_in_nor_when_it_succeeds(api: Api) -> None:
    for _ in range(11):
        assert (await pair(api.nobody, (await new_code(api))["code"])).status_code == 201
    assert await api.database["sign_in_failures"].count_documents({}) == 0
    for n in range(10):
        check_problem(await pair(api.nobody, f"{n:08}"), 401)
    wrong = {"username": "viewer", "password": "wrong"}
    check_problem(await api.nobody.post("/session", json=wrong), 401)


async def test_pairing_is_in_the_audit_without_names_and_codes(api: Api) -> None:
    created = await new_code(api, "Canary door")
    device_id = (await pair(api.nobody, created["code"])).json()["id"]
    admin = (await api.admin.get("/session")).json()["user"]["id"]
    entries = [entry async for entry in api.database["audit"].find().sort("at", 1)]
    found = [(entry["actor"], entry["action"], entry["subject"]) for entry in entries]
    assert found == [
        (admin, "pairing-code.create", created["id"]),
        (admin, f"device.pair:{created['id']}", device_id),
    ]
    assert not any(word in str(entries) for word in ("Canary", created["code"]))


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x" * 121}, {"name": "a", "b": 1}])
async def test_code_is_not_made_when_the_name_is_wrong(api: Api, body: dict[str, object]) -> None:
    check_problem(await api.admin.post("/pairing-codes", json=body), 422)


@pytest.mark.parametrize("body", [{}, {"code": ""}, {"code": {"$ne": ""}}, {"code": "x" * 33}])
async def test_pairing_is_refused_when_the_body_is_wrong(api: Api, body: dict[str, object]) -> None:
    check_problem(await api.nobody.post("/pair", json=body), 422)


async def test_codes_are_removed_by_an_index_after_they_expired(api: Api) -> None:
    information = await api.database["pairing_codes"].index_information()
    (lasting,) = [
        index["expireAfterSeconds"]
        for index in information.values()
        if index["key"] == [("expires_at", 1)]
    ]
    assert lasting == 600
