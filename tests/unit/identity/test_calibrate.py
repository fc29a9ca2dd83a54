"""From a share of strangers to a score and back, and how the site's own persons move it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.identity.people import centres, faces_of, gallery_of, references
from usher.identity.calibrate import (
    FEWEST_PERSONS,
    Calibration,
    StrangerScores,
    calibrate,
    left_out,
    weighted_quantile,
)
from usher.identity.gallery import TemplateGallery
from usher.identity.measured import STRANGERS

PRIOR = StrangerScores(
    persons=(1, 10, 100),
    shares=(0.5, 0.1, 0.01),
    scores=((0.50, 0.55, 0.60), (0.52, 0.56, 0.60), (0.54, 0.57, 0.60)),
)
BUDGET, REVIEW = 0.01, 0.05
_TABLES = st.sampled_from([PRIOR, *STRANGERS.values()])
_PERSONS = st.integers(0, 1_000_000)


def people(count: int, *, seed: int = 0, each: int = 1, alike: float = 0.87) -> TemplateGallery:
    random = np.random.default_rng(seed)
    faces = faces_of(centres(count, random, alike), each, random)
    return gallery_of(faces, np.repeat(np.arange(count), each))


def prior_of(gallery: TemplateGallery, *, higher: float = 0.0) -> StrangerScores:
    """What these persons' own scores would be, so much higher, in galleries of any size."""
    scores, weights, _ = left_out(gallery)
    row = tuple(weighted_quantile(scores, weights, 1 - share) + higher for share in PRIOR.shares)
    return StrangerScores((1, 1000), PRIOR.shares, (row, row))


# ---- The prior ----------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", [PRIOR, *STRANGERS.values()])
def test_score_is_what_was_measured_at_each_point_of_the_table(prior: StrangerScores) -> None:
    for persons, row in zip(prior.persons, prior.scores, strict=True):
        found = [prior.score_at(share, int(persons)) for share in prior.shares]
        assert found == pytest.approx(row)


@given(_TABLES, st.floats(1e-9, 0.5), _PERSONS)
def test_share_above_is_the_inverse_of_score_at(
    prior: StrangerScores, share: float, persons: int
) -> None:
    score = prior.score_at(share, persons)
    assert prior.share_above(score, persons) == pytest.approx(share, rel=1e-6)


@given(_TABLES, st.floats(1e-9, 1), st.floats(1e-9, 1), _PERSONS)
def test_score_is_no_lower_when_the_share_is_smaller(
    prior: StrangerScores, one: float, other: float, persons: int
) -> None:
    few, many = sorted((one, other))
    assert prior.score_at(few, persons) >= prior.score_at(many, persons)


@given(_TABLES, st.floats(-1, 1), st.floats(-1, 1), _PERSONS)
def test_share_is_no_larger_when_the_score_is_higher(
    prior: StrangerScores, one: float, other: float, persons: int
) -> None:
    low, high = sorted((one, other))
    assert 0 <= prior.share_above(high, persons) <= prior.share_above(low, persons) <= 1


def test_score_lies_in_the_middle_when_the_number_of_persons_does_in_its_logarithm() -> None:
    assert PRIOR.score_at(0.5, 0) == PRIOR.score_at(0.5, 1) == 0.50
    assert PRIOR.score_at(0.1, 32) == pytest.approx(0.565, abs=1e-4)
    assert PRIOR.score_at(0.1, 100_000_000) == 0.57


def test_tail_goes_on_along_its_last_step_when_the_share_is_less_than_any_measured() -> None:
    assert PRIOR.score_at(0.001, 10) == pytest.approx(0.64)
    assert PRIOR.score_at(0.0001, 10) == pytest.approx(0.68)
    assert PRIOR.share_above(0.64, 10) == pytest.approx(0.001)


def test_score_goes_no_lower_when_the_share_is_larger_than_any_measured() -> None:
    assert PRIOR.score_at(0.9, 10) == PRIOR.score_at(0.5, 10)
    assert PRIOR.share_above(0.1, 10) == pytest.approx(0.5)


@pytest.mark.parametrize("model", STRANGERS)
def test_measured_scores_ascend_and_hardly_depend_on_the_number_of_persons(model: str) -> None:
    prior = STRANGERS[model]
    rows = np.array(prior.scores)
    assert rows.shape == (len(prior.persons), len(prior.shares))
    assert (np.diff(rows, axis=1) > 0).all()
    one_percent = rows[2:, prior.shares.index(0.01)]
    assert np.ptp(one_percent) < 0.02


# ---- The site's own -----------------------------------------------------------------------------


@pytest.mark.parametrize("persons", [0, 1, FEWEST_PERSONS - 1])
def test_calibration_is_the_prior_when_there_are_few_persons(persons: int) -> None:
    found = calibrate(people(persons, alike=0.99), PRIOR, budget=BUDGET, review=REVIEW)
    assert found == Calibration(
        threshold=PRIOR.score_at(BUDGET, persons),
        review=PRIOR.score_at(REVIEW, persons),
        persons=persons,
    )


def test_calibration_believes_the_site_the_more_the_more_persons_there_are() -> None:
    weights = [
        calibrate(people(count), PRIOR, budget=BUDGET, review=REVIEW).weight
        for count in (FEWEST_PERSONS, 30, 100, 1000)
    ]
    assert 0 < weights[0] < weights[1] < weights[2] < 1
    assert weights[3] == pytest.approx(weights[2])  # as many of them would be taken


@pytest.mark.parametrize("higher", [-0.04, 0.04])
def test_threshold_follows_the_site_when_its_strangers_score_otherwise(higher: float) -> None:
    gallery = people(400)
    prior = prior_of(gallery, higher=-higher)
    found = calibrate(gallery, prior, budget=BUDGET, review=REVIEW)
    assert found.shift == pytest.approx(found.weight * higher, abs=1e-3)
    assert found.threshold == pytest.approx(prior.score_at(BUDGET, 400) + found.shift)
    assert found.review == pytest.approx(prior.score_at(REVIEW, 400) + found.shift)
    assert 0.5 < found.weight < 1


@settings(deadline=None, max_examples=20)
@given(
    st.integers(FEWEST_PERSONS, 60),
    st.floats(0.001, 0.9),
    st.floats(0.8, 0.97),
    st.integers(0, 2**32 - 1),
)
def test_review_begins_below_the_threshold_whatever_the_site(
    count: int, budget: float, alike: float, seed: int
) -> None:
    gallery = people(count, seed=seed, alike=alike)
    found = calibrate(gallery, PRIOR, budget=budget, review=budget + (1 - budget) / 2)
    assert found.review <= found.threshold
    assert 0 < found.weight < 1
    assert found.persons == count


def test_calibration_does_not_depend_on_the_order_in_which_persons_came() -> None:
    gallery = people(60, each=2)
    other = TemplateGallery()
    for person_id in sorted(gallery, reverse=True):
        other.put(person_id, gallery.references_of(person_id))
    one, two = (
        calibrate(it, PRIOR, budget=BUDGET, review=REVIEW).threshold for it in (gallery, other)
    )
    assert one == pytest.approx(two, abs=1e-6)


def test_left_out_persons_score_as_strangers_when_each_is_taken_out() -> None:
    gallery = people(14, each=3)
    scores, weights, taken = left_out(gallery)
    assert taken == 14
    expected = []
    for person_id in sorted(gallery):
        own = gallery.references_of(person_id)
        gallery.put(person_id, ())
        expected += [match.score for one in own if (match := gallery.best(one.vector)) is not None]
        gallery.put(person_id, own)
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert weights.tolist() == pytest.approx([1 / 3] * 42)


def test_left_out_persons_count_alike_when_one_has_many_references() -> None:
    gallery = people(12)
    random = np.random.default_rng(1)
    gallery.put("p-00", references(faces_of(gallery.templates()[:1], 20, random)))
    _, weights, taken = left_out(gallery)
    assert taken == 12
    assert weights.sum() == pytest.approx(12)


def test_only_some_persons_are_left_out_when_there_are_very_many() -> None:
    gallery = people(5000)
    scores, _, taken = left_out(gallery)
    assert 200 <= taken <= 1000
    assert len(scores) == taken


@pytest.mark.parametrize(
    ("values", "weights", "share", "quantile"),
    [
        ((1, 2, 3, 4), (1, 1, 1, 1), 0.5, 2.5),
        ((4, 1, 3, 2), (1, 1, 1, 1), 0.5, 2.5),  # in any order
        ((1, 2, 3, 4), (1, 1, 1, 1), 0.0, 1),
        ((1, 2, 3, 4), (1, 1, 1, 1), 1.0, 4),
        ((1, 2), (3, 1), 0.375, 1),  # the middle of the first step
        ((1, 2), (3, 1), 0.875, 2),
        ((7,), (1,), 0.9, 7),
    ],
)
def test_quantile_is_linear_between_the_middles_of_the_steps(
    values: tuple[float, ...], weights: tuple[float, ...], share: float, quantile: float
) -> None:
    found = weighted_quantile(np.array(values, float), np.array(weights, float), share)
    assert found == pytest.approx(quantile)


# ---- In words -----------------------------------------------------------------------------------


def test_reason_says_that_the_sites_own_do_not_count_when_they_are_few() -> None:
    reason = calibrate(people(3), PRIOR, budget=BUDGET, review=REVIEW).reason(BUDGET)
    assert "1.0% of strangers" in reason
    assert "among 3 persons" in reason
    assert f"from {FEWEST_PERSONS} persons on" in reason


@pytest.mark.parametrize(("shift", "word"), [(0.01, "stricter"), (-0.01, "looser")])
def test_reason_says_which_way_the_sites_own_move_it(shift: float, word: str) -> None:
    found = Calibration(threshold=0.6, review=0.5, persons=40, shift=shift, weight=0.4)
    assert word in found.reason(0.05)
    assert "5.0% of strangers" in found.reason(0.05)
    assert "count for 40%" in found.reason(0.05)
    assert "from 10 persons on" not in replace(found, weight=0.1).reason(0.05)
