"""The references of every person, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from usher.domain.records import Face, Vector

_ROUNDING = 1e-4
"""Bounds what float32 loses in a squared distance, as a share of the vectors' squared lengths."""


class Match(NamedTuple):
    """The reference nearest to a probe. A lower distance is closer."""

    person_id: str
    distance: float


class Gallery:
    """Vectors of one model and whose they are; exact nearest neighbour by Euclidean distance.

    Parameters
    ----------
    model
        The id of the model whose vectors are compared here. Faces of others are left out.
    """

    def __init__(self, model: str, faces: Iterable[Face] = ()) -> None:
        self.model = model
        kept = [face for face in faces if face.embedding.model == model]
        self._person_ids = [face.person_id for face in kept]
        self._counts = Counter(self._person_ids)
        self._vectors: NDArray[np.float32] = (
            np.stack([face.embedding.vector for face in kept])
            if kept
            else np.empty((0, 0), dtype=np.float32)
        )
        self._squares = np.einsum("nd,nd->n", self._vectors, self._vectors)

    def __len__(self) -> int:
        return len(self._person_ids)

    def add(self, person_id: str, vector: Vector) -> None:
        """Add one reference. The room doubles when it is full, so adding stays cheap."""
        used = len(self._person_ids)
        if used == len(self._vectors):
            self._make_room(len(vector))
        self._vectors[used] = vector
        self._squares[used] = vector @ vector
        self._person_ids.append(person_id)
        self._counts[person_id] += 1

    def references_of(self, person_id: str) -> int:
        """How many references a person has here."""
        return self._counts[person_id]

    def nearest(self, probe: Vector) -> Match | None:
        """The nearest reference to a probe of shape (D,), or None where there is none.

        A matrix times a vector finds all that may be nearest, up to rounding; among these few the
        distances are computed as they are defined.
        """
        used = len(self._person_ids)
        if not used:
            return None
        length = probe @ probe
        squared = self._squares[:used] - 2 * (self._vectors[:used] @ probe) + length
        least = squared.min()
        near = np.flatnonzero(squared <= least + _ROUNDING * (length + abs(least)))
        distances = np.linalg.norm(self._vectors[near] - probe, axis=1)
        best = int(distances.argmin())
        return Match(self._person_ids[near[best]], float(distances[best]))

    def _make_room(self, dimension: int) -> None:
        used = len(self._person_ids)
        room = max(64, 2 * used)
        vectors = np.zeros((room, dimension), dtype=np.float32)
        squares = np.zeros(room, dtype=np.float32)
        if used:
            vectors[:used], squares[:used] = self._vectors[:used], self._squares[:used]
        self._vectors, self._squares = vectors, squares


class Galleries:
    """Everybody's references: of those whom a manager has decided about, and of strangers.

    They are kept apart because a name goes first: a stranger's gallery grows by itself, and would
    otherwise draw the faces of somebody named who has one photograph.

    Parameters
    ----------
    model
        The id of the model whose vectors are compared here.
    strangers
        The ids of the persons who are unknown.
    """

    def __init__(
        self, model: str, faces: Iterable[Face] = (), strangers: Collection[str] = frozenset()
    ) -> None:
        faces = list(faces)
        self.model = model
        self.settled = Gallery(model, (f for f in faces if f.person_id not in strangers))
        self.strangers = Gallery(model, (f for f in faces if f.person_id in strangers))
