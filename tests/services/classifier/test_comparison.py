"""What a model gets wrong on references, counted by hand where it is easy to see."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.classifier import comparison
from services.classifier.comparison import Share, count_errors, threshold_of
from usher.domain.errors import ConfigurationError
from usher.settings import Settings


def vectors(*places: float) -> NDArray[np.float32]:
    return np.array([(place, 0) for place in places], np.float32)


@pytest.mark.parametrize("block", [1, 2, 512])
def test_errors_are_those_of_each_reference_against_all_others(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "_BLOCK", block)
    # a's are found; one of b's three lies apart; c has no other, and lies near b's outlier.
    places = {"a": (0, 0.1), "b": (5, 5.2, 8), "c": (8.3,)}
    people = [person for person, found in places.items() for _ in found]
    errors = count_errors(vectors(*(x for found in places.values() for x in found)), people, 0.5)
    assert errors.missed == Share(1, 5)
    assert errors.accepted == Share(2, 6)


@pytest.mark.parametrize(("threshold", "missed"), [(0.999, 2), (1.0, 0)])
def test_reference_is_found_when_it_lies_on_the_threshold(threshold: float, missed: int) -> None:
    assert count_errors(vectors(0, 1), ["a", "a"], threshold).missed == Share(missed, 2)


def test_nobody_is_missed_or_accepted_when_one_reference_is_all() -> None:
    errors = count_errors(vectors(0), ["a"], 1.0)
    assert (errors.missed, errors.accepted) == (Share(0, 0), Share(0, 1))


def test_interval_is_wilsons() -> None:
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998
    assert Share(0, 10).interval == pytest.approx((0, 0.2775), abs=1e-4)
    assert Share(0, 0).interval == (0.0, 1.0)


def test_threshold_is_the_rules_of_the_settings() -> None:
    strict, loose = (
        threshold_of(Settings(identity_budget=budget), "dlib-resnet-v1", None, references=100)
        for budget in (0.01, 0.05)
    )
    assert 0 < strict < loose < 0.6
    with pytest.raises(ConfigurationError, match="no threshold"):
        threshold_of(Settings(), "somebody-elses", None, references=100)
