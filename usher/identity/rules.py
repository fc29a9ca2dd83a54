"""When a face is somebody's: by a budget of false alarms, or by one distance."""

from __future__ import annotations

import math
from typing import Literal, Protocol

from usher.domain.impostors import ImpostorDistances
from usher.identity.calibrate import Calibration, StrangerScores, calibrate
from usher.identity.gallery import RIVALS, Gallery, NearestGallery, TemplateGallery
from usher.identity.measured import STRANGERS, impostors_of

LINK = 0.02
"""The share of people never seen before who may be taken for a stranger seen before."""
POOR_LINK = 0.005
"""The same, of faces too poor to found a person: a wrong one stays, a missed one is only kept."""
MERGE = 0.002
"""The same, where two strangers are made one without a person's word."""
_REVIEW = 5
"""A person is asked about what so many times the budget of strangers would reach."""
_LARGEST_REVIEW = 0.25


class Rule(Protocol):
    """What makes a face somebody's. Scores are those of the rule's own kind of gallery."""

    @property
    def name(self) -> Literal["budget", "fixed"]:
        """As in the settings."""
        ...

    @property
    def budget(self) -> float | None:
        """The share of strangers that may be called by a name; None where there is none set."""
        ...

    def make_gallery(self) -> Gallery: ...

    def calibrate(self, settled: Gallery) -> Calibration:
        """The score that somebody known must reach among these people."""
        ...

    def reason(self, calibration: Calibration) -> str:
        """Why the threshold is what it is, in words."""
        ...

    def link(self, strangers: Gallery, *, acceptable: bool) -> float:
        """The score at which a face is that of a stranger seen before; `acceptable` is its
        quality."""
        ...

    def strangers_accepted(self, score: float, gallery: Gallery) -> float:
        """The share of people who are not in a gallery that reach a score in it."""
        ...

    def pair_distance(self, comparisons: int) -> float:
        """How far apart two faces of one person lie at most, where so many pairs are compared."""
        ...

    def pairs_accepted(self, distance: float) -> float:
        """The share of the pairs of faces of different people that lie closer than a distance."""
        ...


def review_share(budget: float) -> float:
    """The share of strangers down to which a person is asked."""
    return max(budget, min(_REVIEW * budget, _LARGEST_REVIEW))


class BudgetRule:
    """Keeps the share of strangers called by a name at a budget while the gallery grows.

    Parameters
    ----------
    budget
        The acceptable false positive identification rate (FPIR), such as 0.01.
    prior
        What strangers' scores are like, for the model whose vectors are compared.
    impostors
        Of the same model.
    """

    name: Literal["budget", "fixed"] = "budget"

    def __init__(self, budget: float, prior: StrangerScores, impostors: ImpostorDistances) -> None:
        _check_budget(budget)
        self.budget = budget
        self.prior = prior
        self._impostors = impostors

    def make_gallery(self) -> TemplateGallery:
        return TemplateGallery()

    def calibrate(self, settled: Gallery) -> Calibration:
        if not isinstance(settled, TemplateGallery):
            raise TypeError("the prior is of the scores of a TemplateGallery")
        persons = len(settled)
        return calibrate(
            settled,
            self.prior,
            budget=_careful(self.budget, persons),
            review=_careful(review_share(self.budget), persons),
        )

    def reason(self, calibration: Calibration) -> str:
        return calibration.reason(self.budget)

    def link(self, strangers: Gallery, *, acceptable: bool) -> float:
        return self.link_among(len(strangers), acceptable=acceptable)

    def link_among(self, strangers: int, *, acceptable: bool = True) -> float:
        """`link`, by the number of strangers."""
        share = LINK if acceptable else POOR_LINK
        return self.prior.score_at(_careful(share, strangers), strangers)

    def merge_among(self, strangers: int) -> float:
        """The score at which two of so many strangers are one."""
        return self.prior.score_at(_careful(MERGE, strangers), strangers)

    def strangers_accepted(self, score: float, gallery: Gallery) -> float:
        persons = len(gallery)
        return min(self.prior.share_above(score, persons) / _careful(1, persons), 1.0)

    def pair_distance(self, comparisons: int) -> float:
        return _distance_within(self._impostors, self.budget, comparisons)

    def pairs_accepted(self, distance: float) -> float:
        return self._impostors.share_below(distance)


class NearestBudgetRule:
    """The budget for a model of which only the distances between people are known.

    A stranger is compared with every reference, so with n references the share accepted is
    1 - (1 - FMR)^n, as if comparisons were independent; references of one person are not, which
    errs on the careful side. The nearest reference decides, and never from farther than the table's
    loosest distance.

    Parameters
    ----------
    budget
        See `BudgetRule`.
    impostors
        How close faces of different people come.
    """

    name: Literal["budget", "fixed"] = "budget"

    def __init__(self, budget: float, impostors: ImpostorDistances) -> None:
        _check_budget(budget)
        self.budget = budget
        self._impostors = impostors

    def make_gallery(self) -> NearestGallery:
        return NearestGallery()

    def calibrate(self, settled: Gallery) -> Calibration:
        references = settled.references
        review = _distance_within(self._impostors, review_share(self.budget), references)
        return Calibration(
            threshold=-self.pair_distance(references), review=-review, persons=len(settled)
        )

    def reason(self, calibration: Calibration) -> str:
        return (
            f"set so that {self.budget:.1%} of strangers would be called by a name, from how close "
            "faces of different people come with this model"
        )

    def link(self, strangers: Gallery, *, acceptable: bool) -> float:
        return -self.pair_distance(strangers.references)

    def strangers_accepted(self, score: float, gallery: Gallery) -> float:
        return any_of(self._impostors.share_below(-score), gallery.references)

    def pair_distance(self, comparisons: int) -> float:
        return _distance_within(self._impostors, self.budget, comparisons)

    def pairs_accepted(self, distance: float) -> float:
        return self._impostors.share_below(distance)


class FixedRule:
    """The classic rule: one distance, whatever the size of the gallery. Nothing is reviewed.

    With 200 people enrolled and 0.6 between raw dlib descriptors it calls two thirds of strangers a
    known person.

    Parameters
    ----------
    distance
        The largest accepted.
    impostors
        Of the model whose vectors are compared.
    """

    name: Literal["budget", "fixed"] = "fixed"
    budget: float | None = None

    def __init__(self, distance: float, impostors: ImpostorDistances) -> None:
        self._distance = distance
        self._impostors = impostors

    def make_gallery(self) -> NearestGallery:
        return NearestGallery()

    def calibrate(self, settled: Gallery) -> Calibration:
        at = -self._distance
        return Calibration(threshold=at, review=at, persons=len(settled))

    def reason(self, calibration: Calibration) -> str:
        return "one distance, set by hand, however many people there are: see USHER_IDENTITY_RULE"

    def link(self, strangers: Gallery, *, acceptable: bool) -> float:
        return -self._distance

    def strangers_accepted(self, score: float, gallery: Gallery) -> float:
        return any_of(self._impostors.share_below(-score), gallery.references)

    def pair_distance(self, comparisons: int) -> float:
        return self._distance

    def pairs_accepted(self, distance: float) -> float:
        return self._impostors.share_below(distance)


def _careful(share: float, persons: int) -> float:
    """The share to read from the prior, so that spoilt pictures keep to it too.

    Where a face has no two rivals, how poor its picture is shows in its score: of spoilt pictures,
    which the prior is not of, twice the share are accepted among one or two persons, and about the
    share from three on (docs/identity.md).
    """
    return share if persons > RIVALS else share / 2


def _check_budget(budget: float) -> None:
    if not 0 < budget < 1:
        raise ValueError("the budget is a share between 0 and 1")


def any_of(share: float, comparisons: int) -> float:
    """The share of strangers accepted by any of so many comparisons, as if independent."""
    return 1.0 if share >= 1 else -math.expm1(comparisons * math.log1p(-share))


def _distance_within(impostors: ImpostorDistances, budget: float, comparisons: int) -> float:
    share = -math.expm1(math.log1p(-budget) / max(comparisons, 1))
    return min(impostors.distance_at(share), impostors.loosest)


def make_rule(
    name: str,
    *,
    model: str,
    budget: float,
    fixed_distance: float | None,
    impostors: ImpostorDistances | None = None,
) -> Rule:
    """The rule of that name: `budget` or `fixed`.

    Parameters
    ----------
    name
        `budget` or `fixed`.
    model
        The id of the model whose vectors are compared.
    budget
        See `BudgetRule`.
    fixed_distance
        See `FixedRule`; None: the model's loosest, which is 0.6 for raw dlib descriptors.
    impostors
        The model's own table; None: what was measured of it here.

    Raises
    ------
    ConfigurationError
        If there is no table for the model.
    """
    table = impostors or impostors_of(model)
    if name == "fixed":
        return FixedRule(table.loosest if fixed_distance is None else fixed_distance, table)
    if impostors is not None or model not in STRANGERS:
        return NearestBudgetRule(budget, table)
    return BudgetRule(budget, STRANGERS[model], table)
