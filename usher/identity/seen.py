"""Every face that was seen, in memory, to be searched by one of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from usher.domain.records import Vector
from usher.identity.vectors import VectorIndex, Vectors

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class SeenFace:
    """A detection's vector, float32, (D,), and where and when it was seen."""

    id: str
    vector: Vector
    camera_id: str
    captured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which of the faces are looked through; None leaves a field open, `until` is exclusive."""

    camera_ids: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None


class Likeness(NamedTuple):
    """A detection, and its Euclidean distance from the face that was asked for."""

    id: str
    distance: float


class SeenFaces:
    """Exact search among vectors of one model, of any length.

    A product with (v, -|v|²/2) is largest for the v nearest to x in (x, 1). Its rounding tells
    distances down to some thousandth of the vectors' lengths.

    Parameters
    ----------
    dimension
        How many numbers a vector has.
    """

    def __init__(self, dimension: int) -> None:
        self._index = VectorIndex(dimension + 1)
        self._rows: dict[str, int] = {}
        self._ids: list[str | None] = []
        self._cameras: dict[str, int] = {}
        self._camera = np.empty(0, np.int32)
        self._captured_ms = np.empty(0, np.int64)
        self._filled = np.empty(0, np.bool_)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, detection_id: object) -> bool:
        return detection_id in self._rows

    def add_all(self, faces: Sequence[SeenFace]) -> None:
        """Take in faces; those that are known already stay as they are."""
        new = [face for face in faces if face.id not in self._rows]
        if not new:
            return
        rows = self._index.add_all(_lifted(np.stack([face.vector for face in new])))
        self._make_room(rows.stop)
        for row, face in zip(rows, new, strict=True):
            self._rows[face.id] = row
            self._ids.append(face.id)
            self._camera[row] = self._cameras.setdefault(face.camera_id, len(self._cameras))
            self._captured_ms[row] = _ms(face.captured_at)
            self._filled[row] = True

    def forget(self, detection_ids: Iterable[str]) -> None:
        """Let faces go. Nothing of their vectors stays."""
        for detection_id in detection_ids:
            row = self._rows.pop(detection_id, None)
            if row is not None:
                self._index.vector(row)[:] = 0
                self._ids[row], self._filled[row] = None, False

    def likest(self, probe: Vector, farthest: float, scope: Scope) -> tuple[list[Likeness], int]:
        """The faces that lie no farther from one than a distance, the nearest first.

        One pass over all vectors, exact up to the rounding of float32. Of faces that are equally
        near the one that was taken in first goes first.

        Returns
        -------
        tuple
            All of them, and among how many they were looked for.
        """
        rows = np.flatnonzero(self._inside(scope))
        (products,) = self._index.products(np.append(probe, np.float32(1))[None])
        squares = float(probe @ probe) - 2 * products[rows].astype(np.float64)
        distances = np.sqrt(np.maximum(squares, 0))
        near = np.flatnonzero(distances <= farthest)
        near = near[np.argsort(distances[near], kind="stable")]
        named = zip(rows[near].tolist(), distances[near].tolist(), strict=True)
        return [Likeness(id_, far) for row, far in named if (id_ := self._ids[row])], len(rows)

    def _inside(self, scope: Scope) -> NDArray[np.bool_]:
        """Which rows are somebody's, and within the scope: (rows,)."""
        rows = len(self._ids)
        inside = self._filled[:rows].copy()
        captured_ms = self._captured_ms[:rows]
        if scope.camera_ids is not None:
            inside &= np.isin(self._camera[:rows], self._codes(scope.camera_ids))
        if scope.since is not None:
            inside &= captured_ms >= _ms(scope.since)
        if scope.until is not None:
            inside &= captured_ms < _ms(scope.until)
        return inside

    def _codes(self, camera_ids: Collection[str]) -> list[int]:
        return [self._cameras[one] for one in camera_ids if one in self._cameras]

    def _make_room(self, rows: int) -> None:
        more = rows - len(self._camera)
        if more <= 0:
            return
        more = max(more, len(self._camera) // 2)
        self._camera = np.concatenate([self._camera, np.zeros(more, np.int32)])
        self._captured_ms = np.concatenate([self._captured_ms, np.zeros(more, np.int64)])
        self._filled = np.concatenate([self._filled, np.zeros(more, np.bool_)])


def _lifted(vectors: Vectors) -> Vectors:
    """With -|v|²/2 beside each: (N, D) to (N, D + 1)."""
    halves = -np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64) / 2
    return np.concatenate([vectors, halves[:, None].astype(np.float32)], axis=1)


def _ms(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds() * 1000)
