"""From a share of strangers to a distance, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.identity.calibrate import (
    IMPOSTOR_DISTANCE,
    IMPOSTOR_SHARE,
    LOOSEST_DISTANCE,
    BudgetRule,
    FixedRule,
    make_rule,
)

_BUDGETS = st.floats(1e-4, 0.49)
_REFERENCES = st.integers(0, 10_000_000)


@given(_BUDGETS, _REFERENCES, _REFERENCES)
def test_threshold_never_grows_when_references_are_added(
    budget: float, references: int, more: int
) -> None:
    rule = BudgetRule(budget)
    assert rule.threshold(references + more) <= rule.threshold(references)


@given(_BUDGETS, _REFERENCES)
def test_threshold_stays_within_its_bounds_when_the_budget_is_any(
    budget: float, references: int
) -> None:
    assert 0 <= BudgetRule(budget).threshold(references) <= LOOSEST_DISTANCE


@given(_BUDGETS, st.integers(1, 1_000_000))
def test_strangers_accepted_is_the_budget_when_asked_at_the_threshold(
    budget: float, references: int
) -> None:
    rule = BudgetRule(budget)
    threshold = rule.threshold(references)
    accepted = rule.strangers_accepted(threshold, references)
    if threshold < LOOSEST_DISTANCE:
        assert accepted == pytest.approx(budget, rel=1e-6)
    else:
        assert accepted <= budget * (1 + 1e-9)


@given(st.floats(0, 2), st.floats(0, 2), st.integers(1, 100_000))
def test_strangers_accepted_is_a_share_that_grows_when_the_distance_does(
    distance: float, more: float, references: int
) -> None:
    rule = FixedRule(0.6)
    near = rule.strangers_accepted(distance, references)
    assert 0 <= near <= rule.strangers_accepted(distance + more, references) <= 1


@pytest.mark.parametrize(
    ("share", "distance"), list(zip(IMPOSTOR_SHARE, IMPOSTOR_DISTANCE, strict=True))
)
def test_rule_gives_what_was_measured_when_there_is_one_reference(
    share: float, distance: float
) -> None:
    rule = BudgetRule(share)
    assert rule.threshold(1) == pytest.approx(min(distance, LOOSEST_DISTANCE))
    assert rule.strangers_accepted(distance, 1) == pytest.approx(share)


def test_strangers_accepted_is_next_to_none_when_a_picture_is_the_reference_itself() -> None:
    assert BudgetRule(0.01).strangers_accepted(0.0, 100_000) < 1e-6


def test_strangers_accepted_is_none_when_there_is_no_reference() -> None:
    assert BudgetRule(0.01).strangers_accepted(0.5, 0) == 0


@pytest.mark.parametrize("budget", [0, 1, -0.1, 1.5])
def test_budget_rule_refuses_a_budget_when_it_is_no_share(budget: float) -> None:
    with pytest.raises(ValueError, match="share"):
        BudgetRule(budget)


def test_fixed_rule_keeps_its_distance_when_the_gallery_grows() -> None:
    rule = make_rule("fixed", budget=0.01, fixed_distance=0.6)
    assert rule.threshold(1) == rule.threshold(1_000_000) == 0.6


def test_make_rule_gives_the_budget_rule_when_asked_for_it() -> None:
    rule = make_rule("budget", budget=0.01, fixed_distance=0.6)
    assert rule.threshold(200) == BudgetRule(0.01).threshold(200) < 0.5
