from __future__ import annotations

import pytest

from tests.services.api.conftest import Api, check_problem, upload


async def test_camera_is_known_when_it_saw_somebody(api: Api) -> None:
    await api.detection(camera_id="yard", captured_at="2026-11-22T12:00:05Z")
    await api.detection(camera_id="yard", captured_at="2026-11-22T12:00:00Z")
    (camera,) = (await api.viewer.get("/cameras")).json()["items"]
    assert (camera["id"], camera["name"], camera["managers"]) == ("yard", "yard", [])
    assert camera["last_seen_at"] == "2026-11-22T12:00:05Z"


async def test_camera_keeps_what_is_left_out_when_changed(api: Api) -> None:
    await api.detection(camera_id="yard")
    await api.manager.patch("/cameras/yard", json={"name": "Back yard"})
    camera = (await api.manager.patch("/cameras/yard", json={"managers": ["@ann", "@bob"]})).json()
    assert (camera["name"], camera["managers"]) == ("Back yard", ["@ann", "@bob"])
    assert (await api.manager.patch("/cameras/yard", json={"managers": []})).json() == {
        **camera,
        "managers": [],
    }


async def test_camera_stays_as_it_is_when_nothing_is_changed(api: Api) -> None:
    await api.detection(camera_id="yard")
    (camera,) = (await api.viewer.get("/cameras")).json()["items"]
    assert (await api.manager.patch("/cameras/yard", json={})).json() == camera


async def test_camera_is_not_found_when_it_never_saw_anybody(api: Api) -> None:
    for body in ({}, {"name": "Yard"}):
        check_problem(await api.manager.patch("/cameras/none", json=body), 404, "NotFound")
    assert (await api.viewer.get("/cameras")).json()["items"] == []


@pytest.mark.parametrize("body", [{"name": ""}, {"managers": ["@x"] * 51}, {"id": "other"}])
async def test_camera_change_is_refused_when_it_is_wrong(api: Api, body: dict[str, object]) -> None:
    await api.detection(camera_id="yard")
    check_problem(await api.manager.patch("/cameras/yard", json=body), 422)


# ---- Devices -------------------------------------------------------------------------------------


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
        assert (await notifier.post("/alerts/claim", json={})).status_code == 200
        check_problem(await upload(notifier), 403)


@pytest.mark.parametrize("role", ["admin", "manager", "viewer", "", None])
async def test_device_gets_no_role_of_a_person(api: Api, role: str | None) -> None:
    body = {"name": "door", "role": role}
    check_problem(await api.admin.post("/devices", json=body), 422)


async def test_device_is_not_found_when_there_is_none(api: Api) -> None:
    check_problem(await api.admin.delete("/devices/none"), 404, "NotFound")
