"""Many faces against everybody at once: the score of `TemplateGallery` in the form of matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from usher.identity.gallery import (
    CANDIDATES,
    PLAIN,
    RIVALS,
    WEIGHT,
    Scores,
    TemplateGallery,
    mean_of_best_others,
    unit,
)
from usher.identity.vectors import Rows, Vectors, largest

_BLOCK_CELLS = 1 << 24
"""So many cosines are held at a time, 64 MB."""


class Crowd:
    """Everybody at a moment. Who is most like whom is found out where it is asked for.

    Parameters
    ----------
    persons
        Their ids, (N,).
    templates
        float32, (N, D), of length 1.
    """

    def __init__(self, persons: Sequence[str], templates: Vectors) -> None:
        self.persons = tuple(persons)
        self.templates = templates
        # The three most like each, the likest first; -1 and PLAIN where there are fewer.
        self._likest = np.full((len(templates), RIVALS + 1), -1, np.intp)
        self._cosines = np.full((len(templates), RIVALS + 1), PLAIN)
        self._found = np.zeros(len(templates), np.bool_)

    @classmethod
    def of(cls, gallery: TemplateGallery) -> Crowd:
        """The people of a gallery."""
        return cls(tuple(gallery), gallery.templates())

    def stand_outs(
        self, faces: Vectors, *, without: Sequence[str] | None = None
    ) -> tuple[Rows, Scores]:
        """For each face whom it stands out for most, and the score.

        Parameters
        ----------
        faces
            float32, (M, D).
        without
            For each face a person who counts as not there: neither for the face nor among the
            likest of the others.

        Returns
        -------
        tuple
            Places in `persons`, (M,), and float64 scores, (M,); -1 and -inf where there is nobody.
        """
        places = {person: place for place, person in enumerate(self.persons)}
        gone = None if without is None else np.array([places[one] for one in without], np.intp)
        best, scores = np.full(len(faces), -1, np.intp), np.full(len(faces), -np.inf)
        for rows in blocks(len(faces), len(self.persons)):
            near = unit(faces[rows]) @ self.templates.T
            out = None if gone is None else gone[rows]
            if out is not None:
                near[np.arange(len(near)), out] = -np.inf
            best[rows], scores[rows] = self.standing(near, out)
        return best, scores

    def standing(self, near: Vectors, gone: Rows | None = None) -> tuple[Rows, Scores]:
        """Who stands out, from cosines: (B, N), -inf for nobody; `gone` as `without` by place."""
        if not near.shape[1]:
            return np.full(len(near), -1, np.intp), np.full(len(near), -np.inf)
        places, values = largest(near, CANDIDATES + RIVALS)
        cosines = values.astype(np.float64)
        rivals = mean_of_best_others(cosines)
        scores = cosines - WEIGHT * (rivals + self._crowd_of(places, gone))
        scores[:, CANDIDATES:] = -np.inf
        winners = scores.argmax(axis=1)
        rows = np.arange(len(near))
        found = scores[rows, winners]
        return np.where(np.isneginf(found), -1, places[rows, winners]), found

    def _crowd_of(self, places: Rows, gone: Rows | None) -> Scores:
        """The mean cosine of those persons, (B, K), with the two likest that are not gone."""
        self._find_likest(np.unique(places))
        cosines = self._cosines[places]
        means = cosines[:, :, :RIVALS].mean(axis=2)
        if gone is None:
            return np.asarray(means, np.float64)
        absent = self._likest[places] == gone[:, None, None]
        among = absent[:, :, :RIVALS].any(axis=2)
        others = (cosines.sum(axis=2) - (cosines * absent).sum(axis=2)) / RIVALS
        return np.asarray(np.where(among, others, means), np.float64)

    def _find_likest(self, places: Rows) -> None:
        missing = places[~self._found[places]]
        for part in blocks(len(missing), len(self.templates)):
            some = missing[part]
            near = self.templates[some] @ self.templates.T
            near[np.arange(len(some)), some] = -np.inf
            likest, cosines = largest(near, RIVALS + 1)
            nobody = np.isneginf(cosines)
            self._likest[some, : likest.shape[1]] = np.where(nobody, -1, likest)
            self._cosines[some, : likest.shape[1]] = np.where(nobody, PLAIN, cosines)
        self._found[missing] = True


def blocks(rows: int, width: int) -> Iterator[slice]:
    size = max(1, min(4096, _BLOCK_CELLS // max(width, 1)))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))
