"""What people change: all or nothing, one after the other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.storage.house import BOSS, House, founding
from tests.unit.storage.making import POOR, detection, embedded, face, person
from usher.domain.errors import Conflict, LeaseLost, NotFound
from usher.domain.records import (
    ChangeKind,
    DetectionStatus,
    PersonKind,
)
from usher.storage import corrections as module
from usher.storage.assignments import Assignment


class TestManaging:
    async def test_change_is_refused_when_the_person_does_not_exist(self, house: House) -> None:
        before = await house.everything()
        for change in (
            house.registry.update_person("p-0", {"name": "Ada"}, actor=BOSS),
            house.registry.add_face(face("p-0")),
            house.registry.remove_face("p-0", "f"),
            house.corrections.merge("p-0", ["p-1"], actor=BOSS),
            house.registry.delete_person("p-0"),
            house.corrections.correct("d-0", None, actor=BOSS),
            house.corrections.correct_to_new("d-0", actor=BOSS),
        ):
            with pytest.raises(NotFound):
                await change
        assert await house.everything() == before

    async def test_every_change_raises_the_version_when_it_is_made(self, house: House) -> None:
        seen = await house.stranger("p-1")
        reference = face("p-2")
        for change in (
            house.registry.create_person(person("p-2")),
            house.registry.update_person("p-2", {"name": "Ada"}, actor=BOSS),
            house.registry.add_face(reference),
            house.registry.remove_face("p-2", reference.id),
            house.corrections.correct(seen.id, "p-2", actor=BOSS),
            house.corrections.correct_to_new(seen.id, actor=BOSS),
            house.corrections.merge("p-1", ["p-2"], actor=BOSS),
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
        merged = await house.corrections.merge("p-1", ["p-2", "p-3"], actor=BOSS)
        assert (merged.name, merged.kind, merged.notes) == ("Ada", PersonKind.KNOWN, "x")
        assert await house.people.get("p-1") == merged
        assert [item["_id"] for item in await house.all("persons")] == ["p-1"]
        assert (await house.all("persons"))[0]["later"] == 1
        for name in ("faces", "detections", "visits", "alerts"):
            assert {item["person_id"] for item in await house.all(name)} == {"p-1"}

    async def test_merge_keeps_the_targets_name_when_it_has_one(self, house: House) -> None:
        await house.registry.create_person(person("p-1", PersonKind.KNOWN, name="Ada"))
        await house.registry.create_person(person("p-2", PersonKind.KNOWN, name="Bob"))
        assert (await house.corrections.merge("p-1", ["p-2"], actor=BOSS)).name == "Ada"

    async def test_merge_is_refused_when_somebody_meets_themselves(self, house: House) -> None:
        await house.stranger("p-1")
        with pytest.raises(Conflict):
            await house.corrections.merge("p-1", ["p-1"], actor=BOSS)


class TestCorrecting:
    async def test_correction_moves_face_and_visit_when_it_names_another_person(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        await house.registry.create_person(person("p-2", PersonKind.KNOWN, name="Ada"))
        corrected = await house.corrections.correct(seen.id, "p-2", actor=BOSS)
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
        await house.corrections.correct_to_new(seen.id, actor=BOSS)
        assert sorted(visit["detections"] for visit in await house.all("visits")) == [1, 1]
        assert len(await house.all("alerts")) == 1

    async def test_correction_to_no_face_takes_it_from_everybody_when_it_was_somebodys(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        corrected = await house.corrections.correct(seen.id, None, actor=BOSS)
        assert corrected.status is DetectionStatus.NOT_A_FACE
        assert (corrected.person_id, corrected.visit_id) == (None, None)
        assert await house.all("faces") == await house.all("visits") == []

    async def test_correction_keeps_no_reference_when_the_face_is_poor(self, house: House) -> None:
        await house.registry.create_person(person("p-2"))
        item = embedded(quality=POOR)
        await house.detections.insert(item)
        await house.corrections.correct(item.id, "p-2", actor=BOSS)
        assert await house.people.faces_of("p-2") == []

    async def test_correction_wins_when_the_detection_is_being_embedded(self, house: House) -> None:
        item = detection()
        await house.detections.insert(item)
        claim = await house.detections.claim(limit=1, lease_s=30)
        await house.corrections.correct(item.id, None, actor=BOSS)
        assert not await house.detections.finish_without_face(item.id, claim.token, reason="x")
        assert (await house.detections.get(item.id)).status is DetectionStatus.NOT_A_FACE

    async def test_correction_to_new_makes_nobody_when_there_is_no_such_detection(
        self, house: House
    ) -> None:
        with pytest.raises(NotFound):
            await house.corrections.correct_to_new("none", actor=BOSS)
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
            await house.corrections.correct_to_new(seen.id, actor=BOSS)
        assert await house.everything() == before


class TestConfirming:
    async def test_correction_settles_a_detection_when_a_person_has_said_who_it_is(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        seen = await house.left_over(candidate_id=ada, not_persons=(ada, "p-9"))
        corrected = await house.corrections.correct(seen.id, ada, actor=BOSS)
        assert (corrected.confirmed, corrected.candidate_id) == (True, None)
        assert corrected.not_persons == ("p-9",)

    async def test_visit_and_alert_stay_when_a_person_confirms_what_is_assigned(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        alerts = await house.all("alerts")
        confirmed = await house.corrections.correct(seen.id, "p-1", actor=BOSS)
        assert confirmed.visit_id == seen.visit_id
        assert await house.all("alerts") == alerts != []

    async def test_new_stranger_is_told_apart_when_a_detection_was_somebody_elses(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        seen = await house.saw("p-1", 1, not_persons=(await house.known("Ada"),))
        corrected = await house.corrections.correct_to_new(seen.id, actor=BOSS)
        assert corrected.person_id is not None
        new = await house.people.get(corrected.person_id)
        assert set(new.distinct_from) == {"p-1", "ada"}
        assert corrected.person_id in (await house.people.get("ada")).distinct_from

    async def test_reference_is_not_kept_when_the_person_has_enough(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_REFERENCES", 2)
        ada = await house.known("Ada")
        for second in range(3):
            seen = await house.left_over(second)
            await house.corrections.correct(seen.id, ada, actor=BOSS)
        assert len(await house.people.faces_of(ada)) == 2


class TestMerging:
    async def test_merge_takes_over_whom_the_others_were_told_apart_from(
        self, house: House
    ) -> None:
        for name in ("p-1", "p-2", "p-3", "p-4"):
            await house.registry.create_person(person(name))
        await house.told_apart(("p-2", "p-3"), ("p-1", "p-2"), ("p-1", "p-4"))
        version = await house.identity.version()
        await house.corrections.merge("p-1", ["p-2"], actor=BOSS)
        apart = {row["_id"]: set(row["distinct_from"]) for row in await house.all("persons")}
        assert apart == {"p-1": {"p-3", "p-4"}, "p-3": {"p-1"}, "p-4": {"p-1"}}
        changed = await house.references.changed_since(version)
        assert changed is not None
        assert changed[1] == {"p-1", "p-2", "p-3"}

    async def test_merge_answers_what_asked_for_them_when_it_is_made(self, house: House) -> None:
        ada, bob = await house.known("Ada"), await house.known("Bob")
        await house.stranger("p-1")
        await house.stranger("p-2", 1)
        own = await house.saw("p-1", 2, not_persons=(ada,))
        other = await house.saw("p-2", 3, not_persons=(bob,))
        await house.ask(ada, own.id)
        await house.ask(bob, other.id)
        await house.corrections.merge(ada, ["p-1", bob], actor=BOSS)
        own, other = [await house.detections.get(item.id) for item in (own, other)]
        assert (own.person_id, own.candidate_id, own.not_persons) == (ada, None, ())
        assert (other.person_id, other.candidate_id, other.not_persons) == ("p-2", ada, (ada,))


class TestSplitting:
    async def test_split_gives_detections_references_and_visits_to_a_new_stranger(
        self, house: House
    ) -> None:
        first = await house.stranger("p-1")
        seen = [await house.saw("p-1", second) for second in (1, 2)]
        alerts = await house.all("alerts")
        ids = [first.id, seen[0].id]
        new = await house.corrections.split("p-1", ids, None, actor=BOSS)
        assert new.kind is PersonKind.UNKNOWN
        found = [await house.detections.get(id_) for id_ in ids]
        assert {item.person_id for item in found} == {new.id}
        assert all(item.confirmed for item in found)
        assert {face.id for face in await house.people.faces_of(new.id)} == set(ids)
        assert await house.people.faces_of("p-1") == []
        counts = {row["person_id"]: row["detections"] for row in await house.all("visits")}
        assert counts == {"p-1": 1, new.id: 2}
        assert await house.all("alerts") == alerts
        assert (await house.people.get(new.id)).distinct_from == ("p-1",)
        assert (await house.people.get("p-1")).distinct_from == (new.id,)

    async def test_split_gives_detections_to_somebody_when_they_are_there(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        first = await house.stranger("p-1")
        assert (await house.corrections.split("p-1", [first.id], ada, actor=BOSS)).id == ada
        assert (await house.detections.get(first.id)).person_id == ada
        (change,) = await house.changes()
        assert (change.kind, change.persons, change.detections) == (
            ChangeKind.MOVE,
            (ada, "p-1"),
            1,
        )
        assert change.actor == BOSS

    @pytest.mark.parametrize(
        ("person_id", "wanted", "into", "error"),
        [
            ("p-1", "of p-2", None, Conflict),
            ("p-1", "of p-1", "p-1", Conflict),
            ("p-1", "none", None, NotFound),
            ("p-0", "of p-1", None, NotFound),
            ("p-1", "of p-1", "p-0", NotFound),
        ],
    )
    async def test_split_changes_nothing_when_it_is_refused(
        self, house: House, person_id: str, wanted: str, into: str | None, error: type[Exception]
    ) -> None:
        ids = {
            "of p-1": (await house.stranger("p-1")).id,
            "of p-2": (await house.stranger("p-2", 1)).id,
            "none": "none",
        }
        before = await house.everything()
        with pytest.raises(error):
            await house.corrections.split(person_id, [ids["of p-1"], ids[wanted]], into, actor=BOSS)
        assert await house.everything() == before


class TestRejecting:
    async def test_candidate_is_one_no_longer_for_a_stranger_when_rejected(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        first = await house.stranger("p-1")
        second = await house.saw("p-1", 1)
        await house.ask(ada, first.id, second.id)
        rejected = await house.corrections.reject(first.id, ada, actor=BOSS)
        assert (rejected.person_id, rejected.candidate_id) == ("p-1", None)
        assert rejected.not_persons == (ada,)
        second = await house.detections.get(second.id)
        assert (second.candidate_id, second.not_persons) == (None, ())
        assert (await house.people.get("p-1")).distinct_from == (ada,)
        assert (await house.people.get(ada)).distinct_from == ("p-1",)

    async def test_candidate_is_one_no_longer_for_nobodys_detection_when_rejected(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        seen = await house.left_over(candidate_id=ada)
        rejected = await house.corrections.reject(seen.id, ada, actor=BOSS)
        assert rejected.status is DetectionStatus.UNIDENTIFIABLE
        assert (rejected.candidate_id, rejected.not_persons) == (None, (ada,))
        assert (await house.people.get(ada)).distinct_from == ()

    async def test_detection_is_assigned_anew_when_it_does_not_show_whose_it_is(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        seen = await house.left_over()
        await house.corrections.correct(seen.id, ada, actor=BOSS)
        rejected = await house.corrections.reject(seen.id, ada, actor=BOSS)
        assert rejected.status is DetectionStatus.EMBEDDED
        assert (rejected.person_id, rejected.visit_id, rejected.confirmed) == (None, None, False)
        assert rejected.not_persons == (ada,)
        assert await house.all("faces") == await house.all("visits") == []
        (again,) = await house.detections.assignable(limit=5)
        assert again.id == seen.id
        assert again.embedding is not None
        await house.commit(founding(again, "p-1"))
        assert (await house.people.get("p-1")).distinct_from == (ada,)

    async def test_detection_is_embedded_first_when_it_has_no_vector(self, house: House) -> None:
        ada = await house.known("Ada")
        item = detection()
        await house.detections.insert(item)
        await house.corrections.correct(item.id, ada, actor=BOSS)
        await house.corrections.reject(item.id, ada, actor=BOSS)
        claim = await house.detections.claim(limit=5, lease_s=30)
        assert [claimed.id for claimed in claim.detections] == [item.id]

    async def test_rejection_is_refused_when_nothing_says_that_it_is_them(
        self, house: House
    ) -> None:
        seen = await house.stranger("p-1")
        before = await house.everything()
        with pytest.raises(Conflict, match="nothing says"):
            await house.corrections.reject(seen.id, "p-2", actor=BOSS)
        with pytest.raises(NotFound):
            await house.corrections.reject("none", "p-1", actor=BOSS)
        assert await house.everything() == before


async def test_identity_stays_whole_when_managers_and_the_classifier_work_at_once(
    house: House,
) -> None:
    """Merges, undoing, names, corrections and deletions between commits: nothing dangles."""
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
            "p-0", {"name": "Ada", "kind": PersonKind.KNOWN}, actor=BOSS
        )
        await asyncio.sleep(0.02)
        await house.corrections.correct(first, "p-1", actor=BOSS)
        await asyncio.sleep(0.02)
        await house.corrections.merge("p-0", ["p-1", "p-2"], actor=BOSS)
        await asyncio.sleep(0.02)
        await house.undo_last()
        await asyncio.sleep(0.02)
        await house.corrections.merge("p-0", ["p-1", "p-2"], actor=BOSS)
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
