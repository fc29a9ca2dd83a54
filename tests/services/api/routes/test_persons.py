from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tests.services.api import pictures
from tests.services.api.conftest import NOON, Api, check_problem, send_photo
from usher.domain.identifiers import new_id
from usher.domain.records import Embedding, Face
from usher.storage import registry
from usher.vision.images import CROP_FORMATS, decode_image
from usher.wire import IDEMPOTENCY_HEADER

CANARY = "Canary Vogelsang"


async def get(api: Api, person_id: str) -> Any:
    response = await api.viewer.get(f"/persons/{person_id}")
    assert response.status_code == 200, response.text
    return response.json()


async def a_face(api: Api, person_id: str, seed: int = 0) -> str:
    """A reference as enrolment leaves it, for where no photograph of a face is at hand."""
    vector = np.random.default_rng(seed).normal(size=128).astype(np.float32)
    face = Face(
        id=new_id(),
        person_id=person_id,
        embedding=Embedding(api.state.pipeline.model_id, vector / np.linalg.norm(vector)),
        crop=api.state.crops.put(pictures.jpeg(seed)),
        origin="enrolment",
        created_at=NOON,
    )
    await api.state.registry.add_face(face)
    return face.id


def photo_of(test_data: Path, person: str = "barack-obama") -> bytes:
    return (test_data / "enrol" / person / "1.jpg").read_bytes()


# ---- Create, list, change ------------------------------------------------------------------------


async def test_person_is_known_when_created(api: Api) -> None:
    response = await api.manager.post("/persons", json={"name": "  Ada ", "notes": "second floor"})
    assert response.status_code == 201
    person = response.json()
    assert (person["name"], person["kind"], person["notes"]) == ("Ada", "known", "second floor")
    assert (person["faces"], person["detections"], person["last_seen_at"]) == (0, 0, None)
    assert await get(api, person["id"]) == person


async def test_page_finds_persons_by_kind_and_by_part_of_the_name(api: Api) -> None:
    ada, adam, stranger = await api.person("Ada"), await api.person("Adam (x)"), await api.person()

    async def found(**params: str) -> set[str]:
        page = (await api.viewer.get("/persons", params=params)).json()
        return {item["id"] for item in page["items"]}

    assert await found() == {ada, adam, stranger}
    assert await found(kind="known") == {ada, adam}
    assert await found(q="aDA") == {ada, adam}
    assert await found(q="(X") == {adam}
    assert await found(q=".*") == set()
    assert await found(q=stranger) == {stranger}
    assert await found(q="ada", kind="unknown") == set()


async def test_page_walks_all_persons_once(api: Api) -> None:
    ids = {await api.person(f"Person {n}") for n in range(5)}
    first = (await api.viewer.get("/persons", params={"limit": 3})).json()
    cursor = first["next_cursor"]
    second = (await api.viewer.get("/persons", params={"limit": 3, "cursor": cursor})).json()
    assert {item["id"] for item in first["items"] + second["items"]} == ids
    assert second["next_cursor"] is None


@pytest.mark.parametrize("params", [{"q": "x" * 121}, {"q": "a\0b"}, {"kind": "odd"}])
async def test_page_is_refused_when_a_parameter_is_wrong(api: Api, params: dict[str, str]) -> None:
    check_problem(await api.viewer.get("/persons", params=params), 422)


async def test_stranger_becomes_known_when_named(api: Api) -> None:
    stranger = await api.person()
    person = (await api.manager.patch(f"/persons/{stranger}", json={"name": "Grace"})).json()
    assert (person["id"], person["name"], person["kind"]) == (stranger, "Grace", "known")


async def test_person_keeps_what_is_left_out_when_changed(api: Api) -> None:
    ada = await api.person("Ada")
    await api.manager.patch(f"/persons/{ada}", json={"notes": "tall"})
    person = (await api.manager.patch(f"/persons/{ada}", json={"name": "Ada L."})).json()
    assert (person["name"], person["notes"], person["kind"]) == ("Ada L.", "tall", "known")
    assert (await api.manager.patch(f"/persons/{ada}", json={})).json() == person


async def test_person_is_known_again_when_no_longer_ignored(api: Api) -> None:
    ada, stranger = await api.person("Ada"), await api.person()
    for person_id in (ada, stranger):
        person = (await api.manager.patch(f"/persons/{person_id}", json={"kind": "ignored"})).json()
        assert person["kind"] == "ignored"
    again = (await api.manager.patch(f"/persons/{ada}", json={"kind": "known"})).json()
    assert (again["kind"], again["name"]) == ("known", "Ada")
    nameless = await api.manager.patch(f"/persons/{stranger}", json={"kind": "known"})
    check_problem(nameless, 409, "Conflict")


async def test_person_has_a_class_a_validity_and_managers(api: Api) -> None:
    created = await api.manager.post("/persons", json={"name": "Ada", "class": " Staff "})
    ada = created.json()
    assert (ada["class"], ada["valid_now"], ada["managers"]) == ("staff", True, [])
    change = {
        "valid_from": "2026-01-01T00:00:00+01:00",
        "valid_until": "2026-02-01T00:00:00Z",
        "managers": ["@boss"],
    }
    changed = (await api.manager.patch(f"/persons/{ada['id']}", json=change)).json()
    assert changed["valid_from"] == "2025-12-31T23:00:00Z"
    assert (changed["valid_until"], changed["valid_now"]) == ("2026-02-01T00:00:00Z", False)
    assert (changed["managers"], changed["class"]) == (["@boss"], "staff")
    taken = {"class": None, "valid_from": None, "valid_until": None, "managers": []}
    bare = (await api.manager.patch(f"/persons/{ada['id']}", json=taken)).json()
    assert bare == {**ada, "class": None}
    assert await get(api, ada["id"]) == bare


async def test_validity_is_refused_when_it_ends_before_it_begins(api: Api) -> None:
    ada = await api.person("Ada")
    path = f"/persons/{ada}"
    await api.manager.patch(path, json={"valid_from": "2026-02-01T00:00:00Z"})
    wrong = await api.manager.patch(path, json={"valid_until": "2026-02-01T00:00:00Z"})
    check_problem(wrong, 409, "Conflict")
    both = {"valid_from": None, "valid_until": "2026-02-01T00:00:00Z"}
    assert (await api.manager.patch(path, json=both)).status_code == 200


async def test_page_finds_persons_by_class(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    await api.person("Carol")
    for person_id, label in ((ada, "staff"), (bob, "vip")):
        await api.manager.patch(f"/persons/{person_id}", json={"class": label})

    async def found(**params: str) -> list[str]:
        page = (await api.viewer.get("/persons", params=params)).json()
        return [item["id"] for item in page["items"]]

    assert await found(**{"class": "Staff"}) == [ada]
    assert await found(**{"class": "vip", "kind": "known", "q": "bo"}) == [bob]
    assert await found(**{"class": "vip", "kind": "unknown"}) == []
    assert (await api.viewer.get("/persons/classes")).json()["items"] == ["staff", "vip"]


async def test_merged_person_keeps_their_own_class_and_inherits_with_the_name(api: Api) -> None:
    stranger, ada = await api.person(), await api.person("Ada")
    details = {"class": "staff", "managers": ["@boss"]}
    await api.manager.patch(f"/persons/{ada}", json=details)
    await api.manager.post(f"/persons/{stranger}/merge", json={"person_ids": [ada]})
    merged = await get(api, stranger)
    assert (merged["name"], merged["class"], merged["managers"]) == ("Ada", "staff", ["@boss"])
    (change, *_) = (await api.viewer.get("/identity/changes")).json()["items"]
    await api.manager.post("/identity/undo", json={"change_id": change["id"]})
    back = await get(api, stranger)
    assert (back["name"], back["class"], back["managers"]) == (None, None, [])
    assert (await get(api, ada))["class"] == "staff"


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"class": ""},
        {"class": "x" * 41},
        {"valid_from": "soon"},
        {"valid_from": "2026-01-01T00:00:00"},
        {"managers": [""]},
        {"kind": "odd"},
        {"id": "p-1"},
        {"name": ["x"]},
    ],
)
async def test_change_is_refused_when_it_is_wrong(api: Api, body: dict[str, object]) -> None:
    ada = await api.person("Ada")
    check_problem(await api.manager.patch(f"/persons/{ada}", json=body), 422)


@pytest.mark.parametrize("body", [{"name": "Ada"}, {"notes": ""}, {}])
async def test_person_is_not_found_when_there_is_none(api: Api, body: dict[str, object]) -> None:
    check_problem(await api.viewer.get("/persons/p-none"), 404, "NotFound")
    check_problem(await api.manager.patch("/persons/p-none", json=body), 404, "NotFound")
    check_problem(await api.manager.delete("/persons/p-none"), 404, "NotFound")
    check_problem(await api.viewer.get("/persons/p-none/faces"), 404, "NotFound")
    response = await send_photo(api.manager, "/persons/p-none/faces", pictures.jpeg())
    check_problem(response, 404, "NotFound")


# ---- Delete --------------------------------------------------------------------------------------


async def test_nothing_of_a_person_is_left_when_deleted(api: Api) -> None:
    canary = await api.person(CANARY)
    await api.manager.patch(f"/persons/{canary}", json={"notes": f"about {CANARY}"})
    await a_face(api, canary, seed=1)
    seen = [await api.detection(seed=n, track_id=f"{CANARY} {n}") for n in (2, 3)]
    for detection_id in seen:
        await api.assigned(detection_id, canary)
    await api.alert(canary)
    other = await api.person()
    files_before = {path.name for path in api.crop_files()}

    receipt = (await api.manager.delete(f"/persons/{canary}")).json()

    assert receipt == {
        "person_id": canary,
        "faces": 1,
        "detections": 2,
        "crops": 3,
        "visits": 1,
        "alerts": 1,
    }
    check_problem(await api.viewer.get(f"/persons/{canary}"), 404)
    audit = {"person.create", "person.update:notes", "person.delete", "detection.assign"}
    traces = (CANARY, canary, *seen)
    keeps_ids = ("identity_changes", "gallery_changes")
    for name in await api.database.list_collection_names():
        async for document in api.database[name].find():
            # Who did what to which id stays, names do not.
            if document.get("action") in audit or name in keeps_ids:
                assert CANARY not in str(document)
            else:
                assert not any(trace in str(document) for trace in traces), (name, document)
    assert len(files_before) == 4
    assert len(api.crop_files()) == 1
    assert (await get(api, other))["detections"] == 1


async def test_deleted_person_is_recognised_no_more(api: Api, test_data: Path) -> None:
    person_id = await api.person("Barack Obama")
    photo = photo_of(test_data)
    await send_photo(api.manager, f"/persons/{person_id}/faces", photo)
    (face,) = (await send_photo(api.manager, "/identify", photo)).json()["faces"]
    assert face["person"]["id"] == person_id
    await api.manager.delete(f"/persons/{person_id}")
    (face,) = (await send_photo(api.manager, "/identify", photo)).json()["faces"]
    assert face["person"] is None


# ---- Merge ---------------------------------------------------------------------------------------


async def test_merge_folds_everything_into_one(api: Api) -> None:
    ada, stranger = await api.person("Ada"), await api.person()
    face_id = await a_face(api, stranger)
    await api.alert(stranger)
    response = await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": [stranger]})
    merged = response.json()
    assert (merged["id"], merged["name"]) == (ada, "Ada")
    assert (merged["faces"], merged["detections"]) == (1, 1)
    check_problem(await api.viewer.get(f"/persons/{stranger}"), 404)
    assert (await api.viewer.get(f"/persons/{ada}/faces/{face_id}/image")).status_code == 200
    (alert,) = (await api.viewer.get("/alerts")).json()["items"]
    assert alert["person"]["id"] == ada


async def test_merge_takes_over_the_name_when_the_target_has_none(api: Api) -> None:
    ada, stranger = await api.person("Ada"), await api.person()
    response = await api.manager.post(f"/persons/{stranger}/merge", json={"person_ids": [ada]})
    merged = response.json()
    assert (merged["id"], merged["name"], merged["kind"]) == (stranger, "Ada", "known")


@pytest.mark.parametrize(
    ("others", "status"),
    [
        (["{self}"], 409),
        (["{other}", "{self}"], 409),
        (["p-none"], 404),
        (["{other}", "p-no"], 404),
    ],
)
async def test_merge_changes_nothing_when_it_is_refused(
    api: Api, others: list[str], status: int
) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    ids = [other.format(self=ada, other=bob) for other in others]
    response = await api.manager.post(f"/persons/{ada}/merge", json={"person_ids": ids})
    check_problem(response, status)
    assert (await get(api, ada))["name"] == "Ada"
    assert (await get(api, bob))["name"] == "Bob"


@pytest.mark.parametrize("body", [{}, {"person_ids": []}, {"person_ids": ["p"] * 101}])
async def test_merge_is_refused_when_the_body_is_wrong(api: Api, body: dict[str, object]) -> None:
    ada = await api.person("Ada")
    check_problem(await api.manager.post(f"/persons/{ada}/merge", json=body), 422)


async def test_merge_into_nobody_is_not_found(api: Api) -> None:
    ada = await api.person("Ada")
    response = await api.manager.post("/persons/p-none/merge", json={"person_ids": [ada]})
    check_problem(response, 404)
    assert (await get(api, ada))["name"] == "Ada"


# ---- Split ---------------------------------------------------------------------------------------


async def test_split_gives_detections_to_a_new_stranger_or_to_somebody(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    first, second = await api.detection(), await api.detection(1)
    for detection_id in (first, second):
        await api.assigned(detection_id, ada)
    url = f"/persons/{ada}/split"
    new = (await api.manager.post(url, json={"detection_ids": [first]})).json()
    assert (new["kind"], new["name"], new["detections"]) == ("unknown", None, 1)
    named = await api.manager.post(url, json={"detection_ids": [second], "into": bob})
    assert (named.json()["id"], named.json()["detections"]) == (bob, 1)
    assert (await get(api, ada))["detections"] == 0
    found = (await api.viewer.get(f"/detections/{first}")).json()
    assert (found["person"]["id"], found["confirmed"]) == (new["id"], True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"detection_ids": ["{theirs}"], "into": "p-none"}, 404),
        ({"detection_ids": ["none"]}, 404),
        ({"detection_ids": ["{theirs}", "{not theirs}"]}, 409),
        ({"detection_ids": []}, 422),
        ({"detection_ids": ["d"] * 1001}, 422),
        ({}, 422),
    ],
)
async def test_split_changes_nothing_when_it_is_refused(
    api: Api, body: dict[str, Any], status: int
) -> None:
    ada = await api.person("Ada")
    ids = {"{theirs}": await api.detection(), "{not theirs}": await api.detection(1)}
    await api.assigned(ids["{theirs}"], ada)
    given = [ids.get(id_, id_) for id_ in body.get("detection_ids", ())]
    sent = {**body, "detection_ids": given} if body else body
    check_problem(await api.manager.post(f"/persons/{ada}/split", json=sent), status)
    assert (await get(api, ada))["detections"] == 1


# ---- Faces ---------------------------------------------------------------------------------------


async def test_enrolment_keeps_the_face_alone_and_no_metadata(api: Api, test_data: Path) -> None:
    ada = await api.person("Ada")
    with Image.open(test_data / "enrol" / "barack-obama" / "1.jpg") as photo:
        sent, size = pictures.with_metadata(photo), photo.size
    response = await send_photo(api.manager, f"/persons/{ada}/faces", sent)
    assert response.status_code == 201, response.text
    face = response.json()
    assert (face["person_id"], face["origin"], face["detection_id"]) == (ada, "enrolment", None)
    stored = (await api.viewer.get(f"/persons/{ada}/faces/{face['id']}/image")).content
    assert pictures.GPS not in stored
    (file,) = api.crop_files()
    with Image.open(file) as picture:
        assert picture.width < size[0]
        assert picture.height < size[1]
    assert (await get(api, ada))["face_id"] == face["id"]


async def test_enrolment_can_be_described_again_from_what_it_keeps(
    api: Api, test_data: Path
) -> None:
    ada = await api.person("Ada")
    await send_photo(api.manager, f"/persons/{ada}/faces", photo_of(test_data))
    (face,) = await api.state.people.faces_of(ada)
    assert face.box is not None
    crop_rgb = decode_image(
        api.state.crops.get(face.crop), formats=CROP_FORMATS, max_pixels=50_000_000
    )
    (again,) = api.state.pipeline.describe(crop_rgb, [face.box])
    assert np.linalg.norm(again.embedding - face.embedding.vector) < 0.1


async def test_enrolment_takes_several_photographs_and_webp(api: Api, test_data: Path) -> None:
    person_id = await api.person("Barack Obama")
    with Image.open(test_data / "enrol" / "barack-obama" / "1.jpg") as photo:
        photo.thumbnail((600, 600))
        for kind in ("JPEG", "WEBP", "PNG"):
            sent = pictures.encoded(photo, kind)
            response = await send_photo(api.manager, f"/persons/{person_id}/faces", sent)
            assert response.status_code == 201, response.text
    assert (await get(api, person_id))["faces"] == 3
    items = (await api.viewer.get(f"/persons/{person_id}/faces")).json()["items"]
    assert len({item["id"] for item in items}) == 3


async def test_enrolment_takes_a_photograph_with_an_opaque_alpha_channel(
    api: Api, test_data: Path
) -> None:
    """`rgba.png` is a good photograph, as are those of `enrol/` that have an alpha channel."""
    person_id = await api.person("Somebody")
    rgba = [test_data / "bad-images" / "rgba.png", *(test_data / "enrol").glob("*/*.png")]
    assert len(rgba) > 1
    for path in rgba:
        response = await send_photo(api.manager, f"/persons/{person_id}/faces", path.read_bytes())
        assert response.status_code == 201, response.text


async def test_enrolment_is_refused_when_the_photograph_shows_no_face(api: Api) -> None:
    ada = await api.person("Ada")
    before = await api.counts()
    for photo in (pictures.jpeg(side_px=200), pictures.encoded(pictures.noise(), "WEBP")):
        response = await send_photo(api.manager, f"/persons/{ada}/faces", photo)
        check_problem(response, 422, "NoFaceFound")
    assert await api.counts() == before


@pytest.mark.parametrize("name", ["corrupted.png", "empty.png", "truncated.jpg"])
@pytest.mark.parametrize("path", ["/persons/{}/faces", "/identify"])
async def test_photograph_leaves_no_trace_when_it_is_bad(
    api: Api, test_data: Path, path: str, name: str
) -> None:
    ada = await api.person("Ada")
    before = await api.counts()
    photo = (test_data / "bad-images" / name).read_bytes()
    response = await send_photo(api.manager, path.format(ada), photo)
    check_problem(response, 415 if name == "empty.png" else 422)
    assert await api.counts() == before


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF"])
async def test_enrolment_is_refused_when_the_format_is_another(api: Api, kind: str) -> None:
    ada = await api.person("Ada")
    photo = pictures.encoded(pictures.noise(), kind)
    response = await send_photo(api.manager, f"/persons/{ada}/faces", photo)
    check_problem(response, 415, "UnsupportedImage")


async def test_enrolment_is_refused_when_several_faces_are_about_as_large(
    api: Api, test_data: Path
) -> None:
    ada = await api.person("Ada")
    photo = (test_data / "groups" / "two_people.jpg").read_bytes()
    response = await send_photo(api.manager, f"/persons/{ada}/faces", photo)
    assert "2 faces" in check_problem(response, 422, "SeveralFaces")
    assert (await api.counts())["crops"] == 0


async def test_enrolment_is_refused_when_the_face_is_too_poor(api: Api, test_data: Path) -> None:
    ada = await api.person("Ada")
    with Image.open(test_data / "enrol" / "barack-obama" / "1.jpg") as photo:
        blurred = pictures.encoded(photo.filter(ImageFilter.GaussianBlur(14)))
    response = await send_photo(api.manager, f"/persons/{ada}/faces", blurred)
    assert "blurred" in check_problem(response, 422, "InvalidImage")
    assert (await api.counts())["crops"] == 0


async def test_enrolment_leaves_no_crop_when_the_person_is_deleted_meanwhile(
    api: Api, test_data: Path
) -> None:
    ada = await api.person("Ada")
    enrolment = asyncio.create_task(
        send_photo(api.manager, f"/persons/{ada}/faces", photo_of(test_data))
    )
    await asyncio.sleep(0.05)  # the photograph is being searched for faces, in a thread
    assert (await api.admin.delete(f"/persons/{ada}")).status_code == 200
    check_problem(await enrolment, 404)
    assert (await api.counts())["crops"] == 0


async def test_enrolment_leaves_no_crop_when_the_person_has_enough_references(
    api: Api, test_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_REFERENCES", 1)
    ada = await api.person("Ada")
    await a_face(api, ada)
    response = await send_photo(api.manager, f"/persons/{ada}/faces", photo_of(test_data))
    assert "remove one" in check_problem(response, 409, "Conflict")
    assert (await api.counts())["crops"] == 1


async def test_removed_face_is_gone_with_its_picture(api: Api) -> None:
    ada = await api.person("Ada")
    kept, removed = await a_face(api, ada, 1), await a_face(api, ada, 2)
    assert (await api.manager.delete(f"/persons/{ada}/faces/{removed}")).status_code == 204
    items = (await api.viewer.get(f"/persons/{ada}/faces")).json()["items"]
    assert [item["id"] for item in items] == [kept]
    assert len(api.crop_files()) == 1
    check_problem(await api.viewer.get(f"/persons/{ada}/faces/{removed}/image"), 404)
    check_problem(await api.manager.delete(f"/persons/{ada}/faces/{removed}"), 404)


async def test_face_is_not_found_when_it_is_another_persons(api: Api) -> None:
    ada, bob = await api.person("Ada"), await api.person("Bob")
    face_id = await a_face(api, ada)
    check_problem(await api.viewer.get(f"/persons/{bob}/faces/{face_id}/image"), 404)
    check_problem(await api.manager.delete(f"/persons/{bob}/faces/{face_id}"), 404)
    assert (await get(api, ada))["faces"] == 1


# ---- Repeated requests ---------------------------------------------------------------------------

ONCE = {IDEMPOTENCY_HEADER: "made-once-for-this"}


async def test_create_adds_nobody_twice_when_a_request_is_repeated(api: Api) -> None:
    first, second = [
        await api.manager.post("/persons", json={"name": "Alice"}, headers=ONCE) for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert await api.database["persons"].count_documents({}) == 1
    (kept,) = await api.database["repetitions"].find().to_list()
    assert ONCE[IDEMPOTENCY_HEADER] not in str(kept)


async def test_create_adds_one_when_the_same_request_comes_many_times_at_once(api: Api) -> None:
    answers = await asyncio.gather(
        *(api.manager.post("/persons", json={"name": "Alice"}, headers=ONCE) for _ in range(6))
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes.count(201) == 1
    assert set(codes) <= {200, 201, 409}
    assert await api.database["persons"].count_documents({}) == 1


async def test_create_is_refused_when_the_key_was_used_for_another_request(api: Api) -> None:
    await api.manager.post("/persons", json={"name": "Alice"}, headers=ONCE)
    other = await api.manager.post("/persons", json={"name": "Bob"}, headers=ONCE)
    check_problem(other, 422, "IdempotencyConflict")


async def test_create_adds_another_when_the_key_is_somebody_elses(api: Api) -> None:
    for client in (api.manager, api.admin):
        response = await client.post("/persons", json={"name": "Alice"}, headers=ONCE)
        assert response.status_code == 201
    assert await api.database["persons"].count_documents({}) == 2


async def test_create_says_that_nobody_is_there_when_the_person_was_deleted_since(api: Api) -> None:
    made = await api.manager.post("/persons", json={"name": "Alice"}, headers=ONCE)
    await api.manager.delete(f"/persons/{made.json()['id']}")
    again = await api.manager.post("/persons", json={"name": "Alice"}, headers=ONCE)
    check_problem(again, 404, "NotFound")


async def test_enrolment_adds_one_face_when_a_request_is_repeated(
    api: Api, test_data: Path
) -> None:
    ada = await api.person("Ada")
    photo = {"image": ("photo", photo_of(test_data), "image/jpeg")}
    first, second = [
        await api.manager.post(f"/persons/{ada}/faces", files=photo, headers=ONCE) for _ in range(2)
    ]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert (await get(api, ada))["faces"] == len(api.crop_files()) == 1
