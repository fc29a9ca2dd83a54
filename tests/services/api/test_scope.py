"""What somebody sees and changes who has some of the cameras.

Beside the door, which is theirs, there is a yard, which is not. The routes are the application's
own: a new one is walked as well.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from tests.services.api.routes.test_cameras import report
from tests.services.api.routes.test_events import ended, listened
from tests.services.api.routes.test_visits import stayed
from tests.services.api.seeing import crop_of, embed_all, saw
from tests.services.api.test_app import MAY, PLACEHOLDER, allowed
from usher.domain.identifiers import new_id
from usher.domain.records import Embedding, Face, Role, User
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.documents import to_document

from . import pictures
from .conftest import NOON, Api, check_problem, send_photo, signed_in, upload

DOOR, YARD = "door", "canary-yard"

EVERYBODYS = {
    "GET /openapi.json": "says nothing of anybody",
    "GET /identity/changes": "names persons, whom everybody sees, and no camera and no picture",
    "GET /stats/identity": "is of all known people; what waits for an answer is of one's cameras",
    "GET /settings": "is of the whole system, and says nothing of anybody",
    "GET /alert-rules": "are of the whole system, and name cameras and addresses, no persons",
    "POST /alerts/mute": "is of one's own account",
    "GET /devices": "has a test of its own",
    "GET /session": "is of oneself",
    "GET /tokens": "are one's own",
    "GET /events": "has a test of its own",
    "DELETE /session": "is of oneself",
    "POST /session/password": "is of oneself",
    "POST /tokens": "has tests of its own",
    "DELETE /tokens/{token_id}": "are one's own",
    "POST /identify": "keeps nothing, and says of the photograph alone who is on it",
    "POST /search": "has a test of its own",
    "POST /verify": "compares two photographs that are sent with it, and keeps neither",
    "GET /persons/classes": "names classes of persons, whom everybody sees",
    "POST /persons": "adds somebody whom no camera has seen",
}
"""Routes that know no cameras, each with the reason."""

OF_ALL_CAMERAS = {"GET /persons/{person_id}/export"}
"""What only somebody may read who has them all."""

QUERIES = {
    "GET /attendance": {
        "from": NOON.date().isoformat(),
        "to": NOON.date().isoformat(),
        "kind": "unknown",
    }
}
"""What a route does not go without."""

CHANGES: Mapping[str, dict[str, Any] | None] = {
    "POST /detections": None,
    "POST /detections/{detection_id}/assign": {"not_a_face": True},
    "POST /detections/{detection_id}/reject": {"person_id": "{person_id}"},
    "POST /detections/{detection_id}/retry": None,
    "PATCH /persons/{person_id}": {"name": "Eve"},
    "DELETE /persons/{person_id}": None,
    "POST /persons/{person_id}/merge": {"person_ids": ["{own_person_id}"]},
    "POST /persons/{person_id}/split": {"detection_ids": ["{detection_id}"]},
    "POST /persons/{person_id}/faces": None,
    "POST /persons/{person_id}/videos": None,
    "DELETE /persons/{person_id}/faces/{face_id}": None,
    "POST /identity/undo": {"change_id": "{change_id}"},
    "POST /alerts/{alert_id}/answer": {"answer": "is Eve"},
    "POST /alerts/{alert_id}/retry": None,
    "PATCH /cameras/{camera_id}": {"name": "Eve's"},
    "DELETE /cameras/{camera_id}": None,
}
"""What a manager may change, with a body. A new route gets its row here or above."""


@dataclass(frozen=True)
class Place:
    """A door and a yard, a stranger at each, and clients of those who have the door alone."""

    api: Api
    viewer: httpx2.AsyncClient
    manager: httpx2.AsyncClient
    own: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)

    @property
    def canaries(self) -> set[str]:
        """What tells of the yard. Persons do not."""
        return {value for name, value in self.foreign.items() if name not in _SHARED}


_SHARED = ("person_id", "change_id", "own_person_id")


async def _seen_at(api: Api, camera_id: str, seed: int) -> dict[str, str]:
    """A stranger whom a camera has seen, with all that there is of it; ids by their placeholder."""
    detection_id = await api.detection(seed, camera_id=camera_id)
    person_id = await api.assigned(detection_id)
    detection = await api.state.detections.get(detection_id)
    face = Face(
        id=new_id(),
        person_id=person_id,
        embedding=Embedding("none", np.zeros(128, dtype=np.float32)),
        crop=detection.crop,
        origin="detection",
        created_at=NOON,
        detection_id=detection_id,
    )
    await api.database["faces"].insert_one(to_document(face))
    assert (await report(api.device, camera_id, frame=pictures.jpeg(seed))).status_code == 200
    changes = (await api.admin.get("/identity/changes", params={"person_id": person_id})).json()
    assert detection.visit_id is not None
    return {
        "visit_id": detection.visit_id,
        "camera_id": camera_id,
        "detection_id": detection_id,
        "person_id": person_id,
        "face_id": face.id,
        "alert_id": await api.alert(person_id, camera_id=camera_id),
        "change_id": changes["items"][0]["id"],
    }


@pytest.fixture
async def place(own_api: Api, password_hash: str) -> AsyncIterator[Place]:
    clients = []
    for role in (Role.VIEWER, Role.MANAGER):
        user = User(
            id=new_id(),
            username=f"{role} of the door",
            role=role,
            password_hash=password_hash,
            cameras=(DOOR,),
        )
        await own_api.state.users.insert(user)
        clients.append(await signed_in(own_api.app, own_api.state, user))
    place = Place(own_api, *clients)
    place.own.update(await _seen_at(own_api, DOOR, 1))
    place.foreign.update(await _seen_at(own_api, YARD, 2))
    place.foreign["own_person_id"] = place.own["person_id"]
    yield place
    for client in clients:
        await client.aclose()


def filled(template: str, ids: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: ids.get(found[0][1:-1], "none"), template)


async def read(client: httpx2.AsyncClient, route: str, ids: Mapping[str, str]) -> httpx2.Response:
    url = filled(route.removeprefix("GET "), ids)
    return await client.get(url, params=QUERIES.get(route))


def body_of(route: str, ids: Mapping[str, str]) -> dict[str, Any]:
    """The JSON of a row, with the ids in place."""

    def put(value: Any) -> Any:
        return [put(one) for one in value] if isinstance(value, list) else filled_in(value)

    def filled_in(value: Any) -> Any:
        return filled(value, ids) if isinstance(value, str) else value

    return {name: put(value) for name, value in (CHANGES[route] or {}).items()}


def of_managers(*, reading: bool) -> list[str]:
    return [
        route
        for route, row in MAY.items()
        if Role.MANAGER in allowed(row)[0] and route.startswith("GET ") == reading
    ]


def test_every_change_of_a_manager_has_its_row() -> None:
    assert set(of_managers(reading=False)) == set(CHANGES) | {
        route for route in EVERYBODYS if not route.startswith("GET ")
    }


async def check_tells_nothing(place: Place, client: httpx2.AsyncClient) -> int:
    """Read everything with the yard's ids; how many lists and items answered."""
    answered = 0
    for route in of_managers(reading=True):
        if route in EVERYBODYS:
            continue
        response = await read(client, route, place.foreign)
        if route in OF_ALL_CAMERAS:
            check_problem(response, 403, "PermissionDenied")
            continue
        if response.status_code == 404:
            check_problem(response, 404, "NotFound")
            continue
        assert response.status_code == 200, (route, response.text)
        assert "image" not in response.headers["content-type"], route
        assert not [word for word in place.canaries if word in response.text], route
        answered += 1
    return answered


async def test_nothing_that_a_viewer_reads_tells_of_other_cameras(place: Place) -> None:
    assert await check_tells_nothing(place, place.viewer) >= 6


async def test_nothing_that_a_token_reads_tells_of_other_cameras(place: Place) -> None:
    body = {"name": "till", "role": "manager", "cameras": [DOOR]}
    key = (await place.api.manager.post("/tokens", json=body)).json()["key"]
    async with place.api.client(headers={"Authorization": f"Bearer {key}"}) as client:
        assert await check_tells_nothing(place, client) >= 6


async def test_same_requests_tell_of_the_yard_when_one_has_all_cameras(place: Place) -> None:
    told = set()
    for route in of_managers(reading=True):
        if route in EVERYBODYS:
            continue
        response = await read(place.api.manager, route, place.foreign)
        assert response.status_code == 200, (route, response.text)
        told |= {word for word in place.canaries if word.encode() in response.content}
    assert told == place.canaries


@pytest.mark.parametrize("route", CHANGES)
async def test_manager_changes_nothing_of_other_cameras(place: Place, route: str) -> None:
    before = await everything(place.api)
    if route == "POST /detections":
        response = await upload(place.manager, camera_id=YARD)
    else:
        method, path = route.split()
        body = body_of(route, place.foreign)
        response = await place.manager.request(method, filled(path, place.foreign), json=body)
    assert response.status_code in (403, 404), (response.status_code, response.text)
    assert await everything(place.api) == before


async def everything(api: Api) -> dict[str, list[Any]]:
    names = ("detections", "persons", "faces", "cameras", "visits", "identity_changes")
    return {name: await api.database[name].find().sort("_id", 1).to_list() for name in names}


async def test_manager_changes_what_is_of_their_own_cameras(place: Place) -> None:
    manager, own = place.manager, place.own
    person, detection = f"/persons/{own['person_id']}", f"/detections/{own['detection_id']}"
    assert (await upload(manager, camera_id=DOOR)).status_code == 201
    assert (await manager.patch(person, json={"name": "Ada"})).status_code == 200
    assert (await manager.patch(f"/cameras/{DOOR}", json={"name": "Front"})).status_code == 200
    new = {"new_person": True}
    assert (await manager.post(f"{detection}/assign", json=new)).status_code == 200
    changes = (await manager.get("/identity/changes")).json()["items"]
    undone = await manager.post("/identity/undo", json={"change_id": changes[0]["id"]})
    assert undone.status_code == 200, undone.text
    assert (await manager.delete(person)).status_code == 200


async def test_person_whom_both_cameras_saw_can_be_named_but_not_deleted(place: Place) -> None:
    person_id = place.own["person_id"]
    await place.api.assigned(place.foreign["detection_id"], person_id)
    path = f"/persons/{person_id}"
    assert (await place.manager.patch(path, json={"name": "Ada"})).status_code == 200
    check_problem(await place.manager.delete(path), 403, "PermissionDenied")
    other = {"person_ids": [person_id]}
    ada = (await place.manager.post("/persons", json={"name": "Ada"})).json()["id"]
    check_problem(await place.manager.post(f"/persons/{ada}/merge", json=other), 403)
    both = [place.own["detection_id"], place.foreign["detection_id"]]
    check_problem(await place.manager.post(f"{path}/split", json={"detection_ids": both}), 404)
    mine = {"detection_ids": both[:1]}
    assert (await place.manager.post(f"{path}/split", json=mine)).status_code == 200


async def test_who_hears_of_a_person_is_said_by_those_who_have_all_cameras(place: Place) -> None:
    path = f"/persons/{place.own['person_id']}"
    told = {"managers": ["mail:eve@example.org"]}
    check_problem(await place.manager.patch(path, json=told), 403, "PermissionDenied")
    assert (await place.api.manager.get(path)).json()["managers"] == []
    assert (await place.api.manager.patch(path, json=told)).status_code == 200


async def test_person_whom_nobody_saw_is_everybodys(place: Place) -> None:
    ada = (await place.manager.post("/persons", json={"name": "Ada"})).json()["id"]
    check_problem(await send_photo(place.manager, f"/persons/{ada}/faces", b"no picture"), 415)
    assert (await place.manager.patch(f"/persons/{ada}", json={"notes": "x"})).status_code == 200
    assert (await place.manager.delete(f"/persons/{ada}")).status_code == 200


async def test_person_is_seen_by_all_with_the_sightings_of_ones_own_cameras(place: Place) -> None:
    foreign = (await place.viewer.get(f"/persons/{place.foreign['person_id']}")).json()
    assert (foreign["detections"], foreign["last_seen_at"]) == (0, None)
    assert (foreign["faces"], foreign["face_id"]) == (0, None)
    own = (await place.viewer.get(f"/persons/{place.own['person_id']}")).json()
    assert (own["detections"], own["face_id"]) == (1, place.own["face_id"])
    everything = (await place.api.viewer.get(f"/persons/{place.foreign['person_id']}")).json()
    assert (everything["detections"], everything["face_id"]) == (1, place.foreign["face_id"])


async def test_list_of_another_camera_is_empty(place: Place) -> None:
    for camera_id, count in ((DOOR, 1), (YARD, 0)):
        response = await place.viewer.get("/detections", params={"camera_id": camera_id})
        assert len(response.json()["items"]) == count


async def test_visits_are_of_ones_own_cameras(place: Place) -> None:
    both = place.own["person_id"]
    await stayed(place.api, both, NOON, camera_id=YARD)
    for path in ("/visits", f"/persons/{both}/visits"):
        for client, params, count in (
            (place.viewer, {}, 1),
            (place.manager, {"camera_id": DOOR}, 1),
            (place.manager, {"camera_id": YARD}, 0),
        ):
            items = (await client.get(path, params=params)).json()["items"]
            assert [one["id"] for one in items] == [place.own["visit_id"]][:count]
        assert len((await place.api.viewer.get(path)).json()["items"]) >= 2


@pytest.mark.parametrize("format_", ["json", "csv"])
async def test_attendance_is_of_ones_own_cameras(place: Place, format_: str) -> None:
    both = place.own["person_id"]
    await stayed(place.api, both, NOON - timedelta(hours=3), camera_id=YARD)
    params = {**QUERIES["GET /attendance"], "format": format_}
    own = (await place.viewer.get("/attendance", params=params)).text
    everything = (await place.api.viewer.get("/attendance", params=params)).text
    elsewhere = (await place.viewer.get("/attendance", params={**params, "camera_id": YARD})).text
    assert both in own and "12:00:00" in own and "09:00:00" not in own
    assert place.foreign["person_id"] not in own
    assert both in everything and "09:00:00" in everything
    assert place.foreign["person_id"] in everything
    assert both not in elsewhere and place.foreign["person_id"] not in elsewhere


async def test_search_is_among_ones_own_cameras(place: Place, test_data: Path) -> None:
    obama = test_data / "enrol" / "barack-obama"
    own = await saw(place.api, obama / "1.jpg", camera_id=DOOR)
    foreign = await saw(place.api, obama / "2.jpg", camera_id=YARD)
    await embed_all(place.api)
    files = {"image": ("photo", crop_of(obama / "1.jpg"), "image/jpeg")}

    async def found(client: httpx2.AsyncClient, **params: str) -> set[str]:
        body = (await client.post("/search", files=files, params=params)).json()
        assert body["searched"] == len(body["items"])  # of no other faces is anything told
        return {item["detection"]["id"] for item in body["items"]}

    assert await found(place.api.manager) == {own, foreign}
    assert await found(place.manager) == {own}
    assert await found(place.manager, camera_id=DOOR) == {own}
    assert await found(place.manager, camera_id=YARD) == set()


@pytest.mark.parametrize("size", [None, 160])
async def test_pictures_are_of_ones_own_cameras_in_every_size(
    place: Place, size: int | None
) -> None:
    params = {} if size is None else {"size": size}
    for template in (
        "/detections/{detection_id}/image",
        "/persons/{person_id}/faces/{face_id}/image",
    ):
        own = await place.viewer.get(filled(template, place.own), params=params)
        assert (own.status_code, own.headers["content-type"]) == (200, "image/jpeg")
        foreign = filled(template, place.foreign)
        everything = await place.api.viewer.get(foreign, params=params)
        assert everything.status_code == 200
        known = {"if-none-match": everything.headers["etag"]}
        for headers in ({}, known, {"if-none-match": "*"}):
            response = await place.viewer.get(foreign, params=params, headers=headers)
            check_problem(response, 404, "NotFound")


async def test_export_is_for_those_who_have_all_cameras(place: Place) -> None:
    path = f"/persons/{place.own['person_id']}/export"
    check_problem(await place.manager.get(path), 403, "PermissionDenied")
    assert (await place.api.manager.get(path)).headers["content-type"] == "application/zip"


async def test_figures_are_of_ones_own_cameras(place: Place) -> None:
    figures = (await place.viewer.get("/stats")).json()
    counts = ("detections", "persons", "new_persons", "alerts_unsent")
    assert [figures[name] for name in counts] == [1, 1, 1, 1]
    everything = (await place.api.viewer.get("/stats")).json()
    assert [everything[name] for name in counts] == [2, 2, 2, 2]


async def test_devices_are_those_whose_keys_are_for_ones_own_cameras(place: Place) -> None:
    for cameras in ([], [DOOR], [YARD], [DOOR, YARD]):
        body = {"name": f"for {cameras}", "cameras": cameras}
        assert (await place.api.admin.post("/devices", json=body)).status_code == 201
    response = await place.manager.get("/devices")
    shown = [one["cameras"] for one in response.json()["items"] if one["name"].startswith("for")]
    assert sorted(shown) == [[], [DOOR], [DOOR]]
    everybodys = (await place.api.manager.get("/devices")).json()["items"]
    assert [YARD, DOOR] in [one["cameras"] for one in everybodys]


async def test_events_are_of_ones_own_cameras(place: Place) -> None:
    stream = await listened(place.api, place.viewer)
    for camera_id in (YARD, DOOR):
        await place.api.detection(3, camera_id=camera_id)
        await place.api.alert(place.own["person_id"], camera_id=camera_id)
        await place.api.manager.patch(f"/cameras/{camera_id}", json={"name": f"new {camera_id}"})
    await place.api.manager.delete(f"/cameras/{YARD}")
    await place.api.manager.delete(f"/cameras/{DOOR}")
    found = await ended(place.api, stream)
    assert {kind for kind, _ in found} == {"detection", "alert", "camera", "camera_removed"}
    assert YARD not in str(found)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (EVERYTHING, EVERYTHING, EVERYTHING),
        (EVERYTHING, Scope.of(["a"]), Scope.of(["a"])),
        (Scope.of(["a", "b"]), EVERYTHING, Scope.of(["a", "b"])),
        (Scope.of(["a", "b"]), Scope.of(["b", "c"]), Scope.of(["b"])),
        # Nothing in common is nothing at all, not everything.
        (Scope.of(["a"]), Scope.of(["b"]), Scope(frozenset())),
    ],
)
def test_scopes_have_in_common_what_both_admit(one: Scope, other: Scope, both: Scope) -> None:
    assert one & other == both
    assert all((one & other).admits(id_) == both.admits(id_) for id_ in "abc")


def test_scope_of_no_cameras_is_everything() -> None:
    assert Scope.of([]) == EVERYTHING
    assert EVERYTHING.admits("any") and EVERYTHING.query() == {}
    assert Scope(frozenset()).query() == {"camera_id": {"$in": []}}
