"""From a share of strangers to a distance, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.errors import ConfigurationError
from usher.domain.impostors import ImpostorDistances
from usher.identity.calibrate import (
    MEASURED,
    BudgetRule,
    FixedRule,
    impostors_of,
    make_rule,
)

RAW, MIRRORED = "dlib-resnet-v1", "dlib-resnet-v1-mirrored"
_BUDGETS = st.floats(1e-4, 0.49)
_REFERENCES = st.integers(0, 10_000_000)
_TABLES = st.sampled_from(list(MEASURED.values()))


@given(_TABLES, _BUDGETS, _REFERENCES, _REFERENCES)
def test_threshold_never_grows_when_references_are_added(
    impostors: ImpostorDistances, budget: float, references: int, more: int
) -> None:
    rule = BudgetRule(budget, impostors)
    assert rule.threshold(references + more) <= rule.threshold(references)


@given(_TABLES, _BUDGETS, _REFERENCES)
def test_threshold_stays_within_its_bounds_when_the_budget_is_any(
    impostors: ImpostorDistances, budget: float, references: int
) -> None:
    assert 0 <= BudgetRule(budget, impostors).threshold(references) <= impostors.loosest


@given(_TABLES, _BUDGETS, st.integers(1, 1_000_000))
def test_strangers_accepted_is_the_budget_when_asked_at_the_threshold(
    impostors: ImpostorDistances, budget: float, references: int
) -> None:
    rule = BudgetRule(budget, impostors)
    threshold = rule.threshold(references)
    accepted = rule.strangers_accepted(threshold, references)
    if 0 < threshold < impostors.loosest:
        assert accepted == pytest.approx(budget, rel=1e-6)
    elif threshold > 0:
        assert accepted <= budget * (1 + 1e-9)


@given(_TABLES, st.floats(0, 2), st.floats(0, 2), st.integers(1, 100_000))
def test_strangers_accepted_is_a_share_that_grows_when_the_distance_does(
    impostors: ImpostorDistances, distance: float, more: float, references: int
) -> None:
    rule = FixedRule(0.6, impostors)
    near = rule.strangers_accepted(distance, references)
    assert 0 <= near <= rule.strangers_accepted(distance + more, references) <= 1


@pytest.mark.parametrize(
    ("impostors", "share", "distance"),
    [
        (impostors, *point)
        for impostors in MEASURED.values()
        for point in zip(impostors.shares, impostors.distances, strict=True)
    ],
)
def test_rule_gives_what_was_measured_when_there_is_one_reference(
    impostors: ImpostorDistances, share: float, distance: float
) -> None:
    rule = BudgetRule(share, impostors)
    assert rule.threshold(1) == pytest.approx(min(distance, impostors.loosest))
    assert rule.strangers_accepted(distance, 1) == pytest.approx(share)


def test_loosest_distances_accept_the_same_share_whatever_the_model() -> None:
    shares = [impostors.share_below(impostors.loosest) for impostors in MEASURED.values()]
    assert shares == pytest.approx([shares[0]] * len(shares), rel=0.1)


def test_thresholds_of_normalised_vectors_are_the_smaller_ones() -> None:
    for references in (1, 10, 200, 5000):
        raw = BudgetRule(0.01, impostors_of(RAW)).threshold(references)
        mirrored = BudgetRule(0.01, impostors_of(MIRRORED)).threshold(references)
        assert 0.5 * raw < mirrored < 0.85 * raw


def test_strangers_accepted_is_next_to_none_when_a_picture_is_the_reference_itself() -> None:
    for impostors in MEASURED.values():
        assert BudgetRule(0.01, impostors).strangers_accepted(0.0, 100_000) < 1e-6


def test_strangers_accepted_is_none_when_there_is_no_reference() -> None:
    assert BudgetRule(0.01, impostors_of(RAW)).strangers_accepted(0.5, 0) == 0


@pytest.mark.parametrize("budget", [0, 1, -0.1, 1.5])
def test_budget_rule_refuses_a_budget_when_it_is_no_share(budget: float) -> None:
    with pytest.raises(ValueError, match="share"):
        BudgetRule(budget, impostors_of(RAW))


@pytest.mark.parametrize("model", MEASURED)
def test_fixed_rule_keeps_its_distance_when_the_gallery_grows(model: str) -> None:
    rule = make_rule("fixed", model=model, budget=0.01, fixed_distance=0.55)
    assert rule.threshold(1) == rule.threshold(1_000_000) == 0.55


@pytest.mark.parametrize("model", MEASURED)
def test_fixed_rule_takes_the_models_loosest_distance_when_none_is_given(model: str) -> None:
    rule = make_rule("fixed", model=model, budget=0.01, fixed_distance=None)
    assert rule.threshold(7) == impostors_of(model).loosest
    assert impostors_of(RAW).loosest == 0.6


@pytest.mark.parametrize("model", MEASURED)
def test_make_rule_gives_the_budget_rule_of_the_model_when_asked_for_it(model: str) -> None:
    rule = make_rule("budget", model=model, budget=0.01, fixed_distance=0.6)
    assert rule.threshold(200) == BudgetRule(0.01, impostors_of(model)).threshold(200) < 0.5


@pytest.mark.parametrize("name", ["budget", "fixed"])
def test_make_rule_says_how_to_measure_when_the_model_is_unknown(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the model new-v1.*bench/impostors\.py"):
        make_rule(name, model="new-v1", budget=0.01, fixed_distance=0.6)


def test_make_rule_takes_the_models_own_table_when_it_is_given() -> None:
    own = ImpostorDistances((0.001, 0.01), (1.0, 1.2), loosest=1.1)
    rule = make_rule("budget", model="new-v1", budget=0.001, fixed_distance=None, impostors=own)
    assert rule.threshold(1) == pytest.approx(1.0)
    rule = make_rule("budget", model=RAW, budget=0.01, fixed_distance=None, impostors=own)
    assert rule.threshold(1) == 1.1


@pytest.mark.parametrize(
    ("shares", "distances", "loosest"),
    [
        ((), (), 1.0),
        ((0.1,), (1.0,), 1.0),
        ((0.01, 0.1), (1.0,), 1.0),
        ((0.1, 0.01), (1.0, 1.1), 1.0),
        ((0.01, 0.01), (1.0, 1.1), 1.0),
        ((0.01, 0.1), (1.1, 1.0), 1.0),
        ((0.0, 0.1), (1.0, 1.1), 1.0),
        ((0.01, 1.0), (1.0, 1.1), 1.0),
        ((0.01, 0.1), (0.0, 1.1), 1.0),
        ((0.01, 0.1), (1.0, 1.1), 0.0),
        ((0.01, 0.1), (1.0, 1.1), float("nan")),
        ((0.01, float("nan")), (1.0, 1.1), 1.0),
        ((0.01, 0.1), (1.0, float("inf")), 1.0),
    ],
)
def test_table_is_refused_when_it_cannot_be_one(
    shares: tuple[float, ...], distances: tuple[float, ...], loosest: float
) -> None:
    with pytest.raises(ConfigurationError, match="table of impostors"):
        ImpostorDistances(shares, distances, loosest)
