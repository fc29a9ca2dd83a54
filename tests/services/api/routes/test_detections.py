from __future__ import annotations

import asyncio
import io
import random
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from services.api.pictures import sweep_orphans
from tests.running import RunningSystem
from tests.services.api import pictures
from tests.services.api.conftest import NOON, Api, check_problem, upload
from tests.services.api.processes import Place, fork
from usher.domain.records import UNFINISHED, DetectionStatus
from usher.storage.crops import CropStore
from usher.storage.database import connected
from usher.wire import API_PREFIX, IDEMPOTENCY_HEADER

BAD_IMAGES = ("corrupted.png", "empty.png", "truncated.jpg", "rgba.png")


def in_metadata(n: int) -> dict[str, str]:
    return {"captured_at": (NOON + timedelta(seconds=n)).isoformat()}


# ---- Upload --------------------------------------------------------------------------------------


async def test_upload_is_stored_with_its_crop_when_it_is_valid(api: Api) -> None:
    frame = {"box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4}, "width": 640, "height": 480}
    landmarks = [[1.5, 2.0]] * 5
    response = await upload(
        api.device, track_id="t1", score=0.5, landmarks=landmarks, frame=frame, camera_id="Door_1.a"
    )
    assert response.status_code == 201
    body = response.json()
    assert body["status"] == "pending"
    found = (await api.viewer.get(f"/detections/{body['id']}")).json()
    assert found["camera_id"] == "Door_1.a"
    assert found["captured_at"] == "2026-11-22T12:00:00Z"
    assert (found["track_id"], found["box"], found["frame"]) == ("t1", pictures.BOX, frame)
    assert found["person"] is None
    stored = await api.viewer.get(f"/detections/{body['id']}/image")
    assert stored.headers["content-type"] == "image/jpeg"
    assert [stored.content] == [path.read_bytes() for path in api.crop_files()]
    assert await api.counts() == {
        **dict.fromkeys(("persons", "faces", "visits", "alerts"), 0),
        **dict.fromkeys(("detections", "cameras", "crops"), 1),
    }


async def test_upload_is_refused_when_the_key_is_for_other_cameras(api: Api) -> None:
    async with await api.device_for("yard", "door") as device:
        assert (await upload(device, camera_id="door")).status_code == 201
        before = await api.counts()
        detail = check_problem(await upload(device, camera_id="gate"), 403, "CameraDenied")
    assert detail == (
        "this key is for the cameras door, yard, not for gate: "
        "name the camera as one of these, or make another key"
    )
    assert await api.counts() == before


async def test_upload_counts_and_notes_when_the_device_was_seen(api: Api) -> None:
    await api.detection()
    devices = {item["name"]: item for item in (await api.admin.get("/devices")).json()["items"]}
    assert devices["device"]["last_seen_at"] is not None
    assert devices["notifier"]["last_seen_at"] is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
async def test_stored_crop_has_no_metadata_when_the_upload_had(api: Api, kind: str) -> None:
    sent = pictures.with_metadata(pictures.noise(), kind)
    assert pictures.GPS in sent
    detection_id = (await upload(api.device, image=sent)).json()["id"]
    stored = (await api.viewer.get(f"/detections/{detection_id}/image")).content
    assert pictures.GPS not in stored
    assert b"Exif" not in stored
    assert stored.endswith(b"\xff\xd9")
    with Image.open(io.BytesIO(stored)) as image:
        assert (image.format, image.size, dict(image.getexif())) == ("JPEG", (64, 64), {})
        assert not image.info.keys() - {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(pictures.encoded(pictures.noise(), "WEBP"), id="webp"),
        pytest.param(pictures.encoded(pictures.noise(), "GIF"), id="gif"),
        pytest.param(pictures.encoded(pictures.noise(), "BMP"), id="bmp"),
        pytest.param(pictures.encoded(pictures.noise(), "TIFF"), id="tiff"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', id="svg"),
        pytest.param(b"GIF89a" + pictures.jpeg(), id="jpeg behind a gif's head"),
        pytest.param(b"just text", id="text"),
        pytest.param(b"\x00", id="a byte"),
    ],
)
async def test_upload_is_refused_when_its_bytes_are_no_jpeg_or_png(api: Api, image: bytes) -> None:
    check_problem(await upload(api.device, image=image), 415, "UnsupportedImage")
    assert sum((await api.counts()).values()) == 0


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [("x.exe", "text/html"), ("../../x.jpg", "image/webp"), ("crop", "application/octet-stream")],
)
async def test_upload_is_stored_when_only_name_and_type_are_odd(
    api: Api, filename: str, content_type: str
) -> None:
    response = await upload(api.device, filename=filename, content_type=content_type)
    assert response.status_code == 201


async def test_upload_is_refused_when_it_decodes_to_too_many_pixels(api: Api) -> None:
    response = await upload(api.device, image=pictures.one_bit_png(9000))
    detail = check_problem(response, 413, "TooLarge")
    assert "9000x9000" in detail
    assert sum((await api.counts()).values()) == 0


@pytest.mark.parametrize(
    ("image", "box", "code"),
    [
        (pictures.jpeg()[:-200], pictures.BOX, "InvalidImage"),
        (pictures.jpeg(side_px=8), pictures.BOX, "InvalidImage"),
        (pictures.jpeg(), {"x1": 60, "y1": 60, "x2": 90, "y2": 90}, "InvalidImage"),
        (pictures.jpeg(), {"x1": -90_000, "y1": 0, "x2": 90_000, "y2": 64}, "InvalidImage"),
        (pictures.jpeg(), None, "NoFaceFound"),
    ],
    ids=["truncated", "tiny", "box outside", "huge box", "no face"],
)
async def test_upload_leaves_no_trace_when_it_cannot_be_used(
    api: Api, image: bytes, box: dict[str, int] | None, code: str
) -> None:
    check_problem(await upload(api.device, image=image, box=box), 422, code)
    assert sum((await api.counts()).values()) == 0


@pytest.mark.parametrize("name", BAD_IMAGES)
@pytest.mark.parametrize("box", [None, pictures.BOX], ids=["no box", "box"])
async def test_upload_leaves_no_trace_when_the_image_is_bad(
    api: Api, test_data: Path, name: str, box: dict[str, int] | None
) -> None:
    image = (test_data / "bad-images" / name).read_bytes()
    response = await upload(api.device, image=image, box=box)
    check_problem(response, 415 if name == "empty.png" else 422)
    assert sum((await api.counts()).values()) == 0


async def test_upload_finds_the_central_face_when_no_box_is_given(
    api: Api, test_data: Path
) -> None:
    image = (test_data / "enrol" / "barack-obama" / "1.jpg").read_bytes()
    response = await upload(api.device, image=image, box=None)
    found = (await api.viewer.get(f"/detections/{response.json()['id']}")).json()
    assert found["box"]["x2"] > found["box"]["x1"]


@pytest.mark.parametrize("key", ["short", "k" * 129, "with space", "k" * 8 + "\u00e9"])
async def test_upload_is_refused_when_its_key_is_wrong(api: Api, key: str) -> None:
    response = await api.device.post(
        "/detections",
        headers={IDEMPOTENCY_HEADER: key.encode("latin-1")},
        files={"image": ("a", pictures.jpeg())},
    )
    check_problem(response, 422, "InvalidInput")


async def test_upload_is_refused_when_it_has_no_key(api: Api) -> None:
    check_problem(await api.device.post("/detections"), 422, "InvalidInput")


# ---- One key, one record -------------------------------------------------------------------------


async def test_upload_answers_the_same_when_it_is_repeated(api: Api) -> None:
    first, second = [await upload(api.device, key="k" * 8) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert (await api.counts())["detections"] == (await api.counts())["crops"] == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"image": pictures.jpeg(1)},
        {"camera_id": "yard"},
        {"captured_at": "2026-11-22T12:00:01Z"},
        {"track_id": "t2"},
    ],
    ids=["image", "camera", "time", "track"],
)
async def test_upload_is_refused_when_its_key_was_another_uploads(
    api: Api, changed: dict[str, object]
) -> None:
    await upload(api.device, key="k" * 8)
    before = await api.counts()
    response = await upload(api.device, **{"key": "k" * 8, **changed})
    check_problem(response, 422, "IdempotencyConflict")
    assert await api.counts() == before


async def test_upload_keys_are_each_devices_own_when_two_use_the_same(api: Api) -> None:
    responses = [await upload(client, key="k" * 8) for client in (api.device, api.manager)]
    assert [response.status_code for response in responses] == [201, 201]


async def test_upload_makes_one_record_when_different_ones_race_with_one_key(api: Api) -> None:
    responses = await asyncio.gather(
        *(upload(api.device, key="k" * 8, image=pictures.jpeg(n)) for n in range(8))
    )
    assert sorted(response.status_code for response in responses) == [201] + [422] * 7
    counts = await api.counts()
    assert (counts["detections"], counts["crops"]) == (1, 1)


async def test_uploads_make_one_record_each_when_repeated_side_by_side_and_over_a_restart(
    place: Place,
) -> None:
    chance = random.Random(7)  # noqa: S311 - no secret
    keys = [uuid.uuid4().hex for _ in range(200)]
    images = {key: pictures.jpeg(n % 20, 48) for n, key in enumerate(keys)}
    sends = [key for key in keys for _ in range(chance.randint(1, 5))]
    chance.shuffle(sends)
    ids: dict[str, set[str]] = {key: set() for key in keys}

    async def send_all(part: list[str]) -> None:
        async with _device(place) as device:
            queue = iter(part)

            async def sender() -> None:
                for key in queue:
                    response = await _post(device, key, images[key])
                    assert response.status_code in (200, 201), response.text
                    ids[key].add(response.json()["id"])

            await asyncio.gather(*(sender() for _ in range(8)))

    half = len(sends) // 2
    for part in (sends[:half], sends[half:]):
        process = await asyncio.to_thread(fork, place)
        await send_all(part)
        process.terminate()
        await asyncio.to_thread(process.join)
    assert all(len(found) == 1 for found in ids.values())
    async with connected(place.mongodb_uri, place.database) as database:
        stored = await database["detections"].find({"idempotency_key": {"$in": keys}}).to_list()
    assert {document["_id"] for document in stored} == set.union(*ids.values())
    assert len(stored) == len(keys)


# ---- Killed at any point -------------------------------------------------------------------------


async def test_nothing_acknowledged_is_lost_when_the_api_is_killed_at_any_point(
    place: Place,
) -> None:
    chance = random.Random(8)  # noqa: S311 - no secret
    acknowledged: dict[str, str] = {}
    rounds = 0
    while rounds < 8 or (len(acknowledged) <= 20 and rounds < 40):
        rounds += 1
        process = await asyncio.to_thread(fork, place)
        async with _device(place) as device:
            senders = [asyncio.create_task(_until_cut(device, acknowledged)) for _ in range(6)]
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            process.kill()
            await asyncio.gather(*senders)
        await asyncio.to_thread(process.join)
    assert len(acknowledged) > 20
    crops = CropStore(place.data / "crops")
    async with connected(place.mongodb_uri, place.database) as database:
        records = {item["_id"]: item async for item in database["detections"].find()}
    assert {records[id_]["idempotency_key"] for id_ in acknowledged} == set(acknowledged.values())
    for record in records.values():
        with Image.open(io.BytesIO(crops.get(record["crop"]))) as image:
            image.load()
    cameras_of_records = {record["camera_id"] for record in records.values()}
    assert cameras_of_records == {"door"}


async def _until_cut(device: httpx2.AsyncClient, acknowledged: dict[str, str]) -> None:
    image = pictures.jpeg(side_px=96)
    while True:
        key = uuid.uuid4().hex
        try:
            response = await _post(device, key, image)
        except httpx2.TransportError:
            return
        assert response.status_code == 201, response.text
        acknowledged[response.json()["id"]] = key


def _device(place: Place) -> httpx2.AsyncClient:
    key = {"Authorization": f"Bearer {place.device_key}"}
    return httpx2.AsyncClient(base_url=place.url + API_PREFIX, headers=key, timeout=60)


async def _post(device: httpx2.AsyncClient, key: str, image: bytes) -> httpx2.Response:
    return await upload(device, key=key, image=image)


async def test_sweep_removes_only_orphans_when_some_crops_have_no_record(own_api: Api) -> None:
    kept = await own_api.detection()
    await own_api.person("Ada")
    orphans = [own_api.state.crops.put(pictures.jpeg(n)) for n in range(3)]
    assert await sweep_orphans(own_api.state) == 0  # too young: their records may be on their way
    assert await sweep_orphans(own_api.state, age_s=-1) == 3
    assert (await own_api.viewer.get(f"/detections/{kept}/image")).status_code == 200
    assert not {path.stem for path in own_api.crop_files()} & set(orphans)
    assert await sweep_orphans(own_api.state, age_s=-1) == 0


# ---- Lists ---------------------------------------------------------------------------------------


async def test_page_walks_all_once_when_records_arrive_between(api: Api) -> None:
    ids = [await api.detection(**in_metadata(n // 2)) for n in range(9)]
    seen: list[str] = []
    cursor = None
    for step in range(10):
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (await api.viewer.get("/detections", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await api.detection(**in_metadata(100 + step))  # newer than any: belongs to no later page
    assert len(seen) == len(set(seen)) == 9
    assert set(seen) == set(ids)


async def test_page_is_the_newest_first_when_there_is_no_filter(api: Api) -> None:
    ids = [await api.detection(**in_metadata(n)) for n in (2, 0, 1)]
    items = (await api.viewer.get("/detections")).json()["items"]
    assert [item["id"] for item in items] == [ids[0], ids[2], ids[1]]


async def test_page_holds_what_fits_when_filters_are_given(api: Api) -> None:
    door, yard = await api.detection(), await api.detection(camera_id="yard", **in_metadata(60))
    person_id = await api.assigned(yard)

    async def found(**params: str) -> list[str]:
        page = (await api.viewer.get("/detections", params=params)).json()
        return [item["id"] for item in page["items"]]

    assert await found(camera_id="yard") == [yard]
    assert await found(person_id=person_id) == [yard]
    assert await found(status="pending") == [door]
    assert await found(**{"from": "2026-11-22T12:01:00Z"}) == [yard]
    assert await found(to="2026-11-22T12:01:00Z") == [door]
    assert await found(**{"from": "2026-11-22T14:00:00+02:00", "to": "2026-11-22T12:00:01Z"}) == [
        door
    ]
    assert await found(camera_id="nowhere") == []


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"limit": "0"}, 422),
        ({"limit": "201"}, 422),
        ({"limit": "many"}, 422),
        ({"status": "odd"}, 422),
        ({"from": "yesterday"}, 422),
        ({"from": "2026-11-22T12:00:00"}, 422),
        ({"to": "0001-01-01T00:00:00+10:00"}, 422),
        ({"cursor": "x" * 201}, 422),
        ({"cursor": "\u00fc"}, 400),
        ({"cursor": "bm90IG91cnM="}, 400),
        ({"cursor": "MDAwMS0wMS0wMVQwMDowMDowMCsxMDowMHx4"}, 400),
    ],
)
async def test_page_is_refused_when_a_parameter_is_wrong(
    api: Api, params: dict[str, str], status: int
) -> None:
    check_problem(await api.viewer.get("/detections", params=params), status)


# ---- One -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/image"])
async def test_detection_is_not_found_when_there_is_none(api: Api, path: str) -> None:
    check_problem(await api.viewer.get(f"/detections/none{path}"), 404, "NotFound")


async def test_image_is_asked_for_again_when_the_browser_has_it(api: Api) -> None:
    url = f"/detections/{await api.detection()}/image"
    first = await api.viewer.get(url)
    assert first.headers["cache-control"] == "private, no-cache"
    same = await api.viewer.get(url, headers={"if-none-match": first.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    other = await api.viewer.get(url, headers={"if-none-match": '"another"'})
    assert other.status_code == 200
    signed_out = await api.nobody.get(url, headers={"if-none-match": first.headers["etag"]})
    check_problem(signed_out, 401)


@pytest.mark.parametrize("named", ["*", "W/{}", '"another", {}'])
async def test_image_is_not_sent_again_when_the_client_names_it_in_another_form(
    api: Api, named: str
) -> None:
    url = f"/detections/{await api.detection()}/image"
    tag = (await api.viewer.get(url)).headers["etag"]
    again = await api.viewer.get(url, headers={"if-none-match": named.format(tag)})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("size", [160, 320])
async def test_image_is_small_when_a_size_is_asked_for(api: Api, size: int) -> None:
    large = pictures.encoded(Image.new("RGB", (600, 400)))
    response = await upload(api.device, image=large, box={"x1": 9, "y1": 9, "x2": 90, "y2": 90})
    url = f"/detections/{response.json()['id']}/image"
    whole = await api.viewer.get(url)
    first, second = [await api.viewer.get(url, params={"size": size}) for _ in range(2)]
    assert first.content == second.content
    assert first.headers["content-type"] == "image/jpeg"
    with Image.open(io.BytesIO(first.content)) as image:
        assert image.size == (size, round(size * 2 / 3))
    assert len(api.crop_files()) == 2
    assert whole.headers["etag"] != first.headers["etag"] == second.headers["etag"]
    same = await api.viewer.get(
        url, params={"size": size}, headers={"if-none-match": first.headers["etag"]}
    )
    assert same.status_code == 304


async def test_image_is_the_whole_one_when_it_is_no_larger_than_asked_for(api: Api) -> None:
    url = f"/detections/{await api.detection()}/image"
    small = await api.viewer.get(url, params={"size": 320})
    assert small.content == (await api.viewer.get(url)).content
    assert len(api.crop_files()) == 1


async def test_image_is_refused_when_the_size_is_none_of_ours(api: Api) -> None:
    url = f"/detections/{await api.detection()}/image"
    check_problem(await api.viewer.get(url, params={"size": 161}), 422)


async def test_small_images_go_when_their_person_is_deleted(api: Api) -> None:
    large = pictures.encoded(Image.new("RGB", (600, 400)))
    box = {"x1": 9, "y1": 9, "x2": 90, "y2": 90}
    detection_id = (await upload(api.device, image=large, box=box)).json()["id"]
    person_id = await api.assigned(detection_id)
    url = f"/detections/{detection_id}/image"
    for size in (160, 320):
        assert (await api.viewer.get(url, params={"size": size})).status_code == 200
    assert len(api.crop_files()) == 3
    receipt = await api.manager.delete(f"/persons/{person_id}")
    assert receipt.json()["crops"] == 1
    assert api.crop_files() == []


# ---- Corrections ---------------------------------------------------------------------------------


async def test_assign_gives_the_detection_to_somebody_new(api: Api) -> None:
    detection_id = await api.detection()
    person_id = await api.assigned(detection_id)
    person = (await api.viewer.get(f"/persons/{person_id}")).json()
    assert (person["kind"], person["name"], person["detections"]) == ("unknown", None, 1)
    found = (await api.viewer.get(f"/detections/{detection_id}")).json()
    assert (found["status"], found["person"]["id"]) == ("classified", person_id)


async def test_assign_moves_the_detection_when_it_was_another_persons(api: Api) -> None:
    detection_id = await api.detection()
    before = await api.assigned(detection_id)
    ada = await api.person("Ada")
    assert await api.assigned(detection_id, ada) == ada
    assert (await api.viewer.get(f"/persons/{before}")).json()["detections"] == 0
    assert (await api.viewer.get(f"/persons/{ada}")).json()["detections"] == 1


async def test_assign_takes_the_detection_from_everybody_when_it_is_no_face(api: Api) -> None:
    detection_id = await api.detection()
    await api.assigned(detection_id)
    response = await api.manager.post(
        f"/detections/{detection_id}/assign", json={"not_a_face": True}
    )
    assert (response.json()["status"], response.json()["person"]) == ("not_a_face", None)
    assert await api.database["visits"].count_documents({}) == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"new_person": True, "not_a_face": True},
        {"person_id": "p-1", "new_person": True},
        {"new_person": False},
        {"new_person": True, "more": 1},
        {"person_id": {"$ne": None}},
    ],
)
async def test_assign_is_refused_when_not_exactly_one_is_given(
    api: Api, body: dict[str, object]
) -> None:
    detection_id = await api.detection()
    response = await api.manager.post(f"/detections/{detection_id}/assign", json=body)
    check_problem(response, 422)


async def test_assign_is_not_found_when_person_or_detection_does_not_exist(api: Api) -> None:
    detection_id = await api.detection()
    url = f"/detections/{detection_id}/assign"
    check_problem(await api.manager.post(url, json={"person_id": "p-none"}), 404)
    new = {"new_person": True}
    check_problem(await api.manager.post("/detections/none/assign", json=new), 404)
    assert await api.database["persons"].count_documents({}) == 0
    found = (await api.viewer.get(f"/detections/{detection_id}")).json()
    assert found["status"] == "pending"


# ---- Review --------------------------------------------------------------------------------------


async def asking_for(api: Api, person_id: str) -> str:
    """A detection that probably shows somebody, as the classifier leaves it."""
    detection_id = await api.detection()
    await api.database["detections"].update_one(
        {"_id": detection_id}, {"$set": {"status": "unidentifiable", "candidate_id": person_id}}
    )
    return detection_id


async def test_review_holds_what_waits_for_an_answer_until_there_is_one(api: Api) -> None:
    ada = await api.person("Ada")
    asking = [await asking_for(api, ada) for _ in range(2)]
    await api.detection()
    review = {"review": "true"}
    items = (await api.viewer.get("/detections", params=review)).json()["items"]
    assert {item["id"] for item in items} == set(asking)
    assert {item["candidate"]["name"] for item in items} == {"Ada"}
    assert not any(item["confirmed"] for item in items)
    await api.assigned(asking[0], ada)
    response = await api.manager.post(f"/detections/{asking[1]}/reject", json={"person_id": ada})
    assert (response.json()["candidate"], response.json()["status"]) == (None, "unidentifiable")
    assert (await api.viewer.get("/detections", params=review)).json()["items"] == []
    found = (await api.viewer.get(f"/detections/{asking[0]}")).json()
    assert (found["confirmed"], found["candidate"]) == (True, None)


async def test_reject_is_refused_when_nothing_says_that_it_is_them(api: Api) -> None:
    ada, detection_id = await api.person("Ada"), await api.detection()
    url = f"/detections/{detection_id}/reject"
    check_problem(await api.manager.post(url, json={"person_id": ada}), 409, "Conflict")
    check_problem(await api.manager.post(url, json={}), 422)
    none = await api.manager.post("/detections/none/reject", json={"person_id": ada})
    check_problem(none, 404)


# ---- Another try ---------------------------------------------------------------------------------


async def test_retry_makes_a_failed_detection_pending(api: Api) -> None:
    detection_id = await api.detection()
    await api.database["detections"].update_one(
        {"_id": detection_id}, {"$set": {"status": "failed", "reason": "five times", "attempts": 5}}
    )
    retried = (await api.manager.post(f"/detections/{detection_id}/retry")).json()
    assert (retried["status"], retried["reason"]) == ("pending", None)


async def test_retry_is_refused_when_the_detection_has_not_failed(api: Api) -> None:
    detection_id = await api.detection()
    check_problem(await api.manager.post(f"/detections/{detection_id}/retry"), 409, "Conflict")
    check_problem(await api.manager.post("/detections/none/retry"), 404)


def test_detection_is_classified_when_the_whole_system_runs(
    running_system: RunningSystem, test_data: Path
) -> None:
    photo = test_data / "enrol" / "barack-obama" / "1.jpg"
    detection_id = running_system.upload(photo, "door")
    deadline = time.monotonic() + 60
    while (found := running_system.admin.detection(detection_id)).status in UNFINISHED:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert found.status is DetectionStatus.CLASSIFIED
    assert found.person is not None
    assert found.quality is not None
    assert found.quality.acceptable


async def test_detection_is_captured_no_later_than_it_is_received(api: Api) -> None:
    detection_id = await api.detection(captured_at="2190-01-01T00:00:00Z")
    captured_at = (await api.viewer.get(f"/detections/{detection_id}")).json()["captured_at"]
    assert datetime.fromisoformat(captured_at) <= datetime.now(UTC)


async def test_picture_that_cannot_be_deleted_keeps_no_other(own_api: Api) -> None:
    person_id = await own_api.person()
    await own_api.assigned(await own_api.detection(1), person_id)
    stuck, *others = own_api.crop_files()
    stuck.unlink()
    (stuck / "in the way").mkdir(parents=True)
    assert (await own_api.manager.delete(f"/persons/{person_id}")).status_code == 200
    assert others and not [path for path in others if path.exists()]
    entry = await own_api.database["audit"].find_one({"kind": "person.delete"})
    assert entry is not None and entry["subject"] == person_id
