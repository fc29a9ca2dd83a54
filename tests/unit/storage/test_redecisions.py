"""Detections that are finished, decided anew by Usher itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.storage.house import BOSS, House, founding
from tests.unit.storage.making import embedded, face
from usher.domain.errors import Conflict, LeaseLost, NotFound
from usher.domain.records import ChangeKind, Confidence, DetectionStatus, PersonKind
from usher.storage.assignments import Assignment
from usher.storage.leases import Leases


class TestRedeciding:
    async def test_detections_become_somebodys_with_their_references_when_they_are_named(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        first = await house.stranger("p-1")
        nobodys = await house.left_over(1, candidate_id=ada)
        alerts = await house.all("alerts")
        version = await house.identity.version()
        following = await house.redecide(
            Assignment(detection=first, person_id=ada, confidence=Confidence.HIGH, reference=True),
            Assignment(detection=nobodys, person_id=ada),
        )
        assert following == version + 1
        found = [await house.detections.get(item.id) for item in (first, nobodys)]
        assert [item.status for item in found] == [DetectionStatus.CLASSIFIED] * 2
        assert {(item.person_id, item.candidate_id) for item in found} == {(ada, None)}
        assert [item.confidence for item in found] == [Confidence.HIGH, None]
        assert [item.id for item in await house.people.faces_of(ada)] == [first.id]
        (visit,) = await house.all("visits")
        assert (visit["person_id"], visit["detections"]) == (ada, 2)
        assert len(alerts) == 1
        assert await house.all("alerts") == []
        changed = await house.references.changed_since(version)
        assert changed == (following, {ada, "p-1"})

    async def test_stranger_goes_when_nothing_is_left_of_them(self, house: House) -> None:
        await house.stranger("p-1")
        await house.stranger("p-2", 1)
        await house.told_apart(("p-1", "p-2"))
        (first,) = [row["_id"] for row in await house.all("detections", person_id="p-1")]
        item = await house.detections.get(first)
        await house.redecide(Assignment(detection=item, person_id=None))
        with pytest.raises(NotFound):
            await house.people.get("p-1")
        assert (await house.people.get("p-2")).distinct_from == ()
        assert await house.all("faces", person_id="p-1") == []
        assert (await house.detections.get(first)).status is DetectionStatus.UNIDENTIFIABLE

    async def test_stranger_stays_when_a_reference_is_left_of_them(self, house: House) -> None:
        item = await house.stranger("p-1")
        await house.registry.add_face(face("p-1"))
        await house.redecide(Assignment(detection=item, person_id=None))
        assert (await house.people.get("p-1")).kind is PersonKind.UNKNOWN

    async def test_new_stranger_is_founded_without_an_alert_when_nobodys_shots_fit(
        self, house: House
    ) -> None:
        shots = [await house.left_over(second) for second in (0, 1)]
        await house.redecide(
            Assignment(detection=shots[0], person_id="p-1", founds=True, reference=True),
            Assignment(detection=shots[1], person_id="p-1"),
        )
        assert (await house.people.get("p-1")).kind is PersonKind.UNKNOWN
        assert [item.id for item in await house.people.faces_of("p-1")] == [shots[0].id]
        assert await house.all("alerts") == []

    async def test_candidate_is_noted_without_a_change_when_nobody_moves(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        first = await house.stranger("p-1")
        nobodys = await house.left_over(1)
        await house.redecide(
            Assignment(detection=first, person_id="p-1", candidate_id=ada, reference=True),
            Assignment(detection=nobodys, person_id=None, candidate_id=ada),
        )
        found = [await house.detections.get(item.id) for item in (first, nobodys)]
        assert {item.candidate_id for item in found} == {ada}
        assert found[0].visit_id == first.visit_id
        assert len(await house.people.faces_of("p-1")) == 1
        assert await house.changes() == []

    async def test_history_has_a_change_for_each_person_when_detections_come_to_several(
        self, house: House
    ) -> None:
        ada, bob = await house.known("Ada"), await house.known("Bob")
        first = await house.stranger("p-1")
        second, third = [await house.saw("p-1", second) for second in (1, 2)]
        await house.redecide(
            Assignment(detection=first, person_id=ada),
            Assignment(detection=second, person_id=ada),
            Assignment(detection=third, person_id=bob),
        )
        changes = {change.persons: change for change in await house.changes()}
        assert changes.keys() == {(ada, "p-1"), (bob, "p-1")}
        assert changes[ada, "p-1"].detections == 2
        assert {(item.kind, item.actor) for item in changes.values()} == {
            (ChangeKind.REDECIDE, "usher")
        }
        before = await house.detections.get(third.id)
        await house.history.undo(changes[ada, "p-1"].id, actor=BOSS)
        assert (await house.people.get("p-1")).kind is PersonKind.UNKNOWN
        assert (await house.detections.get(first.id)).person_id == "p-1"
        now = await house.detections.get(third.id)
        assert (now.person_id, now.visit_id) == (bob, before.visit_id)
        await house.history.undo(changes[bob, "p-1"].id, actor=BOSS)
        assert (await house.detections.get(third.id)).person_id == "p-1"
        await house.who_is_who()

    async def test_stranger_is_told_apart_when_a_detection_was_said_not_to_show_somebody(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        nobodys = await house.left_over(not_persons=(ada,))
        await house.redecide(Assignment(detection=nobodys, person_id="p-1", founds=True))
        assert (await house.people.get("p-1")).distinct_from == (ada,)

    async def test_references_go_when_the_person_has_enough(self, house: House) -> None:
        first = await house.stranger("p-1")
        nobodys = await house.left_over(1)
        await house.redecide(
            Assignment(detection=nobodys, person_id="p-1", reference=True, drops=(first.id,))
        )
        assert [item.id for item in await house.people.faces_of("p-1")] == [nobodys.id]
        await house.undo_last()
        assert [item.id for item in await house.people.faces_of("p-1")] == [first.id]

    async def test_nothing_is_written_when_a_detection_has_changed_meanwhile(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        supposed = await house.stranger("p-1")
        await house.corrections.correct(supposed.id, ada, actor=BOSS)
        confirmed = await house.detections.get(supposed.id)
        elsewhere = await house.stranger("p-2", 2)
        await house.redecide(Assignment(detection=elsewhere, person_id=None))
        waiting = embedded(1)
        await house.detections.insert(waiting)
        before = await house.everything()
        for item in (supposed, confirmed, elsewhere, waiting):
            with pytest.raises(LeaseLost):
                await house.redecide(Assignment(detection=item, person_id="p-1"))
        assert await house.everything() == before

    async def test_nothing_is_written_when_a_detection_is_of_somebody_known(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        item = await house.saw(ada, 0)
        before = await house.everything()
        with pytest.raises(Conflict):
            await house.redecide(Assignment(detection=item, person_id=None))
        assert await house.everything() == before

    async def test_nothing_is_written_when_the_version_or_the_lease_is_another(
        self, house: House
    ) -> None:
        item = await house.stranger("p-1")
        stale = await house.lease()
        await Leases(house.database).release(stale)
        lease = await house.lease("other")
        version = await house.identity.version()
        before = await house.everything()
        wrong: list[dict[str, Any]] = [
            {"lease": stale, "version": version},
            {"lease": lease, "version": version - 1},
        ]
        for given in wrong:
            with pytest.raises(LeaseLost):
                await house.identity.redecide(
                    [Assignment(detection=item, person_id=None)], lease_s=30, **given
                )
            with pytest.raises((LeaseLost, NotFound)):
                await house.identity.merge_strangers("p-1", ["p-2"], lease_s=30, **given)
        assert await house.everything() == before


class TestMergingStrangers:
    async def test_strangers_become_one_when_they_are_the_same(self, house: House) -> None:
        await house.stranger("p-1")
        await house.commit(*(founding(embedded(n), f"p-{n}") for n in (2, 3)))
        version = await house.identity.version()
        assert await house.merge_strangers("p-1", "p-2", "p-3") == version + 1
        assert {row["person_id"] for row in await house.all("detections")} == {"p-1"}
        (change,) = await house.changes()
        assert (change.kind, change.actor) == (ChangeKind.MERGE, "usher")
        assert (change.persons, change.detections) == (("p-1", "p-2", "p-3"), 2)

    @pytest.mark.parametrize("refused", ["named", "ignored", "told apart", "gone"])
    async def test_nothing_is_merged_when_it_is_not_for_usher_to_say(
        self, house: House, refused: str
    ) -> None:
        await house.stranger("p-1")
        await house.stranger("p-2", 1)
        kinds = {"named": PersonKind.KNOWN, "ignored": PersonKind.IGNORED}
        if kind := kinds.get(refused):
            await house.registry.update_person("p-2", {"kind": kind.value}, actor=BOSS)
        if refused == "told apart":
            await house.told_apart(("p-1", "p-2"))
        if refused == "gone":
            await house.registry.delete_person("p-2")
        before = await house.everything()
        with pytest.raises(NotFound if refused == "gone" else Conflict):
            await house.merge_strangers("p-1", "p-2")
        assert await house.everything() == before
