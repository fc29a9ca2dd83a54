"""Who is who: all or nothing, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.storage.making import NOON, POOR, detection, embedded, face, person
from usher.domain.errors import Conflict, LeaseLost, NotFound
from usher.domain.records import (
    AlertStatus,
    Confidence,
    Detection,
    DetectionStatus,
    PersonKind,
)
from usher.storage import possessions
from usher.storage.database import Database
from usher.storage.detections import Detections
from usher.storage.documents import Document, to_document
from usher.storage.identity import Assignment, Identity
from usher.storage.leases import ASSIGN, Lease, Leases
from usher.storage.people import People

GAP_S = 60.0
WRITTEN = ("detections", "persons", "faces", "visits", "alerts", "settings")


class House:
    """A database with a classifier at work, and what there is to look at."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.identity = Identity(database, visit_gap_s=GAP_S)
        self.detections = Detections(database)
        self.people = People(database)

    async def lease(self, owner: str = "worker") -> Lease:
        lease = await Leases(self.database).acquire(ASSIGN, owner, lease_s=30)
        assert lease is not None
        return lease

    async def commit(self, *assignments: Assignment, version: int | None = None) -> int:
        """Insert the detections that are new, and commit."""
        for assignment in assignments:
            await self.detections.insert(assignment.detection)
        return await self.identity.commit(
            assignments,
            lease=await self.lease(),
            lease_s=30,
            version=await self.identity.version() if version is None else version,
        )

    async def saw(self, person_id: str, second: float, **fields: Any) -> Detection:
        """A detection of somebody who is there already."""
        item = embedded(second, **fields)
        await self.commit(Assignment(detection=item, person_id=person_id))
        return await self.detections.get(item.id)

    async def stranger(self, person_id: str, second: float = 0, **fields: Any) -> Detection:
        """A detection that founds a stranger."""
        item = embedded(second, **fields)
        await self.commit(founding(item, person_id))
        return await self.detections.get(item.id)

    async def all(self, collection: str, **query: Any) -> list[Document]:
        return await self.database[collection].find(query).sort("_id").to_list()

    async def everything(self) -> dict[str, list[Document]]:
        return {name: await self.all(name) for name in WRITTEN}


def founding(item: Detection, person_id: str) -> Assignment:
    return Assignment(detection=item, person_id=person_id, founds=True, reference=True)


@pytest.fixture
async def house(prepared: Database) -> House:
    return House(prepared)


class TestCommit:
    async def test_commit_writes_person_face_visit_and_alert_when_it_founds_a_stranger(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        assert seen.status is DetectionStatus.CLASSIFIED
        assert (await house.people.get("p-1")).kind is PersonKind.UNKNOWN
        (reference,) = await house.people.faces_of("p-1")
        assert (reference.detection_id, reference.crop) == (seen.id, seen.crop)
        (visit,) = await house.all("visits")
        (alert,) = await house.all("alerts")
        assert seen.visit_id == visit["_id"] == alert["visit_id"]
        assert alert["detection_id"] == seen.id
        assert alert["status"] == AlertStatus.PENDING

    async def test_commit_raises_the_version_by_one_when_it_writes_a_batch(
        self, house: House
    ) -> None:
        before = await house.identity.version()
        after = await house.commit(*(founding(embedded(n), f"p-{n}") for n in range(3)))
        assert after == before + 1 == await house.identity.version()

    async def test_commit_leaves_a_detection_unidentifiable_when_it_is_nobodys(
        self, house: House
    ) -> None:
        item = embedded()
        await house.commit(Assignment(detection=item, person_id=None))
        assert (await house.detections.get(item.id)).status is DetectionStatus.UNIDENTIFIABLE
        assert await house.all("visits") == await house.all("alerts") == []

    async def test_commit_keeps_the_confidence_when_somebody_is_recognised(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        item = embedded(1)
        await house.commit(
            Assignment(detection=item, person_id="p-1", confidence=Confidence.MEDIUM)
        )
        assert (await house.detections.get(item.id)).confidence is Confidence.MEDIUM
        assert len(await house.people.faces_of("p-1")) == 1

    async def test_commit_writes_nothing_when_it_crashes_in_the_middle(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.stranger("p-0")
        items = [embedded(second) for second in range(1, 4)]
        for item in items:
            await house.detections.insert(item)
        before = await house.everything()
        assign = house.identity._assign
        calls = 0

        async def crash(*given: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise RuntimeError("the power is gone")
            return await assign(*given)

        with monkeypatch.context() as broken:
            broken.setattr(house.identity, "_assign", crash)
            with pytest.raises(RuntimeError):
                await house.commit(*(founding(item, f"p-{item.id}") for item in items))
        assert await house.everything() == before
        await house.commit(*(founding(item, f"p-{item.id}") for item in items))
        assert len(await house.all("alerts")) == 4

    async def test_commit_writes_nothing_when_a_manager_has_raised_the_version(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        version = await house.identity.version()
        await house.identity.update_person("p-1", {"name": "Ada", "kind": PersonKind.KNOWN})
        item = embedded(1)
        await house.detections.insert(item)
        before = await house.everything()
        with pytest.raises(LeaseLost):
            await house.commit(founding(item, "p-2"), version=version)
        assert await house.everything() == before

    async def test_commit_writes_nothing_when_the_lease_has_changed_hands(
        self, house: House
    ) -> None:
        stale = await house.lease("one")
        await Leases(house.database).release(stale)
        await house.lease("other")
        item = embedded()
        await house.detections.insert(item)
        before = await house.everything()
        with pytest.raises(LeaseLost):
            await house.identity.commit(
                [founding(item, "p-1")],
                lease=stale,
                lease_s=30,
                version=await house.identity.version(),
            )
        assert await house.everything() == before

    async def test_commit_writes_nothing_when_a_detection_was_corrected_meanwhile(
        self, house: House
    ) -> None:
        item = embedded()
        await house.detections.insert(item)
        await house.identity.correct(item.id, None)
        before = await house.everything()
        with pytest.raises(LeaseLost):
            await house.commit(founding(item, "p-1"))
        assert await house.everything() == before

    async def test_commit_asks_to_decide_again_when_a_new_persons_id_is_taken(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        with pytest.raises(LeaseLost, match="again"):
            await house.commit(founding(embedded(1), "p-1"))


class TestVisits:
    @pytest.mark.parametrize(
        ("seconds", "visits"),
        [
            ([0, 60, 120], 1),  # each within the gap of the one before
            ([0, 60.001], 2),  # just past it
            ([0, 61, 0.5], 2),
            ([100, 40, 0], 1),  # in any order
            ([100, 39.999], 2),
        ],
    )
    async def test_visit_goes_on_when_the_gap_is_not_exceeded(
        self, house: House, seconds: Sequence[float], visits: int
    ) -> None:
        await house.stranger("p-1", seconds[0])
        for second in seconds[1:]:
            await house.saw("p-1", second)
        found = await house.all("visits")
        assert len(found) == len(await house.all("alerts")) == visits
        assert sum(visit["detections"] for visit in found) == len(seconds)
        assert min(visit["started_at"] for visit in found) == embedded(min(seconds)).captured_at
        assert max(visit["last_at"] for visit in found) == embedded(max(seconds)).captured_at

    async def test_visit_begins_when_another_camera_or_person_is_concerned(
        self, house: House
    ) -> None:
        await house.stranger("p-1", 0)
        await house.saw("p-1", 1, camera_id="yard")
        await house.stranger("p-2", 2)
        assert len(await house.all("visits")) == len(await house.all("alerts")) == 3

    async def test_visit_is_one_alert_when_it_has_forty_detections(self, house: House) -> None:
        await house.stranger("p-1", 0)
        await house.commit(
            *(Assignment(detection=embedded(n), person_id="p-1") for n in range(1, 40))
        )
        assert len(await house.all("alerts")) == 1

    @pytest.mark.parametrize("kind", [PersonKind.KNOWN, PersonKind.IGNORED])
    async def test_visit_is_no_alert_when_the_person_is_known_or_ignored(
        self, house: House, kind: PersonKind
    ) -> None:
        await house.identity.create_person(person("p-1", kind))
        await house.saw("p-1", 0)
        assert len(await house.all("visits")) == 1
        assert await house.all("alerts") == []

    async def test_alert_can_be_sent_at_once_when_the_classifiers_clock_runs_ahead(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        (alert,) = await house.all("alerts")
        assert alert["available_at"] < NOON


class TestManaging:
    async def test_change_is_refused_when_the_person_does_not_exist(self, house: House) -> None:
        before = await house.everything()
        for change in (
            house.identity.update_person("p-0", {"name": "Ada"}),
            house.identity.add_face(face("p-0")),
            house.identity.remove_face("p-0", "f"),
            house.identity.merge("p-0", ["p-1"]),
            house.identity.delete_person("p-0"),
            house.identity.correct("d-0", None),
            house.identity.correct_to_new("d-0"),
        ):
            with pytest.raises(NotFound):
                await change
        assert await house.everything() == before

    async def test_every_change_raises_the_version_when_it_is_made(self, house: House) -> None:
        seen = await house.stranger("p-1")
        reference = face("p-2")
        for change in (
            house.identity.create_person(person("p-2")),
            house.identity.update_person("p-2", {"name": "Ada"}),
            house.identity.add_face(reference),
            house.identity.remove_face("p-2", reference.id),
            house.identity.correct(seen.id, "p-2"),
            house.identity.correct_to_new(seen.id),
            house.identity.merge("p-1", ["p-2"]),
            house.identity.delete_person("p-1"),
        ):
            before = await house.identity.version()
            await change
            assert await house.identity.version() == before + 1

    async def test_merge_moves_everything_and_inherits_the_name_when_the_target_has_none(
        self, house: House
    ) -> None:
        await house.stranger("p-1", 0)
        await house.stranger("p-2", 1)
        await house.identity.create_person(person("p-3", PersonKind.KNOWN, name="Ada", notes="x"))
        await house.database["persons"].update_one({"_id": "p-1"}, {"$set": {"later": 1}})
        merged = await house.identity.merge("p-1", ["p-2", "p-3"])
        assert (merged.name, merged.kind, merged.notes) == ("Ada", PersonKind.KNOWN, "x")
        assert await house.people.get("p-1") == merged
        assert [item["_id"] for item in await house.all("persons")] == ["p-1"]
        assert (await house.all("persons"))[0]["later"] == 1
        for name in ("faces", "detections", "visits", "alerts"):
            assert {item["person_id"] for item in await house.all(name)} == {"p-1"}

    async def test_merge_keeps_the_targets_name_when_it_has_one(self, house: House) -> None:
        await house.identity.create_person(person("p-1", PersonKind.KNOWN, name="Ada"))
        await house.identity.create_person(person("p-2", PersonKind.KNOWN, name="Bob"))
        assert (await house.identity.merge("p-1", ["p-2"])).name == "Ada"

    async def test_merge_is_refused_when_somebody_meets_themselves(self, house: House) -> None:
        await house.stranger("p-1")
        with pytest.raises(Conflict):
            await house.identity.merge("p-1", ["p-1"])

    async def test_delete_leaves_nothing_of_a_person_when_others_are_there(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        enrolled = face("p-1")
        await house.identity.add_face(enrolled)
        await house.stranger("p-2")
        removal = await house.identity.delete_person("p-1")
        assert (removal.faces, removal.detections, removal.visits, removal.alerts) == (2, 1, 1, 1)
        assert removal.crops == {seen.crop, enrolled.crop}
        for name, found in (await house.everything()).items():
            assert "p-1" not in str(found), name
        assert len(await house.all("alerts")) == 1


class TestCorrecting:
    async def test_correction_moves_face_and_visit_when_it_names_another_person(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        await house.identity.create_person(person("p-2", PersonKind.KNOWN, name="Ada"))
        corrected = await house.identity.correct(seen.id, "p-2")
        assert corrected.person_id == "p-2"
        assert corrected.confidence is None
        stored = await house.detections.get(seen.id)
        assert (stored.status, stored.person_id, stored.visit_id) == (
            corrected.status,
            corrected.person_id,
            corrected.visit_id,
        )
        assert await house.people.faces_of("p-1") == []
        assert [item.detection_id for item in await house.people.faces_of("p-2")] == [seen.id]
        (visit,) = await house.all("visits")
        assert (visit["_id"], visit["person_id"]) == (corrected.visit_id, "p-2")
        assert await house.all("alerts") == []

    async def test_correction_leaves_the_visit_when_others_are_still_in_it(
        self, house: House
    ) -> None:
        await house.stranger("p-1", 0)
        seen = await house.saw("p-1", 1)
        await house.identity.correct_to_new(seen.id)
        assert sorted(visit["detections"] for visit in await house.all("visits")) == [1, 1]
        assert len(await house.all("alerts")) == 1

    async def test_correction_to_no_face_takes_it_from_everybody_when_it_was_somebodys(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        corrected = await house.identity.correct(seen.id, None)
        assert corrected.status is DetectionStatus.NOT_A_FACE
        assert (corrected.person_id, corrected.visit_id) == (None, None)
        assert await house.all("faces") == await house.all("visits") == []

    async def test_correction_keeps_no_reference_when_the_face_is_poor(self, house: House) -> None:
        await house.identity.create_person(person("p-2"))
        item = embedded(quality=POOR)
        await house.detections.insert(item)
        await house.identity.correct(item.id, "p-2")
        assert await house.people.faces_of("p-2") == []

    async def test_correction_wins_when_the_detection_is_being_embedded(self, house: House) -> None:
        item = detection()
        await house.detections.insert(item)
        claim = await house.detections.claim(limit=1, lease_s=30)
        await house.identity.correct(item.id, None)
        assert not await house.detections.finish_without_face(item.id, claim.token, reason="x")
        assert (await house.detections.get(item.id)).status is DetectionStatus.NOT_A_FACE

    async def test_correction_to_new_makes_nobody_when_there_is_no_such_detection(
        self, house: House
    ) -> None:
        with pytest.raises(NotFound):
            await house.identity.correct_to_new("none")
        assert await house.all("persons") == []

    async def test_correction_writes_nothing_when_it_crashes_in_the_middle(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = await house.stranger("p-1")
        before = await house.everything()

        async def crash(*_: Any, **__: Any) -> None:
            raise RuntimeError("the power is gone")

        monkeypatch.setattr(house.identity, "_correction", crash)
        with pytest.raises(RuntimeError):
            await house.identity.correct_to_new(seen.id)
        assert await house.everything() == before


class TestBulk:
    @pytest.fixture(autouse=True)
    def small_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(possessions, "STEP", 10)

    @pytest.fixture
    async def crowd(self, house: House) -> House:
        """Two strangers, one of whom was seen 35 times more."""
        await house.stranger("p-1")
        await house.stranger("p-2")
        more = [
            detection(n, status=DetectionStatus.CLASSIFIED, person_id="p-1") for n in range(1, 36)
        ]
        await house.database["detections"].insert_many(to_document(item) for item in more)
        return house

    async def test_merge_moves_everything_when_there_is_more_than_one_step(
        self, crowd: House
    ) -> None:
        await crowd.identity.merge("p-2", ["p-1"])
        assert {item["person_id"] for item in await crowd.all("detections")} == {"p-2"}
        assert len(await crowd.all("detections")) == 37

    async def test_delete_removes_and_counts_everything_when_there_is_more_than_one_step(
        self, crowd: House
    ) -> None:
        crops = {item["crop"] for item in await crowd.all("detections", person_id="p-1")}
        removal = await crowd.identity.delete_person("p-1")
        assert (removal.detections, removal.crops) == (36, crops)
        assert len(await crowd.all("detections")) == 1

    @pytest.mark.parametrize("change", ["merge", "delete"])
    async def test_change_is_completed_by_another_when_it_was_broken_off_between_steps(
        self, crowd: House, change: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step, calls = possessions._step, 0

        async def crash(*given: Any) -> list[Document]:
            nonlocal calls
            calls += 1
            if calls == 3:
                raise RuntimeError("the power is gone")
            return await step(*given)

        async def make() -> None:
            if change == "merge":
                await crowd.identity.merge("p-2", ["p-1"])
            else:
                await crowd.identity.delete_person("p-1")

        with monkeypatch.context() as broken:
            broken.setattr(possessions, "_step", crash)
            with pytest.raises(RuntimeError):
                await make()
        assert len(await crowd.all("persons")) == 2
        assert 0 < len(await crowd.all("detections", person_id="p-1")) < 36
        await make()
        assert "p-1" not in str(await crowd.all("detections"))
        assert [item["_id"] for item in await crowd.all("persons")] == ["p-2"]

    async def test_merge_moves_nothing_more_when_the_target_is_deleted_meanwhile(
        self, crowd: House
    ) -> None:
        merged, deleted = await asyncio.gather(
            crowd.identity.merge("p-2", ["p-1"]),
            crowd.identity.delete_person("p-2"),
            return_exceptions=True,
        )
        persons = {item["_id"] for item in await crowd.all("persons")}
        holders = {item["person_id"] for item in await crowd.all("detections")}
        assert not isinstance(deleted, BaseException) or isinstance(deleted, NotFound)
        assert not isinstance(merged, BaseException) or isinstance(merged, NotFound)
        assert holders <= persons


async def test_identity_stays_whole_when_managers_and_the_classifier_work_at_once(
    house: House,
) -> None:
    """Merges, names, corrections and deletions between commits: nothing dangles, nothing goes."""
    for number in range(4):
        await house.stranger(f"p-{number}", number)
    items = [embedded(10 + number) for number in range(20)]
    for item in items:
        await house.detections.insert(item)

    async def classify() -> int:
        refused = 0
        for number, item in enumerate(items):
            while True:
                version = await house.identity.version()
                there = [row["_id"] for row in await house.all("persons")]
                known = Assignment(detection=item, person_id=there[number % len(there)])
                new = founding(item, f"p-new{number}")
                await asyncio.sleep(0.002)
                try:
                    await house.commit(new if number % 5 == 0 else known, version=version)
                except LeaseLost:
                    refused += 1
                else:
                    break
        return refused

    async def manage() -> None:
        first = (await house.all("detections", person_id="p-0"))[0]["_id"]
        await house.identity.update_person("p-0", {"name": "Ada", "kind": PersonKind.KNOWN})
        await asyncio.sleep(0.02)
        await house.identity.correct(first, "p-1")
        await asyncio.sleep(0.02)
        await house.identity.merge("p-0", ["p-1", "p-2"])
        await asyncio.sleep(0.02)
        await house.identity.delete_person("p-3")

    await asyncio.gather(classify(), manage())
    persons = {row["_id"] for row in await house.all("persons")}
    assert not persons & {"p-1", "p-2", "p-3"}
    for name in ("faces", "detections", "visits", "alerts"):
        assert {row["person_id"] for row in await house.all(name)} <= persons, name
    statuses = {row["status"] for row in await house.all("detections")}
    assert statuses == {DetectionStatus.CLASSIFIED}
    visits = {row["_id"]: row["detections"] for row in await house.all("visits")}
    counted: dict[str, int] = {}
    for row in await house.all("detections"):
        counted[row["visit_id"]] = counted.get(row["visit_id"], 0) + 1
    assert counted == visits
    assert {row["visit_id"] for row in await house.all("alerts")} <= visits.keys()
