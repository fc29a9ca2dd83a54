"""How `bench/identity.py` draws and counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.identity import Faces, Trial, bcubed, draw_trial, fill, oracle, rates
from usher.identity.gallery import NearestGallery

PEOPLE = np.array([0, 1, 1, 2, 2, 2, 2, 2, 2, 2, 3, 4, 4])
"""Of two a single photograph."""
SINGLES = {0, 10}


def faces(people: np.ndarray = PEOPLE) -> Faces:
    vectors = np.arange(len(people), dtype=np.float32)[:, None]
    return Faces(people, vectors, -vectors)


# ---- BCubed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "people", "precision", "recall"),
    [
        ([0, 0, 1], [5, 5, 7], 1, 1),  # the same partition under other numbers
        ([0, 0, 0, 0], [0, 0, 1, 1], 0.5, 1),
        ([0, 1, 2, 3], [0, 0, 1, 1], 1, 0.5),
        # Three of the first person and one of another; one of the first apart.
        ([0, 0, 0, 0, 1], [0, 0, 0, 1, 0], (3 * 0.75 + 0.25 + 1) / 5, (9 / 4 + 1 + 1 / 4) / 5),
    ],
)
def test_bcubed_is_what_it_is_by_hand(
    found: list[int], people: list[int], precision: float, recall: float
) -> None:
    f = 2 * precision * recall / (precision + recall)
    assert bcubed(np.array(found), np.array(people)) == pytest.approx((precision, recall, f))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_bcubed_agrees_with_its_definition(pairs: list[tuple[int, int]]) -> None:
    found, people = (np.array(column) for column in zip(*pairs, strict=True))
    together, same = found[:, None] == found, people[:, None] == people
    precision = ((together & same).sum(1) / together.sum(1)).mean()
    recall = ((together & same).sum(1) / same.sum(1)).mean()
    assert bcubed(found, people)[:2] == pytest.approx((precision, recall))


# ---- Open set -----------------------------------------------------------------------------------


def test_people_are_numbered_anew_when_some_are_chosen() -> None:
    some = faces().of(np.array([4, 1]))
    assert some.people.tolist() == [0, 0, 1, 1]
    assert some.vectors.ravel().tolist() == [1, 2, 11, 12]
    assert [rows.tolist() for rows in some.by_person()] == [[0, 1], [2, 3]]


@pytest.mark.parametrize("most", [1, 5])
@pytest.mark.parametrize("size", [2, None])
def test_trial_knows_people_of_several_photographs_and_looks_at_the_rest(
    size: int | None, most: int
) -> None:
    trial = draw_trial(faces(), size, most, np.random.default_rng(0))
    assert len(trial.references) == (size or 3)
    assert set(trial.references) <= {1, 2, 4}
    assert set(trial.strangers.tolist()) == SINGLES
    for person, rows in trial.references.items():
        probes = trial.mates[PEOPLE[trial.mates] == person]
        assert 1 <= len(rows) <= most
        assert len(probes) >= 1
        assert sorted([*rows, *probes]) == np.flatnonzero(person == PEOPLE).tolist()


def test_trials_differ_when_the_seeds_do() -> None:
    one, same, other = (
        draw_trial(faces(), 2, 1, np.random.default_rng(seed)).mates.tolist() for seed in (1, 1, 2)
    )
    assert one == same != other


def test_fill_makes_the_references_known() -> None:
    gallery = NearestGallery()
    trial = Trial({1: np.array([1]), 2: np.array([3, 4])}, np.array([]), np.array([]))
    fill(gallery, trial, faces().vectors)
    assert list(gallery) == ["000001", "000002"]
    assert [one.id for one in gallery.references_of("000002")] == ["3", "4"]


def test_rates_count_strangers_taken_and_mates_not_found_or_mistaken() -> None:
    people = np.array([1, 1, 2, 2, 8, 9])
    trial = Trial({}, mates=np.arange(4), strangers=np.array([4, 5]))
    persons = np.array([1, 2, 2, 2, 1, 2])
    scores = np.array([0.9, 0.9, 0.5, 0.4, 0.6, 0.1])
    # Of the mates the first and the third are found at 0.5, the second under another's name.
    assert rates(trial, people, persons, scores, 0.5) == (0.5, 0.5)
    assert rates(trial, people, persons, scores, 0.95) == (0, 1)
    assert rates(trial, people, persons, scores, 0.0) == (1, 0.25)


@pytest.mark.parametrize(("budget", "taken"), [(0.0, 0), (0.05, 0), (0.1, 1), (0.35, 3), (0.9, 9)])
def test_oracle_lets_as_many_strangers_pass_as_the_budget_allows(budget: float, taken: int) -> None:
    scores = np.random.default_rng(0).permutation(20) / 20
    trial = Trial({}, np.array([], np.intp), strangers=np.arange(5, 15))
    threshold = oracle(trial, scores, budget)
    assert (scores[trial.strangers] >= threshold).sum() == taken
