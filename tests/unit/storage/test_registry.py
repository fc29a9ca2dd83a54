"""Persons and their references: made, named, enrolled, deleted."""

from __future__ import annotations

import pytest

from tests.unit.storage.house import BOSS, House, founding
from tests.unit.storage.making import face
from usher.domain.errors import Conflict
from usher.domain.records import ChangeKind, PersonKind
from usher.storage import registry as module
from usher.storage.assignments import Assignment
from usher.storage.schema import COLLECTIONS

CANARY = "Canary Vogelsang"


class TestUpdating:
    async def test_update_is_in_the_history_when_it_says_who_somebody_is(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        changes = {"name": "Ada", "kind": PersonKind.KNOWN.value, "notes": "tall"}
        await house.registry.update_person("p-1", changes, actor=BOSS)
        (change,) = await house.changes("p-1")
        assert (change.kind, change.actor, change.persons) == (ChangeKind.UPDATE, BOSS, ("p-1",))

    async def test_update_is_no_change_of_identities_when_it_is_of_notes_alone(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        version = await house.identity.version()
        updated = await house.registry.update_person("p-1", {"notes": "tall"}, actor=BOSS)
        assert updated.notes == (await house.people.get("p-1")).notes == "tall"
        assert await house.changes() == []
        assert await house.identity.version() == version

    @pytest.mark.parametrize("kind", [PersonKind.KNOWN, PersonKind.IGNORED])
    async def test_question_is_settled_when_it_is_said_who_the_stranger_is(
        self, house: House, kind: PersonKind
    ) -> None:
        ada = await house.known("Ada")
        asked = await house.stranger("p-1")
        await house.ask(ada, asked.id)
        changes = {"name": "Bob", "kind": kind.value}
        await house.registry.update_person("p-1", changes, actor=BOSS)
        assert await house.detections.in_review() == 0
        (change,) = await house.changes("p-1")
        await house.history.undo(change.id, actor=BOSS)
        assert (await house.detections.get(asked.id)).candidate_id == ada

    async def test_question_is_settled_when_the_stranger_is_merged_into_somebody_else(
        self, house: House
    ) -> None:
        ada, bob = await house.known("Ada"), await house.known("Bob")
        asked = await house.stranger("p-1")
        await house.ask(ada, asked.id)
        await house.corrections.merge(bob, ["p-1"], actor=BOSS)
        assert await house.detections.in_review() == 0
        (change, *_) = await house.changes(bob)
        await house.history.undo(change.id, actor=BOSS)
        after = await house.detections.get(asked.id)
        assert (after.person_id, after.candidate_id) == ("p-1", ada)


class TestEnrolling:
    async def test_enrolment_is_refused_when_the_person_has_enough_references(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MAX_REFERENCES", 2)
        ada = await house.known("Ada")
        await house.registry.add_face(face(ada))
        last = face(ada)
        await house.registry.add_face(last)
        with pytest.raises(Conflict, match="remove one"):
            await house.registry.add_face(face(ada))
        await house.registry.remove_face(ada, last.id)
        await house.registry.add_face(face(ada))


class TestDeleting:
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
            if name == "gallery_changes":  # says, for a day, that the person changed
                continue
            assert "p-1" not in str(found), name
        assert len(await house.all("alerts")) == 1

    async def test_delete_removes_every_trace_of_who_it_was_when_there_is_a_history(
        self, house: House
    ) -> None:
        ada = await house.known(CANARY)
        await house.registry.add_face(face(ada))
        seen = await house.stranger("p-1", track_id=CANARY)
        more = await house.saw("p-1", 1, track_id=CANARY)
        await house.ask(ada, more.id)
        names = {"name": f"{CANARY} II", "kind": PersonKind.KNOWN.value}
        await house.registry.update_person("p-1", names, actor=BOSS)
        await house.corrections.correct(more.id, ada, actor=BOSS)
        await house.corrections.reject(more.id, ada, actor=BOSS)
        (again,) = await house.detections.assignable(limit=1)
        await house.commit(Assignment(detection=again, person_id="p-1", reference=True))
        await house.corrections.merge(ada, ["p-1"], actor=BOSS)
        other = await house.stranger("p-2", 2)
        await house.ask(ada, other.id)
        await house.corrections.reject(other.id, ada, actor=BOSS)
        await house.registry.delete_person(ada)
        for name in COLLECTIONS:
            found = str(await house.all(name))
            assert CANARY not in found, name
            if name not in ("identity_changes", "gallery_changes"):  # these keep ids
                assert not any(id_ in found for id_ in (ada, "p-1", seen.id, more.id)), name
        assert (await house.people.get("p-2")).distinct_from == ()
        assert await house.all("before_images") == []
        assert {change.final is not None for change in await house.changes()} == {True}

    async def test_delete_forgets_the_face_that_was_somebody_elses_before_when_it_goes(
        self, house: House
    ) -> None:
        """A detection rejected for one person, and then assigned to the one who is deleted."""
        ada = await house.known("Ada")
        seen = await house.left_over()
        kept = await house.left_over(1)
        for item in (seen, kept):
            await house.corrections.correct(item.id, ada, actor=BOSS)
        await house.corrections.reject(seen.id, ada, actor=BOSS)
        (again,) = await house.detections.assignable(limit=1)
        await house.commit(founding(again, "p-1"))
        await house.registry.delete_person("p-1")
        images = await house.all("before_images")
        assert seen.id not in str(images)
        assert kept.id in str(images)
