from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from services.api.pictures import sweep_frames
from tests.services.api import pictures
from tests.services.api.conftest import Api, check_problem
from usher import wire
from usher.storage.documents import milliseconds
from usher.wire import API_PREFIX


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


# ---- Reports -------------------------------------------------------------------------------------

SINCE = "2026-11-22T11:58:00Z"
RATES = {
    "fps": 14.9,
    "detector_fps": 6.0,
    "skipped": 12,
    "faces": 40,
    "tracks": 3,
    "stage_ms": {"detect": 21.5, "track": 1.25},
}
BOOKS = {"produced": 9, "delivered": 5, "dropped": 1, "refused": 1, "pending": 2, "bytes": 48_000}
FROZEN = {
    "state": "frozen",
    "since": SINCE,
    "reason": "the same picture for 20 s",
    "rates": RATES,
    "spool": BOOKS,
    "width": 1280,
    "height": 720,
}
GPS = pictures.GPS


async def report(
    client: httpx2.AsyncClient,
    camera_id: str = "yard",
    *,
    frame: bytes | None = None,
    **fields: object,
) -> httpx2.Response:
    """Post what a device says of a camera."""
    said = json.dumps({"state": "live", "since": SINCE, **fields})
    files: dict[str, tuple[str | None, bytes]] = {"report": (None, said.encode())}
    if frame is not None:
        files["frame"] = ("frame", frame)
    return await client.post(f"/cameras/{camera_id}/report", files=files)


async def camera_of(api: Api, camera_id: str = "yard") -> dict[str, Any]:
    listed: list[dict[str, Any]] = (await api.viewer.get("/cameras")).json()["items"]
    (camera,) = [camera for camera in listed if camera["id"] == camera_id]
    return camera


async def silent_for(api: Api, seconds: float) -> datetime:
    """Make the last report as old as that; when it was."""
    at = milliseconds(datetime.now(UTC) - timedelta(seconds=seconds))
    await api.database["cameras"].update_many({}, {"$set": {"reported_at": at}})
    return at


async def test_camera_is_known_and_shown_as_reported_when_it_is_new(api: Api) -> None:
    assert (await report(api.device, **FROZEN)).status_code == 200
    camera = await camera_of(api)
    assert (camera["name"], camera["managers"], camera["last_seen_at"]) == ("yard", [], None)
    assert (camera["state"], camera["state_since"]) == ("frozen", SINCE)
    assert {name: camera[name] for name in FROZEN if name not in ("state", "since")} == {
        name: value for name, value in FROZEN.items() if name not in ("state", "since")
    }
    assert (camera["has_frame"], camera["frame_at"]) == (False, None)
    devices = (await api.manager.get("/devices")).json()["items"]
    assert camera["device_id"] in [one["id"] for one in devices if one["role"] == "device"]


async def test_report_is_refused_when_the_key_is_for_another_camera(api: Api) -> None:
    assert (await report(api.device, "front", frame=pictures.jpeg(1))).status_code == 200
    before, picture = await camera_of(api, "front"), await api.viewer.get("/cameras/front/frame")
    async with await api.device_for("yard") as device:
        assert (await report(device, "yard")).status_code == 200
        forged = await report(device, "front", frame=pictures.jpeg(2), **FROZEN)
        detail = check_problem(forged, 403, "CameraDenied")
        check_problem(await report(device, "unheard-of"), 403, "CameraDenied")
    assert detail.startswith("this key is for the camera yard, not for front: ")
    assert await camera_of(api, "front") == before
    assert (await api.viewer.get("/cameras/front/frame")).content == picture.content
    assert await api.database["cameras"].count_documents({}) == 2


async def test_report_replaces_the_one_before_and_nothing_that_people_set(api: Api) -> None:
    await api.detection(camera_id="yard")
    await api.manager.patch("/cameras/yard", json={"name": "Back yard", "managers": ["@ann"]})
    await report(api.device, **FROZEN)
    await report(api.device)
    camera = await camera_of(api)
    assert (camera["name"], camera["managers"]) == ("Back yard", ["@ann"])
    assert camera["last_seen_at"] is not None
    assert camera["state"] == "live"
    assert [camera[name] for name in ("reason", "rates", "spool", "width")] == [None] * 4


async def test_report_may_say_more_of_rates_and_spool_than_the_api_knows(api: Api) -> None:
    more = {"rates": {**RATES, "heat": 60}, "spool": {**BOOKS, "oldest_s": 4}}
    assert (await report(api.device, **more)).status_code == 200
    camera = await camera_of(api)
    assert (camera["rates"], camera["spool"]) == (RATES, BOOKS)


async def test_camera_has_no_state_when_nothing_reports_it(api: Api) -> None:
    await api.detection(camera_id="yard")
    camera = await camera_of(api)
    assert (camera["state"], camera["state_since"], camera["reported_at"]) == (None, None, None)


@pytest.mark.parametrize(
    ("state", "silent_s", "shown"),
    [
        ("live", 25, "live"),
        ("live", 35, "offline"),
        ("frozen", 35, "offline"),
        ("connecting", 86_400, "offline"),
        ("stopped", 86_400, "stopped"),  # it was ended in order
    ],
)
async def test_camera_is_offline_when_its_reports_have_stopped(
    api: Api, state: str, silent_s: float, shown: str
) -> None:
    await report(api.device, state=state, reason="of then")
    at = await silent_for(api, silent_s)
    camera = await camera_of(api)
    assert camera["state"] == shown
    if shown == "offline":
        assert datetime.fromisoformat(camera["state_since"]) == at
        assert camera["reason"] is None
    await report(api.device)
    assert (await camera_of(api))["state"] == "live"


async def test_state_is_never_since_a_time_to_come_when_the_device_is_ahead(api: Api) -> None:
    await report(api.device, since="2199-01-01T00:00:00Z")
    assert datetime.fromisoformat((await camera_of(api))["state_since"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "offline"},
        {"state": "dancing"},
        {"state": None},
        {"since": "2026-11-22T11:58:00"},
        {"since": "9999-12-31T23:59:59-23:00"},
        {"more": 1},
        {"reason": "x" * 501},
        {"width": 0},
        {"rates": {**RATES, "fps": -1}},
        {"rates": {**RATES, "fps": float("nan")}},
        {"rates": {**RATES, "skipped": 2**63}},
        {"rates": {**RATES, "stage_ms": {"$set": 1}}},
        {"rates": {**RATES, "stage_ms": {f"s{n}": 1 for n in range(17)}}},
        {"spool": {**BOOKS, "pending": 1.5}},
    ],
)
async def test_report_is_refused_when_it_is_wrong(api: Api, fields: dict[str, object]) -> None:
    response = await report(api.device, **fields)
    detail = check_problem(response, 400, "InvalidInput")
    assert next(iter(fields)) in detail or "offline" in detail
    assert (await api.viewer.get("/cameras")).json()["items"] == []


@pytest.mark.parametrize("camera_id", ["a%20b", "-a", "x" * 65, "%24set", "..%5c.."])
async def test_report_is_refused_when_no_camera_can_be_called_so(api: Api, camera_id: str) -> None:
    url = httpx2.URL(f"http://usher.test{API_PREFIX}/cameras/{camera_id}/report")
    response = await api.device.post(url, files={"report": (None, b"{}")})
    check_problem(response, 422)
    assert (await api.viewer.get("/cameras")).json()["items"] == []


async def test_report_is_refused_when_the_key_was_revoked(api: Api) -> None:
    created = (await api.admin.post("/devices", json={"name": "door"})).json()
    async with api.client(headers={"Authorization": f"Bearer {created['key']}"}) as device:
        assert (await report(device)).status_code == 200
        await api.admin.delete(f"/devices/{created['id']}")
        check_problem(await report(device), 401, "NotAuthenticated")


# ---- Last pictures -------------------------------------------------------------------------------


async def frame_of(api: Api, camera_id: str = "yard") -> httpx2.Response:
    return await api.viewer.get(f"/cameras/{camera_id}/frame")


def frame_files(api: Api) -> list[Path]:
    return list((api.state.settings.data / "frames").iterdir())


async def test_frame_is_shown_without_metadata_and_kept_by_no_browser(api: Api) -> None:
    before = pictures.noise(side_px=320).resize((640, 360))
    assert (await report(api.device, frame=pictures.with_metadata(before))).status_code == 200
    shown = await frame_of(api)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")
    assert shown.headers["cache-control"] == "no-store"
    assert GPS not in shown.content
    with Image.open(io.BytesIO(shown.content)) as image:
        assert (image.size, image.format, dict(image.getexif())) == ((640, 360), "JPEG", {})
    camera = await camera_of(api)
    assert camera["has_frame"]
    assert camera["frame_at"] == camera["reported_at"]


async def test_frame_is_the_newest_and_one_file_when_many_were_sent(api: Api) -> None:
    for side_px in (64, 96, 128):
        await report(api.device, frame=pictures.jpeg(side_px=side_px))
    await report(api.device)  # without a picture: the one before stays
    with Image.open(io.BytesIO((await frame_of(api)).content)) as image:
        assert image.size == (128, 128)
    (file,) = frame_files(api)
    assert "yard" not in file.name
    assert (await camera_of(api))["has_frame"]


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (pictures.encoded(pictures.noise(), "PNG"), 415),
        (b"not a picture", 415),
        (pictures.jpeg()[:300], 422),
        (pictures.encoded(Image.new("RGB", (2000, 1100))), 413),
        (pictures.jpeg() + bytes(300 * 1024), 413),
        (b"", 415),
    ],
    ids=["png", "text", "cut off", "many pixels", "large", "empty"],
)
async def test_frame_is_refused_when_it_is_no_small_jpeg(
    api: Api, frame: bytes, status: int
) -> None:
    check_problem(await report(api.device, frame=frame), status)
    check_problem(await frame_of(api), 404, "NotFound")
    assert frame_files(api) == []


async def test_frame_is_not_found_when_there_is_no_such_camera_or_no_picture(api: Api) -> None:
    await report(api.device)
    for camera_id in ("yard", "none", "..%2f..%2fetc%2fpasswd", "%00"):
        url = httpx2.URL(f"http://usher.test{API_PREFIX}/cameras/{camera_id}/frame")
        check_problem(await api.viewer.get(url), 404)


async def test_frame_is_deleted_when_none_came_for_a_day(own_api: Api) -> None:
    await report(own_api.device, "old", frame=pictures.jpeg())
    (old,) = frame_files(own_api)
    day_ago = datetime.now(UTC) - timedelta(days=1, seconds=1)
    os.utime(old, (day_ago.timestamp(), day_ago.timestamp()))
    await own_api.database["cameras"].update_one({"_id": "old"}, {"$set": {"frame_at": day_ago}})
    await report(own_api.device, "new", frame=pictures.jpeg())
    assert await sweep_frames(own_api.state) == 1
    check_problem(await frame_of(own_api, "old"), 404)
    assert not (await camera_of(own_api, "old"))["has_frame"]
    assert (await frame_of(own_api, "new")).status_code == 200
    assert (await camera_of(own_api, "new"))["has_frame"]


async def test_camera_goes_with_its_picture_and_comes_back_when_it_is_seen_again(api: Api) -> None:
    await api.detection(camera_id="yard")
    await report(api.device, frame=pictures.jpeg())
    assert (await api.manager.delete("/cameras/yard")).status_code == 204
    assert (await api.viewer.get("/cameras")).json()["items"] == []
    assert frame_files(api) == []
    check_problem(await api.manager.delete("/cameras/yard"), 404, "NotFound")
    assert len((await api.viewer.get("/detections?camera_id=yard")).json()["items"]) == 1
    await api.detection(seed=1, camera_id="yard")
    assert (await camera_of(api))["state"] is None


LEFT = [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]


async def test_drawn_regions_are_told_to_the_device_and_shown_as_taken_up(api: Api) -> None:
    assert (await report(api.device)).json() == {"regions": None}
    drawn = await api.manager.patch("/cameras/yard", json={"regions": {"exclude": LEFT}})
    assert drawn.status_code == 200, drawn.text
    assert (drawn.json()["name"], drawn.json()["regions_taken_up"]) == ("yard", False)

    told = (await report(api.device)).json()["regions"]
    assert told == {"include": [], "exclude": LEFT}
    digest = wire.CameraRegions(**told).digest
    assert (await report(api.device, regions=digest)).status_code == 200
    assert (await camera_of(api))["regions_taken_up"] is True
    (entry,) = (await api.admin.get("/audit", params={"action": "camera.update"})).json()["items"]
    assert entry["action"] == "camera.update:regions"

    await api.manager.patch("/cameras/yard", json={"name": "The yard", "managers": None})
    assert (await camera_of(api))["regions"] == told
    await api.manager.patch("/cameras/yard", json={"regions": None})
    assert (await report(api.device)).json() == {"regions": None}
    assert (await camera_of(api))["regions_taken_up"] is True


@pytest.mark.parametrize(
    "polygon",
    [
        [],
        [[0, 0], [1, 1]],
        [[0, 0], [0.5, 0.5], [1, 1]],
        [[0, 0], [2, 0], [1, 1]],
        [[0, 0, 0], [1, 0, 0], [1, 1, 0]],
        "everywhere",
    ],
)
async def test_regions_are_refused_that_are_none(api: Api, polygon: object) -> None:
    await report(api.device)
    response = await api.manager.patch("/cameras/yard", json={"regions": {"include": [polygon]}})
    check_problem(response, 422)
    assert (await camera_of(api))["regions"] is None
