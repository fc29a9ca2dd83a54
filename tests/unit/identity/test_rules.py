"""When a face is somebody's: by a budget, and by one distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.identity.people import centres, gallery_of, references, vector
from usher.domain.errors import ConfigurationError
from usher.domain.impostors import ImpostorDistances
from usher.identity.gallery import NearestGallery, TemplateGallery
from usher.identity.measured import MEASURED, STRANGERS, impostors_of
from usher.identity.rules import (
    LINK,
    MERGE,
    BudgetRule,
    FixedRule,
    NearestBudgetRule,
    Rule,
    make_rule,
    review_share,
)

RAW = "dlib-resnet-v1"
OWN = ImpostorDistances((0.001, 0.01), (1.0, 1.2), loosest=1.1)
_BUDGETS = st.floats(1e-4, 0.49)
_REFERENCES = st.integers(0, 10_000_000)
_TABLES = st.sampled_from([OWN, *MEASURED.values()])


def people(count: int, each: int = 1) -> NearestGallery:
    """So many persons, whoever they are."""
    gallery = NearestGallery()
    for number in range(count):
        gallery.put(str(number), references([vector(number, 0)] * each))
    return gallery


def budget_rule(budget: float = 0.01, model: str = RAW) -> BudgetRule:
    return BudgetRule(budget, STRANGERS[model], impostors_of(model))


# ---- The budget ---------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [0, 1, -0.1, 1.5, float("nan")])
def test_rules_refuse_a_budget_when_it_is_no_share(budget: float) -> None:
    with pytest.raises(ValueError, match="share"):
        budget_rule(budget)
    with pytest.raises(ValueError, match="share"):
        NearestBudgetRule(budget, OWN)


@pytest.mark.parametrize(
    ("budget", "review"),
    [(0.001, 0.005), (0.01, 0.05), (0.05, 0.25), (0.2, 0.25), (0.3, 0.3), (0.9, 0.9)],
)
def test_review_takes_five_budgets_and_never_less_than_the_budget(
    budget: float, review: float
) -> None:
    assert review_share(budget) == pytest.approx(review)


@pytest.mark.parametrize("model", STRANGERS)
@pytest.mark.parametrize("persons", [1, 7, 9])
def test_budget_rule_accepts_its_budget_of_strangers_when_asked_at_the_threshold(
    model: str, persons: int
) -> None:
    gallery = gallery_of(centres(persons, np.random.default_rng(0)), np.arange(persons))
    rule = budget_rule(0.02, model)
    found = rule.calibrate(gallery)
    assert rule.strangers_accepted(found.threshold, gallery) == pytest.approx(0.02)
    assert rule.strangers_accepted(found.review, gallery) == pytest.approx(0.1)


def test_budget_rule_is_stricter_when_the_budget_is_smaller() -> None:
    gallery = gallery_of(centres(40, np.random.default_rng(0)), np.arange(40))
    thresholds = [
        budget_rule(budget).calibrate(gallery).threshold for budget in (0.05, 0.01, 0.001)
    ]
    assert thresholds[0] < thresholds[1] < thresholds[2]


def test_budget_rule_merges_only_what_it_would_link_with_room_to_spare() -> None:
    rule = budget_rule()
    assert LINK > MERGE
    for strangers in (1, 10, 5000):
        assert rule.merge_among(strangers) > rule.link_among(strangers)
    gallery = gallery_of(centres(3, np.random.default_rng(0)), np.arange(3))
    assert rule.link(gallery, acceptable=True) == rule.link_among(3)


def test_budget_rule_links_a_poor_face_only_when_it_fits_better() -> None:
    rule = budget_rule()
    for strangers in (1, 10, 5000):
        poor = rule.link_among(strangers, acceptable=False)
        assert rule.link_among(strangers) < poor < rule.merge_among(strangers)


@pytest.mark.parametrize(("persons", "share"), [(1, 0.005), (2, 0.005), (3, 0.01), (9, 0.01)])
def test_budget_rule_takes_half_the_share_when_there_are_no_two_rivals(
    persons: int, share: float
) -> None:
    rule = budget_rule(0.01)
    gallery = gallery_of(centres(persons, np.random.default_rng(0)), np.arange(persons))
    assert rule.calibrate(gallery).threshold == rule.prior.score_at(share, persons)


def test_budget_rule_refuses_a_gallery_when_its_scores_are_others() -> None:
    with pytest.raises(TypeError, match="TemplateGallery"):
        budget_rule().calibrate(NearestGallery())


# ---- The budget, by distances alone -------------------------------------------------------------


@given(_TABLES, _BUDGETS, _REFERENCES, _REFERENCES)
def test_pair_distance_never_grows_when_more_are_compared(
    impostors: ImpostorDistances, budget: float, comparisons: int, more: int
) -> None:
    rule = NearestBudgetRule(budget, impostors)
    assert rule.pair_distance(comparisons + more) <= rule.pair_distance(comparisons)


@given(_TABLES, _BUDGETS, _REFERENCES)
def test_pair_distance_is_never_beyond_the_loosest(
    impostors: ImpostorDistances, budget: float, comparisons: int
) -> None:
    rule = NearestBudgetRule(budget, impostors)
    assert 0 <= rule.pair_distance(comparisons) <= impostors.loosest


@given(_TABLES, _BUDGETS, st.integers(1, 40))
def test_nearest_rule_accepts_its_budget_of_strangers_when_asked_at_the_threshold(
    impostors: ImpostorDistances, budget: float, count: int
) -> None:
    rule, gallery = NearestBudgetRule(budget, impostors), people(count)
    threshold = rule.calibrate(gallery).threshold
    accepted = rule.strangers_accepted(threshold, gallery)
    if -impostors.loosest < threshold < 0:
        assert accepted == pytest.approx(budget, rel=1e-6)
    else:
        assert accepted <= budget * (1 + 1e-9)


@given(_TABLES, _BUDGETS, st.integers(0, 40), st.integers(1, 3))
def test_nearest_rule_is_never_looser_in_review_than_its_table_allows(
    impostors: ImpostorDistances, budget: float, count: int, each: int
) -> None:
    found = NearestBudgetRule(budget, impostors).calibrate(people(count, each))
    assert -impostors.loosest <= found.review <= found.threshold <= 0
    assert found.persons == count


def test_nearest_rule_tightens_when_a_person_has_more_references() -> None:
    rule = NearestBudgetRule(0.005, OWN)
    few, many = people(5), people(5, each=4)
    assert rule.calibrate(many).threshold > rule.calibrate(few).threshold
    assert rule.link(many, acceptable=True) > rule.link(few, acceptable=True)
    assert (
        rule.link(many, acceptable=True)
        == -rule.pair_distance(20)
        == rule.calibrate(many).threshold
    )


@pytest.mark.parametrize(
    ("impostors", "share", "distance"),
    [
        (impostors, *point)
        for impostors in MEASURED.values()
        for point in zip(impostors.shares, impostors.distances, strict=True)
    ],
)
def test_pair_distance_is_what_was_measured_when_one_pair_is_compared(
    impostors: ImpostorDistances, share: float, distance: float
) -> None:
    expected = pytest.approx(min(distance, impostors.loosest))
    assert NearestBudgetRule(share, impostors).pair_distance(1) == expected
    assert BudgetRule(share, STRANGERS[RAW], impostors).pair_distance(1) == expected


def test_strangers_accepted_is_none_when_there_is_nobody() -> None:
    for rule in (NearestBudgetRule(0.01, OWN), FixedRule(0.6, OWN)):
        assert rule.strangers_accepted(-0.5, NearestGallery()) == 0


# ---- One distance -------------------------------------------------------------------------------


def test_fixed_rule_keeps_its_distance_when_the_gallery_grows() -> None:
    rule = FixedRule(0.55, OWN)
    for gallery in (people(1), people(50, each=3)):
        found = rule.calibrate(gallery)
        assert found.threshold == found.review == rule.link(gallery, acceptable=True) == -0.55
    assert rule.pair_distance(1) == rule.pair_distance(1_000_000) == 0.55


@given(_TABLES, st.floats(0, 2), st.floats(0, 2), st.integers(1, 40))
def test_strangers_accepted_is_a_share_that_grows_with_the_distance(
    impostors: ImpostorDistances, distance: float, more: float, count: int
) -> None:
    rule, gallery = FixedRule(0.6, impostors), people(count)
    near = rule.strangers_accepted(-distance, gallery)
    assert 0 <= near <= rule.strangers_accepted(-distance - more, gallery) <= 1


def test_strangers_accepted_grows_with_the_gallery_when_the_distance_is_fixed() -> None:
    rule = FixedRule(0.6, impostors_of(RAW))
    shares = [rule.strangers_accepted(-0.6, people(count)) for count in (1, 20, 200)]
    assert shares[0] < 0.01 < shares[1] < 0.5 < shares[2]


# ---- The table of rules -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "model", "impostors", "rule", "gallery"),
    [
        ("budget", RAW, None, BudgetRule, TemplateGallery),
        ("budget", "dlib-resnet-v1-crops", None, BudgetRule, TemplateGallery),
        ("budget", "new-v1", OWN, NearestBudgetRule, NearestGallery),
        ("budget", RAW, OWN, NearestBudgetRule, NearestGallery),  # the model's own table counts
        ("fixed", RAW, None, FixedRule, NearestGallery),
        ("fixed", "new-v1", OWN, FixedRule, NearestGallery),
    ],
)
def test_make_rule_gives_the_rule_and_its_kind_of_gallery(
    name: str,
    model: str,
    impostors: ImpostorDistances | None,
    rule: type[Rule],
    gallery: type[TemplateGallery | NearestGallery],
) -> None:
    made = make_rule(name, model=model, budget=0.01, fixed_distance=None, impostors=impostors)
    assert type(made) is rule
    assert type(made.make_gallery()) is gallery


def test_make_rule_takes_the_models_own_table_when_it_is_given() -> None:
    rule = make_rule("budget", model="new-v1", budget=0.001, fixed_distance=None, impostors=OWN)
    assert rule.pair_distance(1) == pytest.approx(1.0)
    rule = make_rule("budget", model=RAW, budget=0.01, fixed_distance=None, impostors=OWN)
    assert rule.pair_distance(1) == 1.1


@pytest.mark.parametrize("model", MEASURED)
def test_make_rule_takes_the_models_loosest_distance_when_none_is_given(model: str) -> None:
    rule = make_rule("fixed", model=model, budget=0.01, fixed_distance=None)
    assert rule.pair_distance(7) == impostors_of(model).loosest
    given = make_rule("fixed", model=model, budget=0.01, fixed_distance=0.3)
    assert given.pair_distance(7) == 0.3


@pytest.mark.parametrize("name", ["budget", "fixed"])
def test_make_rule_says_how_to_measure_when_the_model_is_unknown(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the model new-v1.*bench/impostors\.py"):
        make_rule(name, model="new-v1", budget=0.01, fixed_distance=0.6)
