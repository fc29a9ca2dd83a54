"""From a share of strangers that may be called by a name to a score.

The prior says which score a share of strangers reaches in a gallery of so many persons, as measured
elsewhere. The site's own persons correct it: each, taken out, is a stranger to all the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usher.identity.crowd import Crowd
from usher.identity.gallery import TemplateGallery

FEWEST_PERSONS = 10
"""Fewer of a site's own persons say nothing about its strangers."""
_DOUBT = math.log(1.5)
"""How wrong the prior may be: one standard deviation is a factor of 1.5 in a share of strangers."""
_EVENTS = 20
"""The site is compared with the prior where about so many of its persons would be taken."""
_LARGEST_LEVEL = 0.2
_MOST_COMPARISONS = 5_000_000
_ALWAYS_TAKEN = 200
"""Of larger galleries only some persons, evenly spread, are taken out in turn, never fewer."""


@dataclass(frozen=True, slots=True)
class StrangerScores:
    """The best score of a stranger, as measured: numbers about nobody.

    Between the numbers of persons and between the shares it is linear in their logarithms. A larger
    gallery than any measured counts as the largest. Below the least share the tail goes on as an
    exponential along the last step, which is the shape of the maximum of many independent scores.

    Attributes
    ----------
    persons
        In the gallery, ascending; (K,).
    shares
        Of strangers, descending, between 0 and 1; (Q,), two at least.
    scores
        (K, Q): what that share of strangers reaches; descends with the share's rise.
    """

    persons: tuple[float, ...]
    shares: tuple[float, ...]
    scores: tuple[tuple[float, ...], ...]

    def score_at(self, share: float, persons: int) -> float:
        """The score that this share of strangers reaches in a gallery of so many."""
        row = self._row(persons)
        depth = -math.log(share)
        depths = [-math.log(one) for one in self.shares]
        if depth <= depths[-1]:
            return float(np.interp(depth, depths, row))
        return float(row[-1] + self._slope(row) * (depth - depths[-1]))

    def share_above(self, score: float, persons: int) -> float:
        """The share of strangers that reach a score: the inverse of `score_at`."""
        row = self._row(persons)
        depths = [-math.log(one) for one in self.shares]
        if score <= row[-1]:
            return math.exp(-float(np.interp(score, row, depths)))
        return math.exp(-(depths[-1] + (score - row[-1]) / self._slope(row)))

    def _row(self, persons: int) -> NDArray[np.float64]:
        at = math.log(max(persons, 1))
        known = np.log(self.persons)
        return np.array([np.interp(at, known, column) for column in zip(*self.scores, strict=True)])

    def _slope(self, row: NDArray[np.float64]) -> float:
        before, last = (-math.log(one) for one in self.shares[-2:])
        return float((row[-1] - row[-2]) / (last - before))


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The score that somebody known must reach, and why.

    Attributes
    ----------
    threshold
        Which `budget` of the strangers are expected to reach.
    review
        From here on it is worth a person's look.
    shift
        How far this site's strangers lie above the prior's, as far as they are believed.
    weight
        How far they are believed, 0 to 1.
    persons
        In the gallery.
    """

    threshold: float
    review: float
    persons: int
    shift: float = 0.0
    weight: float = 0.0

    def reason(self, budget: float) -> str:
        """In words, for a person."""
        if self.weight == 0:
            return (
                f"set so that {budget:.1%} of strangers would be called by a name among "
                f"{self.persons} persons, as measured elsewhere: from {FEWEST_PERSONS} persons on "
                "this site's own faces are taken into account"
            )
        direction = "stricter" if self.shift > 0 else "looser"
        return (
            f"set so that {budget:.1%} of strangers would be called by a name among "
            f"{self.persons} persons; this site's own faces count for {self.weight:.0%} against "
            f"what was measured elsewhere, and make it {direction}"
        )


def calibrate(
    gallery: TemplateGallery, prior: StrangerScores, *, budget: float, review: float
) -> Calibration:
    """The score that `budget` of the strangers reach, and the one that `review` of them do.

    Where a share `level` of this site's left-out persons come to lie moves the prior's whole tail,
    by as much as their number is worth: a prior that may be wrong by a factor of 1.5, against
    counts that vary like Poisson's, halved because two look-alikes are taken for each other.

        level     = 20 / n, at least the budget, at most 0.2
        weight    = log(1.5)² / (log(1.5)² + 2 / (n level))
        threshold = prior(budget, n) + weight (site(level) - prior(level, n - 1))

    Parameters
    ----------
    budget, review
        Shares of strangers: the acceptable false positive identification rate (FPIR), and the one
        down to which a person is asked.
    """
    persons = len(gallery)
    shift, weight = 0.0, 0.0
    if persons >= FEWEST_PERSONS:
        scores, weights, taken = left_out(gallery)
        level = min(max(_EVENTS / taken, budget), max(_LARGEST_LEVEL, budget))
        weight = _DOUBT**2 / (_DOUBT**2 + 2 / (taken * level))
        site = weighted_quantile(scores, weights, 1 - level)
        shift = weight * (site - prior.score_at(level, persons - 1))
    return Calibration(
        threshold=prior.score_at(budget, persons) + shift,
        review=prior.score_at(review, persons) + shift,
        shift=shift,
        weight=weight,
        persons=persons,
    )


def left_out(
    gallery: TemplateGallery,
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """The best scores of the gallery's persons, each taken out in turn, among all the others.

    Returns
    -------
    tuple
        Of each reference the best score, (M,), and its weight, one in all for each person, (M,);
        and how many persons were taken out.
    """
    persons = sorted(gallery)
    most = max(_ALWAYS_TAKEN, _MOST_COMPARISONS // len(persons))
    taken = persons[:: math.ceil(len(persons) / most)]
    owners = [one for one in taken for _ in gallery.references_of(one)]
    faces = np.stack(
        [reference.vector for one in taken for reference in gallery.references_of(one)]
    )
    _, scores = Crowd.of(gallery).stand_outs(faces, without=owners)
    counts = {one: len(gallery.references_of(one)) for one in taken}
    weights = np.array([1 / counts[owner] for owner in owners])
    return scores, weights, len(taken)


def weighted_quantile(
    values: NDArray[np.float64], weights: NDArray[np.float64], share: float
) -> float:
    """The value below which `share` of the weight lies, linear between the middles of the steps."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(share, reached / weights.sum(), values[order]))
