"""Two models on the site's own confirmed faces: whom each misses, and whom it takes for another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usher.domain.impostors import ImpostorDistances
from usher.identity.calibrate import make_rule
from usher.settings import Settings

_BLOCK = 512
_Z = 1.959964
"""Of the normal distribution: 95% lie within so many standard deviations."""


@dataclass(frozen=True, slots=True)
class Share:
    """A count of a total."""

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval, as if the total were independent; 0 to 1 of nothing."""
        if not self.total:
            return 0.0, 1.0
        share, z2 = self.count / self.total, _Z**2 / self.total
        middle = share + z2 / 2
        width = math.sqrt(z2 * (share * (1 - share) + z2 / 4))
        return (middle - width) / (1 + z2), (middle + width) / (1 + z2)


@dataclass(frozen=True, slots=True)
class Errors:
    """What one model gets wrong at its threshold.

    Attributes
    ----------
    missed
        References whose nearest other reference of the same person lies beyond the threshold, of
        those that have another.
    accepted
        References that would be called by somebody else's name if their own person were not
        enrolled, of all.
    """

    threshold: float
    missed: Share
    accepted: Share


def threshold_of(
    settings: Settings, model: str, impostors: ImpostorDistances | None, *, references: int
) -> float:
    """The largest distance that the settings' rule accepts among so many references.

    Raises
    ------
    ConfigurationError
        If nobody has measured how close strangers come by that model.
    """
    rule = make_rule(
        settings.identity_rule,
        model=model,
        impostors=impostors,
        budget=settings.identity_budget,
        fixed_distance=settings.identity_fixed_distance,
    )
    return rule.threshold(references)


def count_errors(
    vectors: NDArray[np.float32], person_ids: Sequence[str], threshold: float
) -> Errors:
    """Compare each reference with all others, by Euclidean distance.

    Parameters
    ----------
    vectors
        float32, (N, D).
    person_ids
        Whose each is.
    threshold
        The largest distance accepted.
    """
    _, people = np.unique(np.array(person_ids, dtype=object).astype(str), return_inverse=True)
    missed = mated = accepted = 0
    for start in range(0, len(vectors), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(vectors)))
        distances = _distances(vectors[rows], vectors)
        own = people[rows, None] == people[None, :]
        own[rows - start, rows] = False
        strangers = people[rows, None] != people[None, :]
        has_mate = own.any(axis=1)
        mated += int(has_mate.sum())
        missed += int((_nearest(distances, own)[has_mate] > threshold).sum())
        accepted += int((_nearest(distances, strangers) <= threshold).sum())
    return Errors(threshold, Share(missed, mated), Share(accepted, len(vectors)))


def _distances(rows: NDArray[np.float32], all_rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32, (R, N)."""
    squares = np.einsum("nd,nd->n", all_rows, all_rows)
    own = np.einsum("nd,nd->n", rows, rows)
    squared = own[:, None] + squares[None, :] - 2 * (rows @ all_rows.T)
    return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float32)


def _nearest(distances: NDArray[np.float32], among: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The least of each row, infinite where nothing is among them."""
    return np.asarray(np.min(distances, axis=1, where=among, initial=np.inf), np.float32)
