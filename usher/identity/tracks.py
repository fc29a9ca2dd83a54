"""Several shots of one track, and which of them show one face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usher.identity.vectors import Rows, Vectors

Weights = NDArray[np.float64]


def shots_alike(vectors: Vectors, weights: Weights, one: int, distance: float) -> Rows:
    """The shots of a track that show the same face as one of them, that one included.

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
    one
        A row.
    distance
        How far apart two faces of one person lie at most.

    Returns
    -------
    array
        (K,): rows, ascending.
    """
    groups = [[row] for row in range(len(vectors))]
    means = [np.asarray(vector, np.float64) for vector in vectors]
    while len(groups) > 1:
        keep, go = _nearest(np.stack(means))
        if float(np.linalg.norm(means[keep] - means[go])) > distance:
            break
        groups[keep] += groups.pop(go)
        means.pop(go)
        means[keep] = _mean(vectors[groups[keep]], weights[groups[keep]])
    return np.array(sorted(next(group for group in groups if one in group)), np.intp)


def _mean(vectors: Vectors, weights: Weights) -> Weights:
    mean: Weights = weights @ np.asarray(vectors, np.float64) / weights.sum()
    return mean


def _nearest(means: Weights) -> tuple[int, int]:
    """The places of the two that are nearest to each other, the first one first."""
    gaps = np.linalg.norm(means[:, None] - means[None], axis=2)
    gaps[np.tril_indices(len(means))] = np.inf
    one, other = np.unravel_index(gaps.argmin(), gaps.shape)
    return int(one), int(other)
