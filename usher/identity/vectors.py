"""Exact search among vectors in memory, which come and go without anything being built anew."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from usher.domain.records import Vector

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]

BLOCK_ROWS = 4096
_CHUNK = 256
"""The best of so many values at a time are told first, and only the best chunks are looked into."""


class VectorIndex:
    """Rows of float32, in blocks, so that adding one never copies the others.

    A row keeps its number. One that was removed is empty until another vector takes its place. In a
    block the first numbers of all its vectors lie side by side, then the second ones, and so on: a
    product with all of them then runs as fast as memory is read.

    Parameters
    ----------
    dimension
        How many numbers a vector has.
    """

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self._blocks: list[Vectors] = []
        self._rows = 0
        self._free: list[int] = []
        self._products = np.empty(0, np.float32)

    @property
    def rows(self) -> int:
        """How many rows there are, with those that are empty."""
        return self._rows

    def add(self, vector: Vector) -> int:
        """Put a vector where there is room; its row."""
        row = self._free.pop() if self._free else self._new_row()
        self.replace(row, vector)
        return row

    def add_all(self, vectors: Vectors) -> range:
        """Put vectors, (N, D), after all others; their rows."""
        first = self._rows
        while len(vectors):
            at = self._rows % BLOCK_ROWS
            if not at:
                self._blocks.append(np.zeros((self.dimension, BLOCK_ROWS), np.float32))
            some, vectors = np.split(vectors, [BLOCK_ROWS - at])
            self._blocks[-1][:, at : at + len(some)] = some.T
            self._rows += len(some)
        return range(first, self._rows)

    def replace(self, row: int, vector: Vector) -> None:
        """Put another vector in a row's place."""
        self.vector(row)[:] = vector

    def remove(self, row: int) -> None:
        """Empty a row."""
        self._free.append(row)

    def vector(self, row: int) -> Vector:
        """A row, as a view: float32, (D,)."""
        found: Vector = self._blocks[row // BLOCK_ROWS][:, row % BLOCK_ROWS]
        return found

    def vectors(self, rows: Rows) -> Vectors:
        """Those rows, copied: float32, (K, D)."""
        found = np.empty((len(rows), self.dimension), np.float32)
        for place, row in enumerate(rows.tolist()):
            found[place] = self.vector(row)
        return found

    def products(self, probes: Vectors) -> Vectors:
        """The inner product of each probe with each row: (Q, D) to float32, (Q, rows).

        With rows that are empty it is -inf.
        """
        found = np.empty((len(probes), self._rows), np.float32)
        for start, block in self._filled():
            np.matmul(probes, block, out=found[:, start : start + block.shape[1]])
        found[:, self._free] = -np.inf
        return found

    def best(self, probe: Vector, count: int) -> tuple[Rows, Vector]:
        """The rows with the largest inner products with a probe, (D,), the largest first.

        One pass over the vectors, exact up to the rounding of float32.

        Returns
        -------
        tuple
            At most `count` rows, and their products; none that is empty.
        """
        if self._rows > len(self._products):
            self._products = np.empty(len(self._blocks) * BLOCK_ROWS, np.float32)
        for start, block in self._filled():
            np.matmul(probe, block, out=self._products[start : start + block.shape[1]])
        self._products[self._free] = -np.inf
        rows, products = largest(self._products[None, : self._rows], count)
        filled = rows.shape[1] - int(np.isneginf(products).sum())
        return rows[0, :filled], products[0, :filled]

    def _new_row(self) -> int:
        if self._rows == len(self._blocks) * BLOCK_ROWS:
            self._blocks.append(np.zeros((self.dimension, BLOCK_ROWS), np.float32))
        self._rows += 1
        return self._rows - 1

    def _filled(self) -> Iterator[tuple[int, Vectors]]:
        """The row that each block starts with, and the block as far as it is used, (D, rows)."""
        for start, block in zip(range(0, self._rows, BLOCK_ROWS), self._blocks, strict=True):
            yield start, block[:, : self._rows - start]


def largest(values: Vectors, count: int) -> tuple[Rows, Vectors]:
    """Where the largest values of each row are, the largest first, and what they are.

    The best `count` values lie in the best `count` chunks by each chunk's best: so all values are
    read once, and few are sorted. Of equal values the first goes first; which of them are among the
    best where there is room for some only is left open.

    Parameters
    ----------
    values
        float32, (B, N).

    Returns
    -------
    tuple
        Places and values, (B, K), K the lesser of `count` and N.
    """
    rows, width = values.shape
    whole = width // _CHUNK * _CHUNK
    if whole <= count * _CHUNK:
        return _sorted(None, values, count)
    peaks = values[:, :whole].reshape(rows, whole // _CHUNK, _CHUNK).max(axis=2)
    chunks = np.argpartition(peaks, peaks.shape[1] - count, axis=1)[:, -count:]
    inside = (chunks[:, :, None] * _CHUNK + np.arange(_CHUNK)).reshape(rows, count * _CHUNK)
    rest = np.broadcast_to(np.arange(whole, width), (rows, width - whole))
    places = np.concatenate([inside, rest], axis=1)
    return _sorted(places, np.take_along_axis(values, places, axis=1), count)


def _sorted(places: Rows | None, values: Vectors, count: int) -> tuple[Rows, Vectors]:
    if values.shape[1] > count:
        kept = np.argpartition(values, values.shape[1] - count, axis=1)[:, -count:]
        values = np.take_along_axis(values, kept, axis=1)
        places = kept if places is None else np.take_along_axis(places, kept, axis=1)
    elif places is None:
        places = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    order = np.lexsort((places, -values), axis=1)
    return np.take_along_axis(places, order, axis=1), np.take_along_axis(values, order, axis=1)
