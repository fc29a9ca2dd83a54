"""Strangers looked at again: faces that stand better elsewhere, and persons who are one.

A round decides every face anew with itself taken out, all at once, so that their order does not
matter; then merges persons who are each other's best, until there are none. It stops when a round
changes nothing.

Persons who were told apart are so by the faces that they had at first: wherever those go, they
never come together, nor by way of a third.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import chain, product

import numpy as np
from numpy.typing import NDArray

from usher.identity.crowd import Crowd, blocks
from usher.identity.gallery import unit
from usher.identity.vectors import Rows, Vectors

_ROUNDS = 3
_MOST_MERGES = 20
_MARGIN = 0.02
"""By so much a face may fall short of its person and stay: scores vary so with who else is there,
and it would go and come back at every look."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Faces of strangers, and whose each is.

    Attributes
    ----------
    faces
        float32, (M, D), of length 1; of several shots of a track a little shorter.
    persons
        (M,), numbers of persons, the older the lower.
    pinned
        (M,): what a person has confirmed. Such a face stays, and two persons who have some are
        never merged.
    active
        (M,): the faces to look at again; the others go only where all of their person goes.
    apart
        Pairs of numbers, either way round, that a person has told apart.
    """

    faces: Vectors
    persons: Rows
    pinned: Flags
    active: Flags
    apart: Collection[tuple[int, int]] = ()


def consolidate(sightings: Sightings, *, link: float, merge: float) -> Rows:
    """Whose each face is after another look.

    Parameters
    ----------
    link
        The score at which a face is a person's.
    merge
        The score at which two persons are one; stricter, since templates of many faces lie closer
        and a wrong merge drags many faces.

    Returns
    -------
    array
        (M,): numbers as in `persons`, and numbers beyond them for faces that stand alone now. Two
        persons who are one have the older one's number, or that of the one who has pinned faces.
    """
    apart = _Apart(sightings)
    for _ in range(_ROUNDS):
        before = sightings.persons
        decided = _that_hold(sightings, _decided_again(sightings, link))
        decided = apart.but_not_together(before, decided)
        sightings = replace(sightings, persons=decided)
        sightings = replace(sightings, persons=_merged(sightings, merge, apart))
        if _same_partition(before, sightings.persons):
            break
    return sightings.persons


class _Apart:
    """Who was told apart, by the faces that they had."""

    def __init__(self, sightings: Sightings) -> None:
        self._pairs = [pair for pair in sightings.apart if pair[0] != pair[1]]
        numbers = set(chain.from_iterable(self._pairs))
        self._faces = {number: np.flatnonzero(sightings.persons == number) for number in numbers}
        self._anybodys = np.isin(sightings.persons, list(numbers))

    def pairs(self, persons: Rows) -> set[frozenset[int]]:
        """The pairs of persons, as they are now, who have faces of two told apart."""
        now = {number: set(persons[rows].tolist()) for number, rows in self._faces.items()}
        return {
            frozenset(pair) for one, other in self._pairs for pair in product(now[one], now[other])
        }

    def but_not_together(self, before: Rows, after: Rows) -> Rows:
        """Moves that would bring faces of such persons together do not happen."""
        while mixed := [one for one, *others in self.pairs(after) if not others]:
            back = np.isin(after, mixed) & self._anybodys
            after = np.where(back, before, after)
        return after


def _decided_again(sightings: Sightings, link: float) -> Rows:
    """Every active face against everybody, itself taken out of its own person.

    A face alone may join a person of several faces here; two alone are for merging. Where a face
    goes is closer than where it was, so that it does not go to and fro for ever.
    """
    numbers, places = np.unique(sightings.persons, return_inverse=True)
    sums, counts = _sums(sightings.faces, places)
    crowd = Crowd([str(number) for number in numbers], unit(sums))
    rows = np.flatnonzero(sightings.active & ~sightings.pinned)
    decided = sightings.persons.copy()
    beyond = int(numbers.max(initial=-1)) + 1
    for part in blocks(len(rows), len(numbers)):
        some = rows[part]
        near = _cosines(sightings.faces[some], places[some], sums, crowd)
        best, scores = crowd.standing(near)
        fits = scores >= link
        every = np.arange(len(some))
        closer = near[every, best] > near[every, places[some]]
        alone = counts[places[some]] == 1
        stays = alone | (scores >= link - _MARGIN)
        leaves = np.where(fits, closer & (~alone | (counts[best] > 1)), ~stays)
        elsewhere = np.where(fits, numbers[best], beyond + some)
        decided[some] = np.where(leaves, elsewhere, decided[some])
    return decided


def _that_hold(sightings: Sightings, decided: Rows) -> Rows:
    """Only moves that bring a face closer when all others have moved too.

    Two faces that are drawn to each other would change places at every look.
    """
    moved = np.flatnonzero(decided != sightings.persons)
    numbers, places = np.unique(decided, return_inverse=True)
    sums, counts = _sums(sightings.faces, places)
    left = np.searchsorted(numbers, sightings.persons[moved])
    is_left = left < len(numbers)
    is_left[is_left] = numbers[left[is_left]] == sightings.persons[moved][is_left]
    is_left &= counts[places[moved]] > 1  # what stands alone has left whom it does not fit
    moved, left = moved[is_left], left[is_left]
    faces = sightings.faces[moved]
    there = np.einsum("md,md->m", faces, unit(sums[places[moved]] - faces))
    back = np.einsum("md,md->m", faces, unit(sums[left]))
    held = decided.copy()
    held[moved] = np.where(there > back, decided[moved], sightings.persons[moved])
    return held


def _cosines(faces: Vectors, own: Rows, sums: Vectors, crowd: Crowd) -> Vectors:
    """Of each face with every template, its own person's made of the others; -inf where alone."""
    near = faces @ crowd.templates.T
    rest = sums[own] - faces
    lengths = np.linalg.norm(rest, axis=1)
    alone = lengths < 1e-3
    cosines = np.einsum("md,md->m", faces, rest) / np.where(alone, 1, lengths)
    near[np.arange(len(faces)), own] = np.where(alone, -np.inf, cosines)
    return near


def _merged(sightings: Sightings, merge: float, apart: _Apart) -> Rows:
    """Persons who are each other's best are one, until there are none."""
    persons = sightings.persons
    for _ in range(_MOST_MERGES):
        numbers, places = np.unique(persons, return_inverse=True)
        into = _pairs(sightings, numbers, places, merge, apart.pairs(persons))
        if (into == np.arange(len(numbers))).all():
            break
        persons = numbers[into][places]
    return persons


def _pairs(
    sightings: Sightings,
    numbers: Rows,
    places: Rows,
    merge: float,
    apart: Collection[frozenset[int]],
) -> Rows:
    """For each person by place the one to merge into, or the person itself."""
    sums, _ = _sums(sightings.faces, places)
    names = [str(number) for number in numbers]
    crowd = Crowd(names, unit(sums))
    held = np.zeros(len(numbers), np.bool_)
    held[places[sightings.pinned]] = True
    active = np.zeros(len(numbers), np.bool_)
    active[places[sightings.active]] = True
    into = np.arange(len(numbers))
    best, scores = np.full(len(numbers), -1, np.intp), np.full(len(numbers), -np.inf)
    some = np.flatnonzero(active)
    for _ in range(2):  # who is active, and who is best for them
        best[some], scores[some] = crowd.stand_outs(
            crowd.templates[some], without=[names[place] for place in some]
        )
        some = np.setdiff1d(best[some], [-1, *np.flatnonzero(active)])
    mutual = (best >= 0) & (best[best] == into) & (scores >= merge) & ~(held & held[best])
    mutual &= best > into
    for older, younger in zip(np.flatnonzero(mutual), best[mutual], strict=True):
        if frozenset((int(numbers[older]), int(numbers[younger]))) not in apart:
            stays, goes = (younger, older) if held[younger] else (older, younger)
            into[goes] = stays
    return into


def _sums(faces: Vectors, places: Rows) -> tuple[Vectors, Rows]:
    """Of each person the sum of the faces, (P, D), and how many they are, (P,)."""
    order = np.argsort(places, kind="stable")
    counts = np.bincount(places)
    starts = np.cumsum(counts) - counts
    sums = np.add.reduceat(faces[order].astype(np.float64), starts, axis=0)
    return sums.astype(np.float32), counts


def _same_partition(one: Rows, other: Rows) -> bool:
    pairs = np.unique(np.stack([one, other]), axis=1).shape[1]
    return bool(pairs == len(np.unique(one)) == len(np.unique(other)))
