from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningSystem
from tests.services.api import pictures
from tests.services.api.conftest import NOON, Api, check_problem, send_photo
from tests.services.api.seeing import crop_of, embed_all, saw
from usher.client import UsherClient
from usher.domain.records import DetectionStatus
from usher.wire import Assignment, PersonCreate, PersonUpdate


@pytest.fixture
def biden(test_data: Path) -> Path:
    return test_data / "enrol" / "joe-biden"


@pytest.fixture
def obama(test_data: Path) -> Path:
    return test_data / "enrol" / "barack-obama"


async def find(api: Api, photograph: Path, **params: Any) -> list[tuple[str, str]]:
    """The ids of what was found, and how sure it is."""
    files = {"image": ("photo", crop_of(photograph), "image/jpeg")}
    response = await api.manager.post("/search", files=files, params=params)
    assert response.status_code == 200, response.text
    items = response.json()["items"]
    return [(item["detection"]["id"], item["confidence"]) for item in items]


async def test_search_finds_every_time_that_a_face_was_seen_whoever_it_is_taken_for(
    own_api: Api, obama: Path, biden: Path
) -> None:
    api = own_api
    same = await saw(api, obama / "1.jpg", camera_id="door")
    other_shot = await saw(api, obama / "2.jpg", camera_id="gate", at=NOON + timedelta(hours=1))
    somebody_else = await saw(api, biden / "1.jpg")
    await embed_all(api)
    await api.database["detections"].update_one(
        {"_id": other_shot}, {"$set": {"status": DetectionStatus.UNIDENTIFIABLE}}
    )
    stranger = await api.assigned(same)

    response = await send_photo(api.manager, "/search", crop_of(obama / "1.jpg"))

    body = response.json()
    assert [item["detection"]["id"] for item in body["items"]] == [same, other_shot]
    assert (body["total"], body["searched"]) == (2, 3)
    assert body["items"][0]["confidence"] == "high"
    assert body["items"][0]["detection"]["person"]["id"] == stranger
    assert body["items"][1]["detection"]["person"] is None
    assert somebody_else not in response.text
    assert not any(word in response.text for word in ("vector", "distance", "score"))


async def test_search_is_narrowed_by_camera_time_and_number(own_api: Api, obama: Path) -> None:
    api = own_api
    early = await saw(api, obama / "1.jpg", camera_id="door")
    late = await saw(api, obama / "2.jpg", camera_id="gate", at=NOON + timedelta(hours=1))
    await embed_all(api)
    photograph = obama / "1.jpg"

    async def ids(**params: Any) -> list[str]:
        return [id_ for id_, _ in await find(api, photograph, **params)]

    assert await ids() == [early, late]
    assert await ids(limit=1) == [early]
    assert await ids(camera_id="gate") == [late]
    assert await ids(camera_id="nowhere") == []
    assert await ids(**{"from": (NOON + timedelta(minutes=1)).isoformat()}) == [late]
    assert await ids(to=(NOON + timedelta(hours=1)).isoformat()) == [early]


async def test_search_continues_after_the_likest_and_says_how_many_there_are(
    own_api: Api, obama: Path, biden: Path
) -> None:
    api = own_api
    for number in (1, 2, 1, 2, 1):
        await saw(api, obama / f"{number}.jpg")
    deleted = await saw(api, obama / "1.jpg")
    no_face = await saw(api, obama / "1.jpg")
    await saw(api, biden / "1.jpg")
    await embed_all(api)
    await api.manager.post(f"/detections/{no_face}/assign", json={"not_a_face": True})
    await find(api, obama / "1.jpg")
    await api.manager.delete(f"/persons/{await api.assigned(deleted)}")

    async def part(skip: int) -> Any:
        files = {"image": ("photo", crop_of(obama / "1.jpg"), "image/jpeg")}
        params = {"skip": skip, "limit": 2}
        response = await api.manager.post("/search", files=files, params=params)
        return response.json()

    parts = [await part(skip) for skip in (0, 2, 4, 6)]

    whole = await find(api, obama / "1.jpg")
    assert len(whole) == 5
    assert [len(one["items"]) for one in parts] == [2, 2, 1, 0]
    assert [item["detection"]["id"] for one in parts for item in one["items"]] == [
        id_ for id_, _ in whole
    ]
    assert [one["total"] for one in parts] == [5] * 4


@pytest.mark.parametrize("skip", [-1, 1_000_001])
async def test_search_is_refused_when_it_is_to_continue_beyond_what_is_held(
    api: Api, obama: Path, skip: int
) -> None:
    files = {"image": ("photo", crop_of(obama / "1.jpg"), "image/jpeg")}
    check_problem(await api.manager.post("/search", files=files, params={"skip": skip}), 422)


async def test_search_follows_what_is_seen_embedded_corrected_and_deleted(
    own_api: Api, obama: Path
) -> None:
    api = own_api
    photograph = obama / "1.jpg"
    assert await find(api, photograph) == []
    first = await saw(api, photograph)
    assert await find(api, photograph) == []  # nobody has embedded it yet
    await embed_all(api)
    second = await saw(api, obama / "2.jpg")
    assert [id_ for id_, _ in await find(api, photograph)] == [first]
    await embed_all(api)
    assert [id_ for id_, _ in await find(api, photograph)] == [first, second]

    await api.manager.post(f"/detections/{second}/assign", json={"not_a_face": True})
    assert [id_ for id_, _ in await find(api, photograph)] == [first]

    person_id = await api.assigned(first)
    await api.manager.delete(f"/persons/{person_id}")
    assert await find(api, photograph) == []
    assert len(api.state.search) == 1


async def test_deleted_vectors_leave_memory_without_another_search(
    own_api: Api, obama: Path
) -> None:
    api = own_api
    detection = await saw(api, obama / "1.jpg")
    await embed_all(api)
    await find(api, obama / "1.jpg")
    person_id = await api.assigned(detection)
    await api.manager.delete(f"/persons/{person_id}")
    assert len(api.state.search) == 1
    await api.state.search.tend()
    assert len(api.state.search) == 0


async def test_search_is_noted_without_the_photograph(own_api: Api, obama: Path) -> None:
    before = await own_api.counts()
    await find(own_api, obama / "1.jpg")
    assert await own_api.counts() == before
    entry = await own_api.database["audit"].find_one({"action": "search"})
    assert entry is not None


@pytest.mark.parametrize(
    ("name", "words"),
    [("groups/two_people.jpg", "2 faces"), ("groups/dogs.jpg", "no face")],
)
async def test_search_is_refused_when_the_photograph_is_not_of_one_face(
    api: Api, test_data: Path, name: str, words: str
) -> None:
    response = await send_photo(api.manager, "/search", (test_data / name).read_bytes())
    assert words in check_problem(response, 422)


# ---- Two photographs ----------------------------------------------------------------------------


async def verify(api: Api, first: bytes, second: bytes) -> Any:
    return await api.manager.post("/verify", files={"first": first, "second": second})


async def test_verify_tells_one_person_from_two(api: Api, obama: Path, biden: Path) -> None:
    one, again, other = (
        crop_of(path) for path in (obama / "1.jpg", obama / "2.jpg", biden / "1.jpg")
    )
    before = await api.counts()
    assert (await verify(api, one, one)).json() == {"same": True, "confidence": "high"}
    same = (await verify(api, one, again)).json()
    assert same["same"] is True
    assert same["confidence"] in ("high", "medium", "low")
    assert (await verify(api, one, other)).json() == {"same": False, "confidence": None}
    assert await api.counts() == before


async def test_verify_is_refused_when_a_photograph_is_missing_or_shows_nobody(
    api: Api, obama: Path
) -> None:
    one = crop_of(obama / "1.jpg")
    alone = await api.manager.post("/verify", files={"first": one})
    assert "`second`" in check_problem(alone, 400, "InvalidInput")
    third = await api.manager.post("/verify", files={"first": one, "second": one, "third": one})
    check_problem(third, 400, "InvalidInput")
    nobody = await verify(api, one, pictures.jpeg(side_px=200))
    check_problem(nobody, 422, "NoFaceFound")


# ---- The client ---------------------------------------------------------------------------------


def test_client_searches_verifies_and_reads_who_was_there(
    running_system: RunningSystem, obama: Path
) -> None:
    photograph = crop_of(obama / "1.jpg")
    with UsherClient(running_system.url, timeout_s=60) as client:
        client.sign_in(running_system.admin_username, running_system.admin_password)
        person = client.create_person(PersonCreate(name="Barack Obama", class_name="vip"))
        assert person.class_name == "vip"
        detection_id = running_system.upload(obama / "1.jpg", "door")
        deadline = time.monotonic() + 60
        while client.detection(detection_id).status != DetectionStatus.CLASSIFIED:
            assert time.monotonic() < deadline, "nobody has classified it"
            time.sleep(0.2)
        client.assign(detection_id, Assignment(person_id=person.id))

        found = client.search(photograph, camera_id="door")
        assert [item.detection.id for item in found.items] == [detection_id]
        assert found.total == 1
        assert client.search(photograph, skip=1).items == []
        assert client.verify(photograph, crop_of(obama / "2.jpg")).same
        (visit,) = client.visits(person_id=person.id).items
        assert (visit.camera_id, visit.detection_id) == ("door", detection_id)
        (there,) = client.attendance(visit.started_at.date(), visit.last_at.date()).items
        assert (there.person.id, there.class_name, there.visits) == (person.id, "vip", 1)
        moved = client.update_person(person.id, PersonUpdate(class_name="staff"))
        assert (moved.class_name, moved.name) == ("staff", "Barack Obama")
        assert client.export_person(person.id).startswith(b"PK")
