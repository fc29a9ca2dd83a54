"""Identity changes are told of, and can be taken back."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.storage.house import BOSS, GAP_S, House, founding
from tests.unit.storage.making import embedded, face
from usher.domain.errors import Conflict, NotFound
from usher.domain.records import ChangeKind, PersonKind
from usher.storage import possessions, undoing
from usher.storage.assignments import Assignment

Change = Callable[[House], Awaitable[Any]]


@pytest.fixture
async def street(house: House) -> House:
    """Ada, who is known; p-1 and p-2, seen three times each, and p-3; two that are nobody's."""
    ada = await house.known("Ada")
    await house.registry.add_face(face(ada, id="portrait"))
    seen = []
    for number, name in enumerate(("p-1", "p-2")):
        first, second = embedded(number, id=f"{name} first"), embedded(10 + number)
        third = embedded(200 + number, id=f"{name} third", camera_id="yard")
        seen += [founding(first, name), Assignment(detection=third, person_id=name)]
        seen += [Assignment(detection=replace(second, id=f"{name} second"), person_id=name)]
    fourth = embedded(400, id="p-3 first", not_persons=(ada,))
    nobodys = embedded(500, id="nobody's")
    await house.commit(
        *seen,
        founding(fourth, "p-3"),
        Assignment(detection=nobodys, person_id=None, candidate_id=ada),
        Assignment(detection=embedded(600, id="nobody's second"), person_id=None),
    )
    await house.ask(ada, "p-1 first", "p-1 third")
    await house.told_apart(("p-2", "p-3"))
    return house


CHANGES: dict[str, Change] = {
    "merge of strangers": lambda h: h.corrections.merge("p-1", ["p-2", "p-3"], actor=BOSS),
    "merge into somebody known": lambda h: h.corrections.merge("ada", ["p-1", "p-3"], actor=BOSS),
    "merge that inherits a name": lambda h: h.corrections.merge("p-1", ["ada"], actor=BOSS),
    "move": lambda h: h.corrections.correct("p-1 first", "ada", actor=BOSS),
    "move of nobody's": lambda h: h.corrections.correct("nobody's", "ada", actor=BOSS),
    "move to somebody new": lambda h: h.corrections.correct_to_new("p-3 first", actor=BOSS),
    "confirmation": lambda h: h.corrections.correct("p-2 first", "p-2", actor=BOSS),
    "not a face": lambda h: h.corrections.correct("p-1 third", None, actor=BOSS),
    "split": lambda h: h.corrections.split("p-1", ["p-1 first", "p-1 third"], None, actor=BOSS),
    "split to somebody": lambda h: h.corrections.split("p-1", ["p-1 second"], "p-2", actor=BOSS),
    "rejected candidate": lambda h: h.corrections.reject("p-1 first", "ada", actor=BOSS),
    "rejected candidate of nobody's": lambda h: h.corrections.reject("nobody's", "ada", actor=BOSS),
    "rejected person": lambda h: h.corrections.reject("p-2 first", "p-2", actor=BOSS),
    "name": lambda h: h.registry.update_person(
        "p-1", {"name": "Bob", "kind": PersonKind.KNOWN.value}, actor=BOSS
    ),
}


class TestUndoing:
    @pytest.mark.parametrize("name", CHANGES)
    async def test_everything_is_as_before_when_a_change_is_undone(
        self, street: House, name: str
    ) -> None:
        before = await street.who_is_who()
        await CHANGES[name](street)
        assert await street.who_is_who() != before
        version = await street.identity.version()
        undone = await street.undo_last()
        assert undone.undone_by == BOSS
        assert undone.undone_at is not None
        assert await street.who_is_who() == before
        assert await street.all("before_images") == []
        changed = await street.references.changed_since(version)
        assert changed is not None
        assert changed[0] == version + 1
        assert changed[1] >= set(undone.persons)

    @pytest.mark.parametrize("seed", range(3))
    async def test_everything_is_as_before_when_all_changes_are_undone_from_the_last(
        self, street: House, seed: int
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - a test's own choice
        before = await street.who_is_who()
        states = []
        while len(states) < 8:
            state = await street.who_is_who()
            try:
                await CHANGES[chance.choice(list(CHANGES))](street)
            except (Conflict, NotFound):  # it does not fit what came before
                assert await street.who_is_who() == state
                continue
            states.append(state)
        for state in reversed(states):
            await street.undo_last()
            assert await street.who_is_who() == state
        assert await street.who_is_who() == before

    async def test_change_is_undone_once_when_it_is_tried_again(self, street: House) -> None:
        await CHANGES["move"](street)
        change = await street.undo_last()
        with pytest.raises(Conflict, match="already"):
            await street.history.undo(change.id, actor=BOSS)
        with pytest.raises(NotFound):
            await street.history.undo("none", actor=BOSS)

    async def test_undo_is_refused_when_a_later_change_touches_one_of_the_persons(
        self, street: House
    ) -> None:
        await CHANGES["move"](street)
        await CHANGES["split to somebody"](street)
        await CHANGES["move of nobody's"](street)
        touching_nobody, later, first = await street.changes()
        before = await street.everything()
        with pytest.raises(Conflict, match=touching_nobody.id):
            await street.history.undo(first.id, actor=BOSS)
        assert await street.everything() == before
        await street.history.undo(later.id, actor=BOSS)
        await street.history.undo(touching_nobody.id, actor=BOSS)
        await street.history.undo(first.id, actor=BOSS)

    async def test_undo_is_refused_when_a_person_was_deleted_since(self, street: House) -> None:
        await CHANGES["split to somebody"](street)
        (change,) = await street.changes()
        await street.registry.delete_person("p-2")
        with pytest.raises(Conflict, match="deleted"):
            await street.history.undo(change.id, actor=BOSS)
        assert (await street.changes())[0].final is not None


class TestAfterwards:
    """What came after a change stays right when the change is undone."""

    async def test_detections_stay_with_the_merged_person_when_they_joined_a_visit_afterwards(
        self, street: House
    ) -> None:
        visit = (await street.detections.get("p-2 second")).visit_id
        await street.corrections.merge("p-1", ["p-2"], actor=BOSS)
        joined = await street.saw("p-1", 11 + GAP_S)
        assert joined.visit_id == visit  # of the two, the one that was seen last
        await street.undo_last()
        joined = await street.detections.get(joined.id)
        assert joined.person_id == "p-1"
        visits = {row["_id"]: row for row in await street.all("visits")}
        assert visits[joined.visit_id]["person_id"] == "p-1"
        assert visits[visit]["person_id"] == "p-2"
        assert visits[visit]["last_at"] == embedded(11).captured_at
        await street.who_is_who()  # counts agree

    async def test_detection_comes_back_when_the_classifier_has_assigned_it_meanwhile(
        self, street: House
    ) -> None:
        before = await street.who_is_who()
        await CHANGES["rejected person"](street)
        (again,) = await street.detections.assignable(limit=1)
        await street.commit(founding(again, "p-9"))
        version = await street.identity.version()
        await street.undo_last()
        assert await street.who_is_who() == before
        changed = await street.references.changed_since(version)
        assert changed is not None
        assert "p-9" in changed[1]

    async def test_reference_of_somebody_else_goes_when_the_detection_comes_back(
        self, street: House
    ) -> None:
        before = await street.all("faces")
        await street.corrections.reject("p-1 second", "p-1", actor=BOSS)
        (again,) = await street.detections.assignable(limit=1)
        await street.commit(Assignment(detection=again, person_id="p-2", reference=True))
        assert await street.all("faces") != before
        await street.undo_last()
        assert await street.all("faces") == before

    async def test_other_rejections_stay_when_one_is_undone(self, street: House) -> None:
        bob = await street.known("Bob")
        await street.corrections.reject("nobody's", "ada", actor=BOSS)
        (first,) = await street.changes()
        await street.ask(bob, "nobody's")
        await street.corrections.reject("nobody's", bob, actor=BOSS)
        await street.history.undo(first.id, actor=BOSS)
        assert (await street.detections.get("nobody's")).not_persons == (bob,)

    async def test_detection_stays_when_a_person_has_said_meanwhile_whose_it_is(
        self, street: House
    ) -> None:
        await CHANGES["rejected person"](street)
        (rejection,) = await street.changes()
        await street.corrections.correct("p-2 first", "ada", actor=BOSS)
        await street.history.undo(rejection.id, actor=BOSS)
        assert (await street.detections.get("p-2 first")).person_id == "ada"
        await street.who_is_who()

    async def test_new_stranger_stays_when_others_were_recognised_as_them(
        self, street: House
    ) -> None:
        new = await street.corrections.split("p-1", ["p-1 first"], None, actor=BOSS)
        seen = await street.saw(new.id, 30)
        await street.undo_last()
        assert (await street.people.get(new.id)).kind is PersonKind.UNKNOWN
        assert (await street.detections.get(seen.id)).person_id == new.id
        assert (await street.detections.get("p-1 first")).person_id == "p-1"
        await street.who_is_who()

    async def test_detection_that_is_gone_is_left_out_when_others_come_back(
        self, street: House
    ) -> None:
        await CHANGES["merge of strangers"](street)
        await street.database["detections"].delete_one({"_id": "p-2 third"})
        await street.undo_last()
        found = await street.all("detections", person_id="p-2")
        assert {row["_id"] for row in found} == {"p-2 first", "p-2 second"}


class TestUshersOwn:
    async def test_strangers_are_told_apart_when_a_person_takes_back_that_usher_merged_them(
        self, street: House
    ) -> None:
        await street.merge_strangers("p-1", "p-2")
        (change,) = await street.changes()
        assert change.actor == "usher"
        await street.undo_last()
        assert "p-2" in (await street.people.get("p-1")).distinct_from
        with pytest.raises(Conflict, match="apart"):
            await street.merge_strangers("p-1", "p-2")

    async def test_detection_is_no_longer_thought_a_persons_when_a_redecision_is_undone(
        self, street: House
    ) -> None:
        item = await street.detections.get("p-1 first")
        await street.redecide(Assignment(detection=item, person_id="ada"))
        await street.undo_last()
        again = await street.detections.get("p-1 first")
        assert (again.person_id, again.not_persons) == ("p-1", ("ada",))
        assert "ada" in (await street.people.get("p-1")).distinct_from


class TestBulk:
    @pytest.fixture(autouse=True)
    def small_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(possessions, "STEP", 10)

    @pytest.fixture
    async def crowd(self, house: House) -> House:
        """Two strangers, one of whom was seen 35 times more, at 35 visits."""
        await house.stranger("p-1")
        await house.stranger("p-2")
        moments = [100 * number for number in range(1, 36)]
        await house.commit(
            *(Assignment(detection=embedded(second), person_id="p-1") for second in moments)
        )
        return house

    async def test_merge_is_undone_when_it_took_more_than_one_step(self, crowd: House) -> None:
        before = await crowd.who_is_who()
        await crowd.corrections.merge("p-2", ["p-1"], actor=BOSS)
        (change,) = await crowd.changes()
        assert change.detections == 36
        await crowd.undo_last()
        assert await crowd.who_is_who() == before
        assert await crowd.all("before_images") == []

    async def test_merge_is_undone_when_it_was_broken_off_and_made_again(
        self, crowd: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await crowd.who_is_who()
        await _broken_off(
            monkeypatch, crowd.corrections.merge("p-2", ["p-1"], actor=BOSS), possessions, "_move"
        )
        await crowd.corrections.merge("p-2", ["p-1"], actor=BOSS)
        (change,) = await crowd.changes()
        assert change.detections == 36
        await crowd.undo_last()
        assert await crowd.who_is_who() == before

    async def test_merge_is_undone_when_it_was_broken_off(
        self, crowd: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await crowd.who_is_who()
        await _broken_off(
            monkeypatch, crowd.corrections.merge("p-2", ["p-1"], actor=BOSS), possessions, "_move"
        )
        assert await crowd.who_is_who() != before
        await crowd.undo_last()
        assert await crowd.who_is_who() == before
        await crowd.corrections.merge("p-2", ["p-1"], actor=BOSS)
        assert len(await crowd.changes()) == 2

    async def test_undoing_is_completed_by_another_when_it_was_broken_off(
        self, crowd: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = await crowd.who_is_who()
        await crowd.corrections.merge("p-2", ["p-1"], actor=BOSS)
        await _broken_off(monkeypatch, crowd.undo_last(), undoing.Undoing, "_put_back")
        assert len(await crowd.all("persons")) == 2
        assert (await crowd.changes())[0].undone_at is None
        await crowd.undo_last()
        assert await crowd.who_is_who() == before


async def _broken_off(
    monkeypatch: pytest.MonkeyPatch, change: Awaitable[Any], place: Any, name: str
) -> None:
    """Make a change that is broken off when something is done for the third time."""
    work, calls = getattr(place, name), 0

    async def crash(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("the power is gone")
        return await work(*given)

    with monkeypatch.context() as broken:
        broken.setattr(place, name, crash)
        with pytest.raises(RuntimeError):
            await change


class TestPages:
    async def test_history_is_a_persons_when_one_is_asked_for(self, street: House) -> None:
        await CHANGES["move"](street)
        await CHANGES["split to somebody"](street)
        kinds = [(change.kind, change.persons) for change in await street.changes("p-2")]
        assert kinds == [(ChangeKind.MOVE, ("p-2", "p-1"))]
        assert [change.detections for change in await street.changes()] == [1, 1]

    async def test_history_comes_in_pages_when_it_is_long(self, street: House) -> None:
        for name in ("Bob", "Carol", "Dan"):
            await street.registry.update_person("p-1", {"name": name}, actor=BOSS)
        first, cursor = await street.history.page(person_id="p-1", cursor=None, limit=2)
        rest, end = await street.history.page(person_id="p-1", cursor=cursor, limit=2)
        assert len({change.id for change in first + rest}) == 3
        assert end is None
