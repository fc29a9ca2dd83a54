"""From a share of strangers that may be called by a name to a distance.

First form: the prior alone. How far apart faces of different people lie was measured once, with
`bench/impostors.py`, and the threshold follows from it and the number of references compared with.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections.abc import Sequence
from typing import Protocol

LOOSEST_DISTANCE = 0.6
"""No rule accepts more than dlib's own recommendation for its descriptor."""

# Euclidean distance between raw dlib descriptors below which this share of pairs of different
# people lies: 6,848,158 pairs of 3,708 photographs of 1,711 people, the development half of
# Labeled Faces in the Wild (View 1, test), HOG faces, 5-point chips. Halves of the people agree
# within 0.014 down to a share of 1e-5. Beyond its ends the table goes on as along its first and its
# last step; nothing was measured there.
IMPOSTOR_SHARE = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
IMPOSTOR_DISTANCE = (
    0.371, 0.393, 0.414, 0.445, 0.478, 0.509, 0.545, 0.578, 0.615, 0.653, 0.705,
)  # fmt: skip
_LOG_SHARE = tuple(math.log(share) for share in IMPOSTOR_SHARE)


class Rule(Protocol):
    """How close a face must lie to be the same person."""

    def threshold(self, references: int) -> float:
        """The largest accepted distance when that many references are compared with."""
        ...

    def strangers_accepted(self, distance: float, references: int) -> float:
        """The share of strangers whose nearest reference lies within `distance`."""
        ...


class BudgetRule:
    """Keeps the share of strangers called by a name at a budget while the gallery grows.

    A stranger is compared with every reference, so with n references the share accepted is
    1 - (1 - FMR)^n, as if comparisons were independent; references of one person are not, which
    errs on the careful side.

    Parameters
    ----------
    budget
        The acceptable false positive identification rate (FPIR), such as 0.01.
    """

    def __init__(self, budget: float) -> None:
        if not 0 < budget < 1:
            raise ValueError("the budget is a share between 0 and 1")
        self._budget = budget

    def threshold(self, references: int) -> float:
        share = -math.expm1(math.log1p(-self._budget) / max(references, 1))
        distance = _along(math.log(share), _LOG_SHARE, IMPOSTOR_DISTANCE)
        return min(max(distance, 0.0), LOOSEST_DISTANCE)

    def strangers_accepted(self, distance: float, references: int) -> float:
        return _strangers_accepted(distance, references)


class FixedRule:
    """The classic rule: one distance, whatever the size of the gallery.

    With 200 people enrolled and 0.6 it calls two thirds of strangers a known person.
    """

    def __init__(self, distance: float) -> None:
        self._distance = distance

    def threshold(self, references: int) -> float:
        return self._distance

    def strangers_accepted(self, distance: float, references: int) -> float:
        return _strangers_accepted(distance, references)


def _strangers_accepted(distance: float, references: int) -> float:
    share = math.exp(min(_along(distance, IMPOSTOR_DISTANCE, _LOG_SHARE), 0.0))
    return 1.0 if share == 1 else -math.expm1(references * math.log1p(-share))


def _along(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """Straight from each point to the next, and straight on beyond the first and the last."""
    after = min(max(bisect(xs, x), 1), len(xs) - 1)
    slope = (ys[after] - ys[after - 1]) / (xs[after] - xs[after - 1])
    return ys[after] + (x - xs[after]) * slope


def make_rule(name: str, *, budget: float, fixed_distance: float) -> Rule:
    """The rule of that name: `budget` or `fixed`."""
    if name == "fixed":
        return FixedRule(fixed_distance)
    return BudgetRule(budget)
