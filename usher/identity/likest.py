"""Who is most like whom, kept up to date while people come, change and go."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usher.identity.vectors import Rows, VectorIndex, Vectors, largest

LISTED = 8
"""More than are asked for, so that a list outlives changes of some of those in it."""
_FEW_CHANGES = 64
"""After more at once, all lists are made anew as they are asked for."""
_BLOCK_ROWS = 64


class Likest:
    """For each row of an index of unit vectors the two rows with the largest cosines.

    A row has a list of eight, made when it is first asked for, and a bound that no row outside of
    its list exceeds. While the second best in the list reaches the bound, the two best are told
    exactly; otherwise the list is made anew. Changes are taken in when somebody asks, all at once,
    in one pass over the index. The bound of a row without a list is infinite: nothing enters it.
    """

    def __init__(self, index: VectorIndex) -> None:
        self._index = index
        self._rows = np.empty((0, LISTED), np.int32)
        self._cosines = np.empty((0, LISTED), np.float32)
        self._bounds = np.empty(0, np.float32)
        self._changed: dict[int, bool] = {}

    def note(self, row: int, *, empty: bool = False) -> None:
        """Take down that a row has another vector now, or none."""
        self._changed[row] = empty

    def two(self, rows: Rows) -> Rows:
        """The two likest of each: (K,) to (K, 2), the likest first; -1 where there is nobody."""
        self._catch_up()
        self._make_anew(rows[np.isposinf(self._bounds[rows])])
        order = np.argsort(-self._cosines[rows], axis=1, kind="stable")[:, :2]
        found = np.take_along_axis(self._rows[rows], order, axis=1)
        nobody = np.isneginf(np.take_along_axis(self._cosines[rows], order, axis=1))
        return np.where(nobody, -1, found)

    def _catch_up(self) -> None:
        if not self._changed:
            return
        self._make_room()
        changed = np.array(list(self._changed), np.intp)
        empty = np.array(list(self._changed.values()))
        self._changed = {}
        self._give_up(changed)
        if len(changed) > _FEW_CHANGES:
            self._give_up(np.arange(self._index.rows))
            return
        near = self._index.products(self._index.vectors(changed))
        near[empty] = -np.inf
        for row, cosines in zip(changed, near, strict=True):
            self._update(row, cosines)

    def _give_up(self, rows: Rows) -> None:
        """Have no list of those rows any more."""
        self._rows[rows], self._cosines[rows], self._bounds[rows] = -1, -np.inf, np.inf

    def _update(self, row: int, cosines: NDArray[np.float32]) -> None:
        """Take a row's new cosines into the lists of the others."""
        listed, places = np.divmod(np.flatnonzero(self._rows == row), LISTED)
        self._cosines[listed, places] = cosines[listed]
        comes = np.flatnonzero(cosines > self._bounds[: len(cosines)])
        comes = np.setdiff1d(comes, listed, assume_unique=True)
        goes = self._cosines[comes].argmin(axis=1)
        self._bounds[comes] = np.maximum(self._bounds[comes], self._cosines[comes, goes])
        self._rows[comes, goes], self._cosines[comes, goes] = row, cosines[comes]
        seconds = np.partition(self._cosines[listed], LISTED - 2, axis=1)[:, LISTED - 2]
        self._give_up(listed[seconds < self._bounds[listed]])

    def _make_anew(self, rows: Rows) -> None:
        for start in range(0, len(rows), _BLOCK_ROWS):
            part = rows[start : start + _BLOCK_ROWS]
            near = self._index.products(self._index.vectors(part))
            near[np.arange(len(part)), part] = -np.inf
            self._take(part, near)

    def _take(self, rows: Rows, near: Vectors) -> None:
        places, cosines = largest(near, LISTED)
        self._rows[rows], self._cosines[rows] = -1, -np.inf
        self._rows[rows, : places.shape[1]] = places
        self._cosines[rows, : places.shape[1]] = cosines
        self._bounds[rows] = self._cosines[rows, -1]

    def _make_room(self) -> None:
        more = self._index.rows - len(self._bounds)
        if more <= 0:
            return
        more = max(more, len(self._bounds) // 2)
        self._rows = np.concatenate([self._rows, np.full((more, LISTED), -1, np.int32)])
        unknown = np.full((more, LISTED), -np.inf, np.float32)
        self._cosines = np.concatenate([self._cosines, unknown])
        self._bounds = np.concatenate([self._bounds, np.full(more, np.inf, np.float32)])
