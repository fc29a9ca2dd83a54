"""What people change: all or nothing, one after the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.storage.house import House, founding
from tests.unit.storage.making import POOR, detection, embedded, face, person
from usher.domain.errors import Conflict, LeaseLost, NotFound
from usher.domain.records import (
    DetectionStatus,
    PersonKind,
)
from usher.storage import possessions
from usher.storage.documents import Document, to_document
from usher.storage.identity import Assignment


class TestManaging:
    async def test_change_is_refused_when_the_person_does_not_exist(self, house: House) -> None:
        before = await house.everything()
        for change in (
            house.registry.update_person("p-0", {"name": "Ada"}, actor="boss"),
            house.registry.add_face(face("p-0")),
            house.registry.remove_face("p-0", "f"),
            house.corrections.merge("p-0", ["p-1"], actor="boss"),
            house.registry.delete_person("p-0"),
            house.corrections.correct("d-0", None, actor="boss"),
            house.corrections.correct_to_new("d-0", actor="boss"),
        ):
            with pytest.raises(NotFound):
                await change
        assert await house.everything() == before

    async def test_every_change_raises_the_version_when_it_is_made(self, house: House) -> None:
        seen = await house.stranger("p-1")
        reference = face("p-2")
        for change in (
            house.registry.create_person(person("p-2")),
            house.registry.update_person("p-2", {"name": "Ada"}, actor="boss"),
            house.registry.add_face(reference),
            house.registry.remove_face("p-2", reference.id),
            house.corrections.correct(seen.id, "p-2", actor="boss"),
            house.corrections.correct_to_new(seen.id, actor="boss"),
            house.corrections.merge("p-1", ["p-2"], actor="boss"),
            house.registry.delete_person("p-1"),
        ):
            before = await house.identity.version()
            await change
            assert await house.identity.version() == before + 1

    async def test_merge_moves_everything_and_inherits_the_name_when_the_target_has_none(
        self, house: House
    ) -> None:
        await house.stranger("p-1", 0)
        await house.stranger("p-2", 1)
        await house.registry.create_person(person("p-3", PersonKind.KNOWN, name="Ada", notes="x"))
        await house.database["persons"].update_one({"_id": "p-1"}, {"$set": {"later": 1}})
        merged = await house.corrections.merge("p-1", ["p-2", "p-3"], actor="boss")
        assert (merged.name, merged.kind, merged.notes) == ("Ada", PersonKind.KNOWN, "x")
        assert await house.people.get("p-1") == merged
        assert [item["_id"] for item in await house.all("persons")] == ["p-1"]
        assert (await house.all("persons"))[0]["later"] == 1
        for name in ("faces", "detections", "visits", "alerts"):
            assert {item["person_id"] for item in await house.all(name)} == {"p-1"}

    async def test_merge_keeps_the_targets_name_when_it_has_one(self, house: House) -> None:
        await house.registry.create_person(person("p-1", PersonKind.KNOWN, name="Ada"))
        await house.registry.create_person(person("p-2", PersonKind.KNOWN, name="Bob"))
        assert (await house.corrections.merge("p-1", ["p-2"], actor="boss")).name == "Ada"

    async def test_merge_is_refused_when_somebody_meets_themselves(self, house: House) -> None:
        await house.stranger("p-1")
        with pytest.raises(Conflict):
            await house.corrections.merge("p-1", ["p-1"], actor="boss")

    async def test_delete_leaves_nothing_of_a_person_when_others_are_there(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        enrolled = face("p-1")
        await house.registry.add_face(enrolled)
        await house.stranger("p-2")
        removal = await house.registry.delete_person("p-1")
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
        await house.registry.create_person(person("p-2", PersonKind.KNOWN, name="Ada"))
        corrected = await house.corrections.correct(seen.id, "p-2", actor="boss")
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
        await house.corrections.correct_to_new(seen.id, actor="boss")
        assert sorted(visit["detections"] for visit in await house.all("visits")) == [1, 1]
        assert len(await house.all("alerts")) == 1

    async def test_correction_to_no_face_takes_it_from_everybody_when_it_was_somebodys(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        corrected = await house.corrections.correct(seen.id, None, actor="boss")
        assert corrected.status is DetectionStatus.NOT_A_FACE
        assert (corrected.person_id, corrected.visit_id) == (None, None)
        assert await house.all("faces") == await house.all("visits") == []

    async def test_correction_keeps_no_reference_when_the_face_is_poor(self, house: House) -> None:
        await house.registry.create_person(person("p-2"))
        item = embedded(quality=POOR)
        await house.detections.insert(item)
        await house.corrections.correct(item.id, "p-2", actor="boss")
        assert await house.people.faces_of("p-2") == []

    async def test_correction_wins_when_the_detection_is_being_embedded(self, house: House) -> None:
        item = detection()
        await house.detections.insert(item)
        claim = await house.detections.claim(limit=1, lease_s=30)
        await house.corrections.correct(item.id, None, actor="boss")
        assert not await house.detections.finish_without_face(item.id, claim.token, reason="x")
        assert (await house.detections.get(item.id)).status is DetectionStatus.NOT_A_FACE

    async def test_correction_to_new_makes_nobody_when_there_is_no_such_detection(
        self, house: House
    ) -> None:
        with pytest.raises(NotFound):
            await house.corrections.correct_to_new("none", actor="boss")
        assert await house.all("persons") == []

    async def test_correction_writes_nothing_when_it_crashes_in_the_middle(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = await house.stranger("p-1")
        before = await house.everything()

        async def crash(*_: Any, **__: Any) -> None:
            raise RuntimeError("the power is gone")

        monkeypatch.setattr(house.corrections, "_settle", crash)
        with pytest.raises(RuntimeError):
            await house.corrections.correct_to_new(seen.id, actor="boss")
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
        await crowd.corrections.merge("p-2", ["p-1"], actor="boss")
        assert {item["person_id"] for item in await crowd.all("detections")} == {"p-2"}
        assert len(await crowd.all("detections")) == 37

    async def test_delete_removes_and_counts_everything_when_there_is_more_than_one_step(
        self, crowd: House
    ) -> None:
        crops = {item["crop"] for item in await crowd.all("detections", person_id="p-1")}
        removal = await crowd.registry.delete_person("p-1")
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
                await crowd.corrections.merge("p-2", ["p-1"], actor="boss")
            else:
                await crowd.registry.delete_person("p-1")

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
            crowd.corrections.merge("p-2", ["p-1"], actor="boss"),
            crowd.registry.delete_person("p-2"),
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
        await house.registry.update_person(
            "p-0", {"name": "Ada", "kind": PersonKind.KNOWN}, actor="boss"
        )
        await asyncio.sleep(0.02)
        await house.corrections.correct(first, "p-1", actor="boss")
        await asyncio.sleep(0.02)
        await house.corrections.merge("p-0", ["p-1", "p-2"], actor="boss")
        await asyncio.sleep(0.02)
        await house.registry.delete_person("p-3")

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
