"""What a model gets wrong on references, counted by hand where it is easy to see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.classifier.comparison import Share, count_errors, rule_of
from tests.unit.identity.people import centres, faces_of
from usher.domain.errors import ConfigurationError
from usher.identity.measured import impostors_of
from usher.identity.rules import FixedRule
from usher.settings import Settings

RAW = "dlib-resnet-v1"


def within(distance: float) -> FixedRule:
    return FixedRule(distance, impostors_of(RAW))


def vectors(*places: float) -> NDArray[np.float32]:
    return np.array([(place, 0) for place in places], np.float32)


def test_errors_are_those_of_each_reference_against_all_others() -> None:
    # a's are found; one of b's three lies apart; c has no other, and lies near b's outlier.
    places = {"a": (0, 0.1), "b": (5, 5.2, 8), "c": (8.3,)}
    people = [person for person, found in places.items() for _ in found]
    given = vectors(*(x for found in places.values() for x in found))
    errors = count_errors(given, people, within(0.5))
    assert errors.missed == Share(1, 5)
    assert errors.accepted == Share(2, 6)


@pytest.mark.parametrize(("distance", "missed"), [(0.999, 2), (1.0, 0)])
def test_reference_is_found_when_it_lies_on_the_threshold(distance: float, missed: int) -> None:
    assert count_errors(vectors(0, 1), ["a", "a"], within(distance)).missed == Share(missed, 2)


def test_nobody_is_missed_or_accepted_when_one_reference_is_all() -> None:
    errors = count_errors(vectors(0), ["a"], within(1.0))
    assert (errors.missed, errors.accepted) == (Share(0, 0), Share(0, 1))


def test_errors_are_few_by_the_budget_when_people_are_far_apart() -> None:
    random = np.random.default_rng(0)
    given = faces_of(centres(30, random, alike=0.7), 3, random)
    people = [f"p-{row // 3}" for row in range(len(given))]
    rule = rule_of(Settings(identity_budget=0.01), "dlib-resnet-v1-crops", None)
    errors = count_errors(given, people, rule)
    assert (errors.missed, errors.accepted) == (Share(0, 90), Share(0, 90))


def test_interval_is_wilsons() -> None:
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998
    assert Share(0, 10).interval == pytest.approx((0, 0.2775), abs=1e-4)
    assert Share(0, 0).interval == (0.0, 1.0)


def test_rule_is_refused_when_nobody_has_measured_the_model() -> None:
    with pytest.raises(ConfigurationError, match="no threshold"):
        rule_of(Settings(), "somebody-elses", None)
