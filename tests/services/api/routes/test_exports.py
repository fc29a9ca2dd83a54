from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.services.api.conftest import Api, check_problem, send_photo
from tests.services.api.seeing import embed_all, saw


def opened(content: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(content))
    assert archive.testzip() is None
    return archive


def records(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(name))


async def test_export_holds_all_that_is_known_with_the_pictures(api: Api, test_data: Path) -> None:
    obama = test_data / "enrol" / "barack-obama"
    person_id = await api.person("Barack Obama")
    await api.manager.patch(f"/persons/{person_id}", json={"class": "vip", "notes": "44th"})
    enrolled = await send_photo(
        api.manager, f"/persons/{person_id}/faces", (obama / "1.jpg").read_bytes()
    )
    detection = await saw(api, obama / "2.jpg")
    somebody_elses = await saw(api, test_data / "enrol" / "joe-biden" / "1.jpg")
    await embed_all(api)
    await api.assigned(detection, person_id)
    alert = await api.alert(person_id)

    response = await api.manager.get(f"/persons/{person_id}/export")

    assert response.headers["content-type"] == "application/zip"
    assert f'filename="{person_id}.zip"' in response.headers["content-disposition"]
    archive = opened(response.content)
    person = records(archive, "person.json")
    assert (person["name"], person["class"], person["notes"]) == ("Barack Obama", "vip", "44th")
    faces = records(archive, "photographs.json")
    assert {face["origin"] for face in faces} == {"enrolment", "detection"}
    assert enrolled.json()["id"] in [face["id"] for face in faces]
    assert [item["id"] for item in records(archive, "detections.json")] == [detection]
    assert [item["detections"] for item in records(archive, "visits.json")] == [1]
    assert [item["id"] for item in records(archive, "alerts.json")] == [alert]
    assert [item["kind"] for item in records(archive, "changes.json")] == ["move"]
    for name in (f"photographs/{faces[0]['id']}.jpg", f"detections/{detection}.jpg"):
        with Image.open(io.BytesIO(archive.read(name))) as picture:
            assert picture.format == "JPEG"
    text = " ".join(archive.read(name).decode() for name in archive.namelist() if "json" in name)
    assert somebody_elses not in text
    assert not re.search(r"vector|embedding|distance|idempotency", text)
    assert all(
        name in archive.read("README.txt").decode() for name in ("visits.json", "photographs/")
    )


async def test_export_names_nobody_else(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Canary Bob")
    await api.manager.patch(f"/persons/{ada}", json={"managers": ["@canary-carl"]})
    detection = await api.detection()
    await api.assigned(detection, ada)
    await api.database["detections"].update_one({"_id": detection}, {"$set": {"candidate_id": bob}})
    other = await api.assigned(await api.detection(2))
    merged = await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": [other]})
    assert merged.status_code == 200
    await api.manager.patch("/cameras/door", json={"managers": ["@canary-carl"]})
    alert_id = await api.alert(ada)
    await api.database["alerts"].update_one(
        {"_id": alert_id},
        {"$set": {"answered_by": "canary-dora", "reason": "@canary-carl is away"}},
    )
    archive = opened((await api.manager.get(f"/persons/{ada}/export")).content)
    text = " ".join(archive.read(name).decode() for name in archive.namelist() if "json" in name)
    assert "anary" not in text
    assert bob not in text
    assert "merge" in [change["kind"] for change in records(archive, "changes.json")]
    assert {one["id"] for row in records(archive, "changes.json") for one in row["persons"]} == {
        ada
    }


async def test_export_goes_through_all_pages_and_is_noted(api: Api) -> None:
    person_id = await api.assigned(await api.detection())
    one = await api.database["detections"].find_one({"person_id": person_id})
    assert one is not None
    await api.database["detections"].insert_many(
        [{**one, "_id": f"copy-{n}", "idempotency_key": f"copy-{n}"} for n in range(450)]
    )
    response = await api.admin.get(f"/persons/{person_id}/export")
    archive = opened(response.content)
    assert len(records(archive, "detections.json")) == 451
    assert sum(name.startswith("detections/") for name in archive.namelist()) == 451
    entry = await api.database["audit"].find_one({"action": "person.export"})
    assert entry is not None
    assert entry["subject"] == person_id


async def test_export_leaves_out_a_picture_that_is_gone(api: Api) -> None:
    person_id = await api.assigned(await api.detection())
    for path in api.crop_files():
        path.unlink()
    archive = opened((await api.manager.get(f"/persons/{person_id}/export")).content)
    assert len(records(archive, "detections.json")) == 1
    assert not [name for name in archive.namelist() if name.startswith("detections/")]


async def test_export_is_refused_of_nobody_and_to_a_viewer(api: Api) -> None:
    check_problem(await api.manager.get("/persons/p-none/export"), 404, "NotFound")
    ada = await api.person("Ada")
    check_problem(await api.viewer.get(f"/persons/{ada}/export"), 403, "PermissionDenied")
