"""What the classifier decides: all or nothing, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.unit.storage.house import BOSS, GAP_S, House, founding
from tests.unit.storage.making import NOON, embedded, person
from usher.domain.errors import Conflict, LeaseLost
from usher.domain.records import (
    AlertStatus,
    ChangeKind,
    Confidence,
    DetectionStatus,
    PersonKind,
)
from usher.storage.alert_rules import AlertIntents
from usher.storage.assignments import Assignment
from usher.storage.leases import Leases


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

        async def crash(*_: Any) -> None:
            raise RuntimeError("the power is gone")

        with monkeypatch.context() as broken:
            broken.setattr(house.identity, "_finish", crash)
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
        await house.registry.update_person(
            "p-1", {"name": "Ada", "kind": PersonKind.KNOWN}, actor=BOSS
        )
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
        await house.corrections.correct(item.id, None, actor=BOSS)
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


class TestCandidates:
    @pytest.mark.parametrize("person_id", ["p-1", None])
    async def test_commit_keeps_a_candidate_when_a_person_has_to_say(
        self, house: House, person_id: str | None
    ) -> None:
        await house.stranger("p-1")
        await house.registry.create_person(person("ada", PersonKind.KNOWN, name="Ada"))
        item = embedded(1)
        await house.commit(
            Assignment(detection=item, person_id=person_id, candidate_id="ada", confidence=None)
        )
        stored = await house.detections.get(item.id)
        assert (stored.candidate_id, stored.person_id) == ("ada", person_id)

    async def test_commit_keeps_persons_apart_when_a_detection_was_said_not_to_show_one(
        self, house: House
    ) -> None:
        await house.registry.create_person(person("ada", PersonKind.KNOWN, name="Ada"))
        version = await house.identity.version()
        await house.stranger("p-1", not_persons=("ada", "gone"))
        assert (await house.people.get("p-1")).distinct_from == ("ada",)
        assert (await house.people.get("ada")).distinct_from == ("p-1",)
        changed = await house.references.changed_since(version)
        assert changed is not None
        assert changed[1] >= {"ada", "p-1"}

    async def test_commit_keeps_nobody_apart_when_the_person_is_known(self, house: House) -> None:
        for name in ("ada", "bob"):
            await house.registry.create_person(person(name, PersonKind.KNOWN, name=name))
        await house.saw("ada", 0, not_persons=("bob",))
        assert (await house.people.get("ada")).distinct_from == ()


class TestCompanions:
    async def test_companions_are_of_the_same_visit_when_a_second_shot_founds_a_stranger(
        self, house: House
    ) -> None:
        early = [await house.left_over(second, track_id="t") for second in (0, 1)]
        late = embedded(2 * GAP_S, track_id="t")
        ids = tuple(item.id for item in early)
        await house.commit(
            Assignment(detection=late, person_id="p-1", founds=True, reference=True, companions=ids)
        )
        found = [await house.detections.get(id_) for id_ in (*ids, late.id)]
        assert {item.status for item in found} == {DetectionStatus.CLASSIFIED}
        assert {item.person_id for item in found} == {"p-1"}
        (visit,) = await house.all("visits")
        assert {item.visit_id for item in found} == {visit["_id"]}
        assert visit["detections"] == 3
        assert (visit["started_at"], visit["last_at"]) == (NOON, late.captured_at)
        (alert,) = await house.all("alerts")
        assert alert["detection_id"] == late.id
        references = await house.people.faces_of("p-1")
        assert [item.id for item in references] == [*ids, late.id]

    async def test_companions_are_no_references_when_the_assignment_is_none(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        early = await house.left_over(1)
        item = embedded(2)
        await house.commit(Assignment(detection=item, person_id="p-1", companions=(early.id,)))
        assert len(await house.people.faces_of("p-1")) == 1
        assert (await house.detections.get(early.id)).person_id == "p-1"

    @pytest.mark.parametrize("kind", [PersonKind.UNKNOWN, PersonKind.KNOWN])
    async def test_companions_keep_their_candidate_when_they_become_a_strangers(
        self, house: House, kind: PersonKind
    ) -> None:
        await house.registry.create_person(person("p-1", kind))
        early = embedded()
        await house.commit(Assignment(detection=early, person_id=None, candidate_id="ada"))
        await house.commit(
            Assignment(detection=embedded(1), person_id="p-1", companions=(early.id,))
        )
        kept = "ada" if kind is PersonKind.UNKNOWN else None
        assert (await house.detections.get(early.id)).candidate_id == kept

    async def test_commit_writes_nothing_when_a_companion_was_corrected_meanwhile(
        self, house: House
    ) -> None:
        early = await house.left_over()
        await house.corrections.correct(early.id, None, actor=BOSS)
        late = embedded(1)
        await house.detections.insert(late)
        before = await house.everything()
        with pytest.raises(LeaseLost):
            await house.commit(
                Assignment(detection=late, person_id="p-1", founds=True, companions=(early.id,))
            )
        assert await house.everything() == before


class TestFollowingShots:
    """Finished detections that go the way of a later shot of their track."""

    async def test_shots_go_from_somebody_known_to_the_stranger_who_is_founded(
        self, house: House
    ) -> None:
        ada = await house.known("Ada")
        early = await house.saw(ada, 0, track_id="t")
        nobodys = await house.left_over(1, track_id="t")
        version = await house.identity.version()
        late = embedded(2, track_id="t")
        following = await house.commit(
            founding(late, "p-1"),
            following_shots=[
                Assignment(detection=early, person_id="p-1", reference=True),
                Assignment(detection=nobodys, person_id="p-1"),
            ],
        )
        found = [await house.detections.get(item.id) for item in (early, nobodys, late)]
        assert {item.person_id for item in found} == {"p-1"}
        (visit,) = await house.all("visits")
        assert {item.visit_id for item in found} == {visit["_id"]}
        assert [alert["detection_id"] for alert in await house.all("alerts")] == [late.id]
        assert {item.id for item in await house.people.faces_of("p-1")} == {early.id, late.id}
        (change,) = await house.changes()
        assert (change.kind, change.persons) == (ChangeKind.REDECIDE, ("p-1", ada))
        assert await house.references.changed_since(version) == (following, {ada, "p-1"})
        await house.undo_last()
        assert (await house.detections.get(early.id)).person_id == ada
        await house.who_is_who()

    async def test_visit_goes_on_when_its_stranger_turns_out_to_be_another(
        self, house: House
    ) -> None:
        await house.stranger("p-1", 0)
        young = await house.stranger("p-2", 10 * GAP_S, track_id="t")
        late = embedded(10 * GAP_S + 1, track_id="t")
        alerts = {row["_id"] for row in await house.all("alerts")}
        assignment = Assignment(detection=late, person_id="p-1")
        await house.commit(assignment, merges=[("p-1", "p-2")])
        stored = await house.detections.get(late.id)
        assert stored.visit_id == (await house.detections.get(young.id)).visit_id
        assert await house.people.strangers() == {"p-1"}
        assert {row["_id"] for row in await house.all("alerts")} == alerts

    @pytest.mark.parametrize("refused", ["corrected", "told apart"])
    async def test_commit_writes_nothing_when_people_have_said_otherwise(
        self, house: House, refused: str
    ) -> None:
        await house.stranger("p-1")
        early = await house.stranger("p-2", 1, track_id="t")
        late = embedded(2, track_id="t")
        await house.detections.insert(late)
        more: dict[str, Any] = {"merges": [("p-1", "p-2")]}
        await house.told_apart(("p-1", "p-2"))
        if refused == "corrected":
            await house.corrections.correct(early.id, "p-2", actor=BOSS)
            more = {"following_shots": [Assignment(detection=early, person_id="p-1")]}
        before = await house.everything()
        with pytest.raises(LeaseLost if refused == "corrected" else Conflict):
            await house.commit(Assignment(detection=late, person_id="p-1"), **more)
        assert await house.everything() == before

    async def test_commit_is_to_be_decided_again_when_strangers_were_told_apart_meanwhile(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        await house.stranger("p-2", 1)
        version = await house.identity.version()
        await house.told_apart(("p-1", "p-2"))
        await house.known("Ada")
        late = Assignment(detection=embedded(2), person_id="p-1")
        with pytest.raises(LeaseLost):
            await house.commit(late, version=version, merges=[("p-1", "p-2")])


class TestDrops:
    async def test_references_go_when_the_person_has_enough(self, house: House) -> None:
        first = await house.stranger("p-1")
        item = embedded(1)
        await house.commit(
            Assignment(detection=item, person_id="p-1", reference=True, drops=(first.id,))
        )
        assert [face.id for face in await house.people.faces_of("p-1")] == [item.id]


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

    @pytest.mark.parametrize("written", [False, True])
    async def test_alert_is_written_with_what_it_tells_of_or_neither_is(
        self, house: House, monkeypatch: pytest.MonkeyPatch, written: bool
    ) -> None:
        """However far a classifier comes before it is killed."""
        write = AlertIntents.write

        async def killed(self: AlertIntents, *given: Any) -> None:
            if written:
                await write(self, *given)
            raise RuntimeError("killed")

        item = embedded()
        with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="killed"):
            patched.setattr(AlertIntents, "write", killed)
            await house.commit(founding(item, "p-1"))
        assert (await house.detections.get(item.id)).status is DetectionStatus.EMBEDDED
        for name in ("persons", "visits", "alerts"):
            assert await house.all(name) == []

    async def test_visit_is_the_latest_when_a_detection_lies_between_two(
        self, house: House
    ) -> None:
        await house.stranger("p-1", 0)
        later = await house.saw("p-1", 2 * GAP_S - 1)
        between = await house.saw("p-1", GAP_S - 0.5)
        assert between.visit_id == later.visit_id

    async def test_visits_are_the_same_when_detections_come_in_one_batch_or_one_by_one(
        self, house: House
    ) -> None:
        moments = [0, 50, 200, 100, 40, 330, 261]
        for name in ("p-1", "p-2"):
            await house.registry.create_person(person(name))
        await house.commit(*(Assignment(detection=embedded(n), person_id="p-1") for n in moments))
        for moment in moments:
            await house.saw("p-2", moment)
        fields = ("started_at", "last_at", "detections")
        visits = [
            sorted(
                [row[name] for name in fields] for row in await house.all("visits", person_id=id_)
            )
            for id_ in ("p-1", "p-2")
        ]
        assert visits[0] == visits[1]
        assert len(await house.all("alerts")) == len(await house.all("visits"))

    @pytest.mark.parametrize("kind", [PersonKind.KNOWN, PersonKind.IGNORED])
    async def test_visit_is_no_alert_when_the_person_is_known_or_ignored(
        self, house: House, kind: PersonKind
    ) -> None:
        await house.registry.create_person(person("p-1", kind))
        await house.saw("p-1", 0)
        assert len(await house.all("visits")) == 1
        assert await house.all("alerts") == []

    async def test_alert_can_be_sent_at_once_when_the_classifiers_clock_runs_ahead(
        self, house: House
    ) -> None:
        await house.stranger("p-1")
        (alert,) = await house.all("alerts")
        (delivery,) = alert["deliveries"]
        assert alert["due"]
        assert delivery["available_at"] < NOON
