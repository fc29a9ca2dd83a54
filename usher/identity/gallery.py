"""People in memory, and who of them a face stands out for.

Two kinds: `TemplateGallery` knows each person by the mean of their references and scores how far a
person stands out among the others; `NearestGallery` knows single references and takes the nearest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from usher.domain.records import Vector
from usher.identity.likest import Likest
from usher.identity.vectors import Rows, VectorIndex, Vectors

Scores = NDArray[np.float64]

WEIGHT = 0.2
"""Of the rivals and of the crowd in a score: a broad optimum on LFW's development people."""
RIVALS = 2
PLAIN = 0.82
"""The cosine that stands in for a rival where there are too few persons to have one."""
STEADINESS = 1 / 3
"""How much better several shots fit than each of them: 0 would be their mean score, 1 the score of
the direction of their mean. So the score that a given share of strangers reaches is about the same
for one shot and for several (docs/identity.md)."""
CANDIDATES = 8
"""As many of the nearest compete for a face."""
_BATCH = 4096
_LEAST = np.finfo(np.float64).tiny
_ROUNDING = 1e-6


class Reference(NamedTuple):
    """A vector of a person, and the id that it is dropped by."""

    id: str
    vector: Vector


class Match(NamedTuple):
    """The person whom a face fits best. A higher score is a better fit."""

    person_id: str
    score: float


class Gallery(Protocol):
    """People with references, who come and go."""

    def __len__(self) -> int:
        """How many people."""
        ...

    @property
    def references(self) -> int:
        """How many references all of them have."""
        ...

    def __iter__(self) -> Iterator[str]: ...

    def __contains__(self, person_id: object) -> bool: ...

    def put(self, person_id: str, references: Sequence[Reference]) -> None:
        """Know a person by these references, whatever they were known by before; by none: not."""
        ...

    def put_all(self, people: Mapping[str, Sequence[Reference]]) -> None:
        """The same for many, which is quicker where nothing is known of them."""
        ...

    def references_of(self, person_id: str) -> tuple[Reference, ...]: ...

    def best(
        self, probe: Vector, excluded: Collection[str] = (), *, spread: float = 0.0
    ) -> Match | None:
        """Whom a face fits best, but nobody who is `excluded`; None where there is nobody.

        `probe` and `spread` may be what `fused` says of several shots of it.
        """
        ...

    def fused(self, vectors: Vectors, weights: Scores) -> tuple[Vector, float]:
        """What several shots of one face are together: their weighted mean, and their spread.

        Parameters
        ----------
        vectors
            float32, (M, D).
        weights
            (M,), above 0.

        Returns
        -------
        tuple
            float32, (D,), and the mean squared distance from it; 0 for one shot.
        """
        ...

    def similarity(self, probe: Vector, person_id: str) -> float:
        """How close a face comes to a person, whoever else there is; higher is closer."""
        ...


# ---- Templates ----------------------------------------------------------------------------------


class TemplateGallery:
    """People by the direction of the mean of their references.

        score(x, p) = x.T_p - 0.2 rivals(x, p) - 0.2 crowd(p)

    `T_p` is the template of p, of length 1. The rivals of x are its two best persons other than p,
    the crowd of p the two persons most like p; each counts by its mean cosine. So who looks like
    others must fit better, and so must a face that fits many. The score that a given share of
    strangers reaches hardly depends on how many people there are: with more of them the rivals are
    better too.

    Vectors of any length are brought to the length 1, and handed out so. A score depends on the
    references alone, up to the last digits, not on the order in which they came.
    """

    def __init__(self) -> None:
        self._index = VectorIndex(0)
        self._likest = Likest(self._index)
        self._persons: list[str | None] = []
        self._rows: dict[str, int] = {}
        self._ids: dict[str, tuple[str, ...]] = {}
        # Of those who have several references: of the others the template is the one.
        self._several: dict[str, Vectors] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def references(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, person_id: object) -> bool:
        return person_id in self._rows

    def put(self, person_id: str, references: Sequence[Reference]) -> None:
        if references:
            self._place(person_id, references)
        else:
            self._remove(person_id)

    def put_all(self, people: Mapping[str, Sequence[Reference]]) -> None:
        new = [one for one, references in people.items() if references and one not in self._rows]
        for person_id in [one for one in people if one in self._rows]:
            self.put(person_id, people[person_id])
        for start in range(0, len(new), _BATCH):
            some = new[start : start + _BATCH]
            vectors, templates = _templates([people[person_id] for person_id in some])
            for person_id, own, row in zip(some, vectors, self._add_all(templates), strict=True):
                self._take(person_id, people[person_id], own, row)

    def references_of(self, person_id: str) -> tuple[Reference, ...]:
        ids = self._ids.get(person_id, ())
        if not ids:
            return ()
        vectors = self._several.get(person_id)
        if vectors is None:
            vectors = self._index.vectors(np.array([self._rows[person_id]]))
        return tuple(map(Reference, ids, vectors))

    def templates(self) -> Vectors:
        """Of everybody, in the order of iteration: float32, (N, D)."""
        return self._index.vectors(np.array(list(self._rows.values()), np.intp))

    def similarity(self, probe: Vector, person_id: str) -> float:
        """The cosine of a face with a person's template; -1 where there is no such person."""
        row = self._rows.get(person_id)
        if row is None:
            return -1.0
        return float(_exactly(self._index.vector(row)) @ _exactly(unit(probe)))

    def fused(self, vectors: Vectors, weights: Scores) -> tuple[Vector, float]:
        return _mean_and_spread(unit(vectors), weights)

    def best(
        self, probe: Vector, excluded: Collection[str] = (), *, spread: float = 0.0
    ) -> Match | None:
        """Whom a face stands out for most: only the eight nearest compete.

        One pass over the templates, and one more where somebody has changed since the last.
        Several shots score like a vector a little shorter than 1, the more they differ.
        """
        if not self._rows:
            return None
        probe = unit(probe)
        left_aside = {self._rows[one] for one in excluded if one in self._rows}
        rows, _ = self._index.best(probe, CANDIDATES + RIVALS + len(left_aside))
        if left_aside:
            rows = rows[[row not in left_aside for row in rows.tolist()]]
        if not len(rows):
            return None
        near = length_of(spread) * (_exactly(self._index.vectors(rows)) @ _exactly(probe))
        scores = near - WEIGHT * mean_of_best_others(near[None])[0]
        scores = scores[:CANDIDATES] - WEIGHT * self._crowd_cosines(rows[:CANDIDATES])
        ranked = zip((-scores).tolist(), (self._persons[row] for row in rows), strict=False)
        score, person_id = min((score, person) for score, person in ranked if person is not None)
        return Match(person_id, -score)

    def _crowd_cosines(self, rows: Rows) -> Scores:
        """The mean cosine of each with the two persons most like them: (K,)."""
        crowds = self._likest.two(rows)
        own = _exactly(self._index.vectors(rows))
        others = _exactly(self._index.vectors(crowds.ravel())).reshape(*crowds.shape, -1)
        cosines = np.einsum("kcd,kd->kc", others, own)
        return np.asarray(np.where(crowds < 0, PLAIN, cosines).mean(axis=1), np.float64)

    def _place(self, person_id: str, references: Sequence[Reference]) -> None:
        vectors = unit(np.stack([reference.vector for reference in references]))
        template = _direction(vectors)
        row = self._rows.get(person_id)
        if row is None:
            self._make_room(template)
            row = self._index.add(template)
        else:
            self._index.replace(row, template)
        self._take(person_id, references, vectors, row)

    def _add_all(self, templates: Vectors) -> range:
        self._make_room(templates[0])
        return self._index.add_all(templates)

    def _make_room(self, template: Vector) -> None:
        """Begin anew where there is nobody: these may be vectors of another model."""
        if not self._rows:
            self._index = VectorIndex(len(template))
            self._likest = Likest(self._index)
            self._persons = []

    def _take(
        self, person_id: str, references: Sequence[Reference], vectors: Vectors, row: int
    ) -> None:
        """Note whose a row is, and what stands for them."""
        self._count += len(references) - len(self._ids.get(person_id, ()))
        self._ids[person_id] = tuple(reference.id for reference in references)
        self._several.pop(person_id, None)
        if len(references) > 1:
            self._several[person_id] = vectors.copy()
        self._rows[person_id] = row
        if row == len(self._persons):
            self._persons.append(None)
        self._persons[row] = person_id
        self._likest.note(row)

    def _remove(self, person_id: str) -> None:
        row = self._rows.pop(person_id, None)
        if row is None:
            return
        self._index.remove(row)
        self._persons[row] = None
        self._likest.note(row, empty=True)
        self._count -= len(self._ids.pop(person_id))
        self._several.pop(person_id, None)


def length_of(spread: float) -> float:
    """How long the vector of several shots counts, of which each has the length 1."""
    return float(max(1 - spread, 0.0) ** ((1 - STEADINESS) / 2))


def _mean_and_spread(vectors: Vectors, weights: Scores) -> tuple[Vector, float]:
    if len(vectors) == 1:
        return vectors[0], 0.0
    exact, shares = _exactly(vectors), weights / weights.sum()
    mean = shares @ exact
    spread = float(shares @ np.square(exact - mean).sum(axis=1))
    return mean.astype(np.float32), spread


def mean_of_best_others(cosines: Scores) -> Scores:
    """For each entry of rows that descend, the mean of the two best others: (B, K) to (B, K).

    Entries of -inf are nobody; `PLAIN` stands in for who is missing.
    """
    rows, width = cosines.shape
    leaders = np.full((rows, RIVALS + 1), PLAIN)
    known = cosines[:, : RIVALS + 1]
    leaders[:, : known.shape[1]] = np.where(np.isneginf(known), PLAIN, known)
    total = leaders.sum(axis=1, keepdims=True)
    means = np.repeat((total - leaders[:, RIVALS:]) / RIVALS, width, axis=1)
    means[:, :RIVALS] = ((total - leaders[:, :RIVALS]) / RIVALS)[:, :width]
    return means


def unit(vectors: Vectors) -> Vectors:
    """Brought to the length 1, along the last axis; zeros stay, and what has it already."""
    exact = _exactly(vectors)
    lengths = np.sqrt(np.einsum("...d,...d->...", exact, exact))
    lengths = np.where(np.abs(lengths - 1) < _ROUNDING, 1, np.maximum(lengths, _LEAST))
    scaled: Vectors = (exact / lengths[..., None]).astype(np.float32)
    return scaled


def template_of(vectors: Vectors) -> Vector:
    """The direction of the mean of vectors, (K, D), each of which counts alike."""
    return _direction(unit(vectors))


def _direction(vectors: Vectors) -> Vector:
    """`template_of`, of vectors of length 1."""
    return vectors[0] if len(vectors) == 1 else unit(_exactly(vectors).sum(axis=0))


def _templates(people: Sequence[Sequence[Reference]]) -> tuple[list[Vectors], Vectors]:
    """Of each person the vectors, of length 1, and of all of them the templates, (P, D)."""
    counts = np.array([len(references) for references in people])
    vectors = unit(np.stack([one.vector for references in people for one in references]))
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(_exactly(vectors), starts, axis=0)
    own = [vectors[at : at + count] for at, count in zip(starts, counts, strict=True)]
    return own, np.where(counts[:, None] == 1, vectors[starts], unit(sums))


def _exactly(vectors: Vectors) -> Scores:
    """In float64: products of what float32 holds, without a further rounding."""
    return np.asarray(vectors, np.float64)


# ---- Single references --------------------------------------------------------------------------


class NearestGallery:
    """People by each of their references; a score is the negative Euclidean distance.

    A product with (v, -|v|²/2) is largest for the v nearest to x in (x, 1), so one exact search
    serves both kinds of gallery. Its rounding tells distances down to some thousandth of the
    vectors' lengths.
    """

    def __init__(self) -> None:
        self._index = VectorIndex(0)
        self._owners: dict[int, str] = {}
        self._rows: dict[str, list[int]] = {}
        self._ids: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def references(self) -> int:
        return len(self._owners)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, person_id: object) -> bool:
        return person_id in self._rows

    def put(self, person_id: str, references: Sequence[Reference]) -> None:
        for row in self._rows.pop(person_id, ()):
            self._index.remove(row)
            del self._owners[row]
        self._ids.pop(person_id, None)
        if references:
            self._ids[person_id] = tuple(reference.id for reference in references)
            self._rows[person_id] = [self._add(person_id, one.vector) for one in references]

    def put_all(self, people: Mapping[str, Sequence[Reference]]) -> None:
        for person_id, references in people.items():
            self.put(person_id, references)

    def references_of(self, person_id: str) -> tuple[Reference, ...]:
        rows = np.array(self._rows.get(person_id, ()), np.intp)
        vectors = self._index.vectors(rows)[:, :-1]
        return tuple(map(Reference, self._ids.get(person_id, ()), vectors))

    def fused(self, vectors: Vectors, weights: Scores) -> tuple[Vector, float]:
        return _mean_and_spread(vectors, weights)

    def best(
        self, probe: Vector, excluded: Collection[str] = (), *, spread: float = 0.0
    ) -> Match | None:
        """The person of the nearest reference; several shots count as farther, the more they
        differ."""
        if not self._owners:
            return None
        left_aside = sum(len(self._rows.get(one, ())) for one in excluded)
        rows, _ = self._index.best(np.append(probe, np.float32(1)), CANDIDATES + left_aside)
        scored = [
            Match(self._owners[row], -_distance(self._index.vector(row)[:-1], probe, spread))
            for row in rows.tolist()
            if self._owners[row] not in excluded
        ]
        return min(scored, key=lambda match: (-match.score, match.person_id), default=None)

    def similarity(self, probe: Vector, person_id: str) -> float:
        """The negative distance to a person's nearest reference; -inf where there is none."""
        references = self.references_of(person_id)
        return max((-_distance(one.vector, probe) for one in references), default=-np.inf)

    def _add(self, person_id: str, vector: Vector) -> int:
        if not self._owners:
            self._index = VectorIndex(len(vector) + 1)
        row = self._index.add(np.append(vector, np.float32(-(vector @ vector) / 2)))
        self._owners[row] = person_id
        return row


def _distance(one: Vector, other: Vector, spread: float = 0.0) -> float:
    squared = np.square(_exactly(one) - other).sum() + (1 - STEADINESS) * spread
    return float(np.sqrt(squared))
