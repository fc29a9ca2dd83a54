"""Several shots of one track, and which of them show one face."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from usher.identity.vectors import Rows, Vectors

Weights = NDArray[np.float64]

MOST_SHOTS = 16
"""So many of a track's shots are judged together, the best ones."""
_UNMEASURED = 0.5
_LEAST = 0.01


def shot_weights(probabilities: Sequence[float | None]) -> Weights:
    """What shots count for: the probabilities that their faces are recognised, (M,), above 0.

    None is one that was not measured.
    """
    weights = [_UNMEASURED if one is None else one for one in probabilities]
    return np.maximum(np.array(weights, np.float64), _LEAST)


def faces_of_track(vectors: Vectors, weights: Weights, distance: float) -> list[Rows]:
    """A track's shots, parted by the face that they show.

    The shots begin as groups of one. The two groups whose means are nearest become one, until the
    nearest are farther apart than two faces of one person lie. So a poor shot finds its group,
    whose mean is nearer to it than most of the group are; and where a tracker has gone over from
    one person to another there are two groups.

    Parameters
    ----------
    vectors
        float32, (M, D).
    weights
        (M,), above 0: what each counts for in the mean of its group.
    distance
        How far apart two faces of one person lie at most.

    Returns
    -------
    list of array
        Of each face the rows, ascending, (K,).
    """
    if len(vectors) and _gaps(np.asarray(vectors, np.float64)).max() <= distance:
        # No two means lie farther apart than the farthest two of their shots.
        return [np.arange(len(vectors))]
    groups = [[row] for row in range(len(vectors))]
    means = [np.asarray(vector, np.float64) for vector in vectors]
    while len(groups) > 1:
        keep, go = _nearest(np.stack(means))
        if float(np.linalg.norm(means[keep] - means[go])) > distance:
            break
        groups[keep] += groups.pop(go)
        means.pop(go)
        means[keep] = _mean(vectors[groups[keep]], weights[groups[keep]])
    return [np.array(sorted(group), np.intp) for group in groups]


def _mean(vectors: Vectors, weights: Weights) -> Weights:
    mean: Weights = weights @ np.asarray(vectors, np.float64) / weights.sum()
    return mean


def _nearest(means: Weights) -> tuple[int, int]:
    """The places of the two that are nearest to each other, the first one first."""
    gaps = _gaps(means)
    gaps[np.tril_indices(len(means))] = np.inf
    one, other = np.unravel_index(gaps.argmin(), gaps.shape)
    return int(one), int(other)


def _gaps(points: Weights) -> Weights:
    """How far apart any two lie: (M, M)."""
    gaps: Weights = np.linalg.norm(points[:, None] - points[None], axis=2)
    return gaps
