"""What is older than it is to be kept goes, with its pictures, and nothing else does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pytest

from services.api.retention import forget_old
from tests.services.api.conftest import NOON, Api, check_problem
from usher.domain.identifiers import new_id
from usher.domain.records import Embedding, Face
from usher.storage import retention
from usher.storage.documents import to_document
from usher.storage.retention import Due

LONG_AGO = NOON - timedelta(days=40)
YEARS_AGO = NOON - timedelta(days=400)


@dataclass
class Place:
    """Who was seen when. Each detection has a picture of its own."""

    api: Api
    seen: int = 0

    async def detection(self, at: datetime, person_id: str | None = None) -> str:
        self.seen += 1
        detection_id = await self.api.detection(self.seen, captured_at=at.isoformat())
        if person_id is not None:
            await self.api.assigned(detection_id, person_id)
        return detection_id

    async def stranger(self, *times: datetime) -> str:
        first = await self.detection(times[0])
        person_id = await self.api.assigned(first)
        for at in times[1:]:
            await self.detection(at, person_id)
        return person_id

    async def known(self, name: str, *times: datetime) -> str:
        person_id = await self.api.person(name)
        for at in times:
            await self.detection(at, person_id)
        return person_id

    async def nobody(self, at: datetime, status: str = "unidentifiable") -> str:
        detection_id = await self.detection(at)
        await self.api.database["detections"].update_one(
            {"_id": detection_id}, {"$set": {"status": status}}
        )
        return detection_id

    async def reference(self, detection_id: str, person_id: str) -> str:
        """What somebody is recognised by, with the detection's own picture; its crop."""
        crop = (await self.api.state.detections.get(detection_id)).crop
        face = Face(
            id=new_id(),
            person_id=person_id,
            embedding=Embedding("none", np.zeros(128, dtype=np.float32)),
            crop=crop,
            origin="detection",
            created_at=NOON,
            detection_id=detection_id,
        )
        await self.api.database["faces"].insert_one(to_document(face))
        return crop

    async def keep(self, **days: int | None) -> None:
        response = await self.api.admin.patch("/settings", json=days)
        assert response.status_code == 200, response.text

    async def forget(self) -> Due:
        # The people of a test were all made now.
        await self.api.database["persons"].update_many({}, {"$set": {"created_at": YEARS_AGO}})
        return await forget_old(self.api.state, now=NOON)

    async def left(self) -> dict[str, int]:
        return await self.api.counts()


@pytest.fixture
def place(api: Api, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(retention, "_STEP", 2)  # so that a few need several steps
    return Place(api)


async def test_everything_is_kept_where_nothing_is_set(place: Place) -> None:
    await place.stranger(YEARS_AGO)
    await place.known("Ada", YEARS_AGO)
    before = await place.left()
    assert await place.forget() == Due(strangers=0, detections=0)
    assert await place.left() == before
    assert (await place.api.admin.get("/audit", params={"action": "retention.forget"})).json()[
        "items"
    ] == []


async def test_strangers_go_who_were_not_seen_for_so_long(place: Place) -> None:
    gone = await place.stranger(*[LONG_AGO] * 5)
    back = await place.stranger(LONG_AGO, LONG_AGO, NOON)
    ada = await place.known("Ada", YEARS_AGO)
    ignored = await place.stranger(LONG_AGO)
    await place.api.manager.patch(f"/persons/{ignored}", json={"kind": "ignored"})
    for status in ("unidentifiable", "not_a_face", "failed"):
        await place.nobody(LONG_AGO, status)
    await place.nobody(NOON)
    waiting = await place.detection(LONG_AGO)
    await place.keep(strangers_kept_days=30)

    assert await place.forget() == Due(strangers=1, detections=5 + 2 + 3)

    check_problem(await place.api.viewer.get(f"/persons/{gone}"), 404)
    assert await place.api.database["detections"].count_documents({"person_id": gone}) == 0
    for person_id, detections in ((back, 1), (ada, 1), (ignored, 1)):
        person = (await place.api.viewer.get(f"/persons/{person_id}")).json()
        assert person["detections"] == detections
    assert (await place.api.viewer.get(f"/detections/{waiting}")).status_code == 200
    left = await place.left()
    assert (left["detections"], left["crops"]) == (5, 5)
    visits = await place.api.database["visits"].distinct("person_id")
    assert set(visits) == {back, ada, ignored}
    (entry,) = (await place.api.admin.get("/audit", params={"action": "retention.forget"})).json()[
        "items"
    ]
    assert (entry["actor"], entry["action"]) == (
        "usher",
        "retention.forget:1 strangers, 10 detections",
    )
    assert await place.forget() == Due(strangers=0, detections=0)


async def test_stranger_stays_who_is_named_or_comes_back_while_others_go(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, named, back = [await place.stranger(LONG_AGO) for _ in range(3)]
    await place.keep(strangers_kept_days=30)
    forget = place.api.state.registry.delete_person

    async def others_act(person_id: str) -> object:
        await place.api.manager.patch(f"/persons/{named}", json={"name": "Ada"})
        await place.detection(NOON, back)
        return await forget(person_id)

    monkeypatch.setattr(
        place.api.state.retention, "strangers", lambda before: _listed(first, named, back)
    )
    monkeypatch.setattr(place.api.state.registry, "delete_person", others_act)

    assert (await place.forget()).strangers == 1

    check_problem(await place.api.viewer.get(f"/persons/{first}"), 404)
    for person_id in (named, back):
        assert (await place.api.viewer.get(f"/persons/{person_id}")).status_code == 200


async def _listed(*ids: str) -> list[str]:
    return list(ids)


async def test_old_detections_of_the_known_go_and_what_they_are_known_by_stays(
    place: Place,
) -> None:
    ada = await place.known("Ada", YEARS_AGO, NOON)
    old = await place.detection(YEARS_AGO, ada)
    crop = await place.reference(old, ada)
    await place.keep(strangers_kept_days=30, known_kept_days=365)

    assert await place.forget() == Due(strangers=0, detections=2)

    assert crop in {path.stem for path in place.api.crop_files()}
    (face,) = (await place.api.viewer.get(f"/persons/{ada}/faces")).json()["items"]
    assert face["detection_id"] is None
    picture = await place.api.viewer.get(f"/persons/{ada}/faces/{face['id']}/image")
    assert picture.status_code == 200
    (visit,) = (await place.api.viewer.get(f"/persons/{ada}/visits")).json()["items"]
    assert visit["started_at"] == "2026-11-22T12:00:00Z"


async def test_it_is_said_before_what_would_go(place: Place) -> None:
    long_ago = datetime.now(NOON.tzinfo) - timedelta(days=40)
    await place.stranger(long_ago, long_ago)
    await place.known("Ada", long_ago)
    await place.api.database["persons"].update_many({}, {"$set": {"created_at": YEARS_AGO}})

    async def due(**days: int) -> dict[str, int]:
        found: dict[str, int] = (
            await place.api.admin.get("/settings/retention", params=days)
        ).json()
        return found

    assert await due() == {"strangers": 0, "detections": 0}
    assert await due(strangers_kept_days=30) == {"strangers": 1, "detections": 2}
    assert await due(strangers_kept_days=30, known_kept_days=30) == {
        "strangers": 1,
        "detections": 3,
    }
    assert await due(strangers_kept_days=50) == {"strangers": 0, "detections": 0}


@pytest.mark.parametrize(
    "days",
    [
        {"known_kept_days": 365},
        {"strangers_kept_days": 366, "known_kept_days": 365},
        {"strangers_kept_days": 0},
        {"strangers_kept_days": 1.5},
        {"known_kept_days": -1, "strangers_kept_days": 1},
    ],
)
async def test_days_are_refused_that_make_no_sense(api: Api, days: dict[str, float]) -> None:
    response = await api.admin.patch("/settings", json=days)
    assert response.status_code in (400, 422)
    assert (await api.admin.get("/settings")).json()["known_kept_days"] is None


async def test_days_are_set_and_taken_back(place: Place) -> None:
    await place.keep(strangers_kept_days=30, known_kept_days=365)
    check_problem(await place.api.admin.patch("/settings", json={"strangers_kept_days": None}), 400)
    await place.keep(known_kept_days=None)
    await place.keep(strangers_kept_days=None)
    found = (await place.api.admin.get("/audit", params={"action": "settings.update"})).json()
    assert [(entry["action"], entry["subject"]) for entry in found["items"]] == [
        ("settings.update:30 to ever", "strangers_kept_days"),
        ("settings.update:365 to ever", "known_kept_days"),
        ("settings.update:ever to 30", "strangers_kept_days"),
        ("settings.update:ever to 365", "known_kept_days"),
    ]
