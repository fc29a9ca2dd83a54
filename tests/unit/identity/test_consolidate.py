"""Strangers looked at again: what comes together, what stays, and what never may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from bench.identity import bcubed, run
from tests.unit.identity.people import DIMENSION, centres, faces_of, gallery_of, turned
from usher.identity.consolidate import Sightings, consolidate
from usher.identity.decide import Identifier
from usher.identity.measured import STRANGERS, impostors_of
from usher.identity.rules import BudgetRule
from usher.identity.vectors import Rows, Vectors

MODEL = "dlib-resnet-v1-crops"
RULE = BudgetRule(0.01, STRANGERS[MODEL], impostors_of(MODEL))
LINK, MERGE = RULE.link_among(50), RULE.merge_among(50)
_PHASES = set(Phase) - {Phase.shrink, Phase.explain}
"""A smaller seed is no simpler."""
_SEEDS = st.integers(0, 2**32 - 1)


def sightings(
    faces: Vectors,
    persons: Rows | list[int],
    *,
    pinned: list[int] | Rows = (),
    inactive: list[int] | Rows = (),
    apart: tuple[tuple[int, int], ...] = (),
) -> Sightings:
    """Faces of whom, and the rows of those that are pinned, and of those not to look at again."""
    rows = np.arange(len(faces))
    return Sightings(
        faces,
        np.array(persons, np.intp),
        pinned=np.isin(rows, pinned),
        active=~np.isin(rows, inactive),
        apart=apart,
    )


def looked_at(some: Sightings) -> Rows:
    return consolidate(some, link=LINK, merge=MERGE)


def streamed(seed: int, count: int = 60) -> tuple[Sightings, Rows]:
    """One to six faces of each as they were decided in random order, and whose they are."""
    random = np.random.default_rng(seed)
    people = np.repeat(np.arange(count), random.integers(1, 7, count))
    faces = turned(centres(count, random)[people], float(np.sqrt(0.95)), random)
    persons = run(Identifier(MODEL, RULE), faces, random.permutation(len(faces)))
    return sightings(faces, persons), people


def mixed_up(seed: int, count: int = 30) -> Sightings:
    """Faces of whom a third are somebody else's: enough for everything to happen."""
    some, _ = streamed(seed, count)
    random = np.random.default_rng(seed)
    wrong = random.random(len(some.persons)) < 0.3
    persons = np.where(wrong, random.permutation(some.persons), some.persons)
    return replace(some, persons=persons)


def together(persons: Rows) -> np.ndarray:
    """Which pairs of faces are one person's, (M, M)."""
    return persons[:, None] == persons[None, :]


# ---- What comes together ------------------------------------------------------------------------


def test_consolidation_of_nothing_is_nothing() -> None:
    assert len(looked_at(sightings(np.empty((0, DIMENSION), np.float32), []))) == 0


def test_one_face_stays_whose_it_is() -> None:
    assert looked_at(sightings(np.eye(1, DIMENSION, dtype=np.float32), [7])).tolist() == [7]


def test_two_persons_are_one_by_the_older_ones_number_when_they_look_the_same() -> None:
    faces = faces_of(centres(3, np.random.default_rng(0)), 6, np.random.default_rng(1))
    persons = [5, 5, 5, 2, 2, 2] + [3] * 6 + [9] * 6
    assert looked_at(sightings(faces, persons)).tolist() == [2] * 6 + [3] * 6 + [9] * 6


def test_several_persons_are_one_when_all_are_the_same() -> None:
    faces = faces_of(centres(4, np.random.default_rng(0)), 8, np.random.default_rng(1))
    persons = [4, 4, 6, 6, 8, 8, 10, 10] + [1] * 8 + [2] * 8 + [3] * 8
    assert len(set(looked_at(sightings(faces, persons))[:8].tolist())) == 1


def test_face_moves_when_it_stands_better_elsewhere() -> None:
    faces = faces_of(centres(3, np.random.default_rng(2)), 5, np.random.default_rng(3))
    found = looked_at(sightings(faces, [0] * 5 + [1] * 4 + [0] + [2] * 5))
    assert found.tolist() == [0] * 5 + [1] * 5 + [2] * 5


def test_face_stands_alone_under_a_new_number_when_it_fits_nobody() -> None:
    middles = centres(4, np.random.default_rng(2))
    faces = np.concatenate([faces_of(middles[:3], 5, np.random.default_rng(3)), middles[3:]])
    found = looked_at(sightings(faces, [0] * 5 + [1] * 5 + [2] * 5 + [1]))
    assert found[:-1].tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert found[-1] > 2


def test_two_faces_of_different_people_part_when_they_were_taken_for_one() -> None:
    middles = centres(4, np.random.default_rng(4))
    faces = np.concatenate([faces_of(middles[:2], 4, np.random.default_rng(5)), middles[2:]])
    found = looked_at(sightings(faces, [0] * 4 + [1] * 4 + [2, 2]))
    assert found[:8].tolist() == [0] * 4 + [1] * 4
    assert found[8] != found[9]


@pytest.mark.parametrize(("short", "stays"), [(0.01, True), (0.03, False)])
def test_face_that_just_falls_short_of_its_person_stays(short: float, stays: bool) -> None:
    faces = faces_of(centres(5, np.random.default_rng(6)), 5, np.random.default_rng(7))
    persons = np.repeat(np.arange(5), 5)
    others = gallery_of(np.delete(faces, 7, axis=0), np.delete(persons, 7))
    match = others.best(faces[7])
    assert match is not None
    rest = np.delete(np.arange(25), 7)
    some = sightings(faces, persons, inactive=rest)
    found = consolidate(some, link=match.score + short, merge=1)
    assert bool(found[7] == 1) is stays


@pytest.mark.parametrize("seed", range(3))
def test_persons_are_the_people_more_nearly_than_before(seed: int) -> None:
    some, people = streamed(seed, count=200)
    found = looked_at(some)
    before, after = bcubed(some.persons, people)[2], bcubed(found, people)[2]
    assert after > before
    assert after > 0.97
    assert len(np.unique(found)) == pytest.approx(200, rel=0.15)


@settings(deadline=None, max_examples=12, phases=_PHASES)
@given(_SEEDS)
def test_persons_are_the_same_when_the_faces_come_in_another_order(seed: int) -> None:
    some = mixed_up(seed)
    order = np.random.default_rng(seed).permutation(len(some.persons))
    shuffled = replace(
        some,
        faces=some.faces[order],
        persons=some.persons[order],
        pinned=some.pinned[order],
        active=some.active[order],
    )
    np.testing.assert_array_equal(together(looked_at(shuffled)), together(looked_at(some)[order]))


@settings(deadline=None, max_examples=12, phases=_PHASES)
@given(_SEEDS)
def test_nothing_changes_in_the_end_when_it_is_looked_at_again_and_again(seed: int) -> None:
    some = mixed_up(seed)
    for _ in range(4):
        some = replace(some, persons=looked_at(some))
    np.testing.assert_array_equal(looked_at(some), some.persons)


# ---- What stays ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=12, phases=_PHASES)
@given(_SEEDS, st.floats(0, 1))
def test_pinned_faces_stay_and_their_persons_are_never_merged(seed: int, share: float) -> None:
    some = mixed_up(seed)
    pinned = np.random.default_rng(seed).random(len(some.persons)) < share
    found = looked_at(replace(some, pinned=pinned))
    np.testing.assert_array_equal(found[pinned], some.persons[pinned])


def test_pinned_persons_are_two_when_they_look_the_same() -> None:
    faces = faces_of(centres(1, np.random.default_rng(0)), 6, np.random.default_rng(1))
    persons = [5, 5, 5, 2, 2, 2]
    assert looked_at(sightings(faces, persons)).tolist() == [2] * 6
    found = looked_at(sightings(faces, persons, pinned=[0, 3]))
    assert {found[0], found[3]} == {5, 2}


@pytest.mark.parametrize(("pinned", "number"), [([0], 5), ([3], 2), ([], 2)])
def test_two_persons_are_one_by_the_number_of_the_one_who_is_pinned(
    pinned: list[int], number: int
) -> None:
    faces = faces_of(centres(1, np.random.default_rng(0)), 6, np.random.default_rng(1))
    found = looked_at(sightings(faces, [5, 5, 5, 2, 2, 2], pinned=pinned))
    assert found.tolist() == [number] * 6


@settings(deadline=None, max_examples=12, phases=_PHASES)
@given(_SEEDS, st.floats(0, 1))
def test_faces_not_to_be_looked_at_stay_together_whatever_becomes_of_their_person(
    seed: int, share: float
) -> None:
    some = mixed_up(seed)
    still = np.random.default_rng(seed).random(len(some.persons)) < share
    found = looked_at(replace(some, active=~still))
    np.testing.assert_array_equal(
        together(some.persons[still]) & ~together(found[still]), np.zeros((still.sum(),) * 2)
    )


def test_nobody_moves_when_nothing_is_to_be_looked_at() -> None:
    some = mixed_up(0)
    nothing = np.zeros(len(some.persons), np.bool_)
    np.testing.assert_array_equal(looked_at(replace(some, active=nothing)), some.persons)


# ---- What never may -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=25, phases=_PHASES)
@given(_SEEDS, st.integers(1, 30))
def test_faces_of_persons_told_apart_never_come_together(seed: int, pairs: int) -> None:
    some = mixed_up(seed, count=12)
    numbers = np.unique(some.persons)
    random = np.random.default_rng(seed)
    apart = {
        (int(one), int(other)) for one, other in random.choice(numbers, (pairs, 2)) if one != other
    }
    found = looked_at(replace(some, apart=tuple(apart)))
    for one, other in apart:
        theirs = set(found[some.persons == one].tolist())
        assert theirs.isdisjoint(found[some.persons == other].tolist())


@pytest.mark.parametrize("apart", [(2, 5), (5, 2)])
def test_persons_told_apart_stay_two_when_they_look_the_same(apart: tuple[int, int]) -> None:
    faces = faces_of(centres(1, np.random.default_rng(0)), 8, np.random.default_rng(1))
    persons = [5] * 4 + [2] * 4
    assert looked_at(sightings(faces, persons, apart=(apart,))).tolist() == persons


def test_persons_told_apart_stay_two_when_a_third_is_the_same_as_both() -> None:
    faces = faces_of(centres(1, np.random.default_rng(0)), 9, np.random.default_rng(1))
    found = looked_at(sightings(faces, [0] * 3 + [4] * 3 + [7] * 3, apart=((4, 7),)))
    assert set(found[3:6].tolist()).isdisjoint(found[6:].tolist())
