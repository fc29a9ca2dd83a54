"""Who is most like whom, against looking at everybody each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.identity.people import DIMENSION, centres, turned
from usher.domain.records import Vector
from usher.identity.likest import Likest
from usher.identity.vectors import VectorIndex

MANY_CHANGES = 300
"""More at once than are taken in one by one."""


class Crowd:
    """An index with its likest, and the vectors that it should hold."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.index = VectorIndex(DIMENSION)
        self.likest = Likest(self.index)
        self.vectors: dict[int, Vector] = {}

    def come(self) -> None:
        one = centres(1, self.random)[0]
        row = self.index.add(one)
        self.vectors[row] = one
        self.likest.note(row)

    def change(self) -> None:
        row = self._somebody()
        near = self.vectors[self._somebody()]
        self.vectors[row] = turned(near[None], self.random.uniform(0.3, 1), self.random)[0]
        self.index.replace(row, self.vectors[row])
        self.likest.note(row)

    def go(self) -> None:
        row = self._somebody()
        del self.vectors[row]
        self.index.remove(row)
        self.likest.note(row, empty=True)

    def check(self, most: int = 10) -> None:
        """The cosines of the two likest of some rows are the largest."""
        numbers = np.array(list(self.vectors), np.intp)
        vectors = np.array(list(self.vectors.values()))
        rows = self.random.permutation(numbers)[:most]
        for row, two in zip(rows.tolist(), self.likest.two(rows), strict=True):
            cosines = np.where(numbers == row, -np.inf, vectors @ self.vectors[row])
            expected = np.sort(cosines)[::-1][: min(2, len(numbers) - 1)]
            found = two[two >= 0]
            np.testing.assert_allclose(
                [cosines[numbers == other][0] for other in found], expected, atol=1e-6
            )
            assert len(set(found.tolist())) == len(found) == len(expected)

    def _somebody(self) -> int:
        return int(self.random.choice(list(self.vectors)))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 40),
    st.lists(st.sampled_from(["come", "change", "go", "check"]), max_size=150),
)
def test_likest_are_the_likest_when_people_come_change_and_go(
    seed: int, first: int, steps: list[str]
) -> None:
    crowd = Crowd(seed)
    for step in ["come"] * first + steps:
        if step == "come" or len(crowd.vectors) > 1 or step == "check":
            getattr(crowd, step)()
    crowd.check(most=1000)


@pytest.mark.parametrize("leaving", [0.2, 0.5, 0.7])
def test_likest_are_the_likest_when_hundreds_of_changes_came_one_by_one(leaving: float) -> None:
    crowd = Crowd(seed=7)
    for _ in range(60):
        crowd.come()
    shares = np.array([0.5 * (1 - leaving), 0.5, 0.5 * leaving])
    for _ in range(800):
        step = crowd.random.choice(["come", "change", "go"], p=shares)
        getattr(crowd, step if len(crowd.vectors) > 2 else "come")()
        crowd.check(most=4)


def test_likest_are_the_likest_when_very_many_change_at_once() -> None:
    crowd = Crowd(seed=3)
    for _ in range(MANY_CHANGES):
        crowd.come()
    crowd.check()
    for _ in range(MANY_CHANGES):
        crowd.come()
    for _ in range(MANY_CHANGES):
        crowd.change()
    crowd.check(most=100)


@pytest.mark.parametrize("changes", [1, 2, 20])
def test_likest_are_the_likest_when_a_place_is_taken_again_before_anybody_asks(
    changes: int,
) -> None:
    crowd = Crowd(seed=changes)
    for _ in range(30):
        crowd.come()
    crowd.check(most=30)
    for _ in range(changes):
        crowd.go()
        crowd.come()
    crowd.check(most=30)


def test_likest_of_the_last_person_is_nobody_when_all_others_have_gone() -> None:
    crowd = Crowd(seed=0)
    for _ in range(12):
        crowd.come()
    crowd.check(most=12)
    for left in range(11, 0, -1):
        crowd.go()
        crowd.check(most=left)
    (row,) = crowd.vectors
    assert crowd.likest.two(np.array([row])).tolist() == [[-1, -1]]


def test_likest_puts_the_likest_first() -> None:
    index = VectorIndex(2)
    likest = Likest(index)
    for angle in (0.0, 0.9, 0.2, 0.4):
        likest.note(index.add(np.array([np.cos(angle), np.sin(angle)], np.float32)))
    assert likest.two(np.array([0, 1])).tolist() == [[2, 3], [3, 2]]


def test_likest_come_back_when_those_who_had_pushed_them_out_move_away() -> None:
    index = VectorIndex(2)
    likest = Likest(index)

    def at(angle: float) -> Vector:
        return np.array([np.cos(angle), np.sin(angle)], np.float32)

    for angle in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 3.0):
        likest.note(index.add(at(angle)))
    assert likest.two(np.array([0])).tolist() == [[1, 2]]
    near = [index.add(at(0.01 + number / 1000)) for number in range(8)]
    for row in near:
        likest.note(row)
    assert likest.two(np.array([0])).tolist() == [near[:2]]
    for row in near[1:]:
        index.replace(row, at(0.55))
        likest.note(row)
    assert likest.two(np.array([0])).tolist() == [[near[0], 1]]
