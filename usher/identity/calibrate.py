"""From a share of strangers that may be called by a name to a distance.

First form: the prior alone. How far apart faces of different people lie was measured once for each
model, with `bench/impostors.py`, and the threshold follows from it and the number of references
compared with.
"""

from __future__ import annotations

import math
from typing import Protocol

from usher.domain.errors import ConfigurationError
from usher.domain.impostors import ImpostorDistances

_SHARES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)

# 6,814,941 pairs of 3,699 photographs of 1,707 people, the development half of Labeled Faces in the
# Wild (View 1, test), HOG faces, 5-point chips: `python bench/impostors.py`.
MEASURED = {
    # Halves of the people agree within 0.015 down to a share of 1e-5. The loosest is dlib's own
    # recommendation for its descriptor.
    "dlib-resnet-v1": ImpostorDistances(
        _SHARES,
        (0.373, 0.393, 0.416, 0.446, 0.478, 0.509, 0.546, 0.578, 0.616, 0.654, 0.705),
        loosest=0.6,
    ),
    # Halves agree within 0.015 down to 1e-5. The loosest accepts as large a share of the pairs as
    # 0.6 does of raw descriptors: 0.61%.
    "dlib-resnet-v1-mirrored": ImpostorDistances(
        _SHARES,
        (0.262, 0.279, 0.299, 0.320, 0.340, 0.358, 0.380, 0.400, 0.424, 0.450, 0.486),
        loosest=0.414,
    ),
    # Halves agree within 0.019 down to 1e-5; the loosest as above.
    "dlib-resnet-v1-crops": ImpostorDistances(
        _SHARES,
        (0.246, 0.264, 0.286, 0.309, 0.328, 0.346, 0.366, 0.386, 0.410, 0.436, 0.472),
        loosest=0.400,
    ),
}
"""By model id: what was measured. A rule can be given a table of one's own instead."""


def impostors_of(model: str) -> ImpostorDistances:
    """What was measured of a model.

    Raises
    ------
    ConfigurationError
        If nothing was.
    """
    if model not in MEASURED:
        raise ConfigurationError(
            f"no threshold can be told for the model {model}: measure how close its faces of "
            "different people come, with bench/impostors.py, and give the table beside the model"
        )
    return MEASURED[model]


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
    impostors
        Of the model whose vectors are compared.
    """

    def __init__(self, budget: float, impostors: ImpostorDistances) -> None:
        if not 0 < budget < 1:
            raise ValueError("the budget is a share between 0 and 1")
        self._budget = budget
        self._impostors = impostors

    def threshold(self, references: int) -> float:
        share = -math.expm1(math.log1p(-self._budget) / max(references, 1))
        return min(self._impostors.distance_at(share), self._impostors.loosest)

    def strangers_accepted(self, distance: float, references: int) -> float:
        return _strangers_accepted(self._impostors.share_below(distance), references)


class FixedRule:
    """The classic rule: one distance, whatever the size of the gallery.

    With 200 people enrolled and 0.6 between raw dlib descriptors it calls two thirds of strangers a
    known person.

    Parameters
    ----------
    distance
        The largest accepted.
    impostors
        Of the model whose vectors are compared.
    """

    def __init__(self, distance: float, impostors: ImpostorDistances) -> None:
        self._distance = distance
        self._impostors = impostors

    def threshold(self, references: int) -> float:
        return self._distance

    def strangers_accepted(self, distance: float, references: int) -> float:
        return _strangers_accepted(self._impostors.share_below(distance), references)


def _strangers_accepted(share: float, references: int) -> float:
    """Of strangers, where that share of comparisons accepts."""
    return 1.0 if share == 1 else -math.expm1(references * math.log1p(-share))


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
    impostors = impostors or impostors_of(model)
    if name == "fixed":
        return FixedRule(impostors.loosest if fixed_distance is None else fixed_distance, impostors)
    return BudgetRule(budget, impostors)
