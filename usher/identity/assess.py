"""How well a site's own faces are told apart, estimated from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usher.identity.calibrate import left_out
from usher.identity.crowd import Crowd
from usher.identity.decide import Identifier
from usher.identity.gallery import TemplateGallery, template_of, unit
from usher.identity.vectors import Vectors

FEW_REFERENCES = 3
_FEWEST_SAMPLES = 20
_MOST_PERSONS = 500
_MOST_COMPARED = 5000
_MOST_PAIRS = 20
_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share, with Wilson's interval that holds it with 95%, from so many samples."""

    share: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Two persons, and the score that one's template has for the other."""

    one: str
    other: str
    score: float


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A reference that does not fit its person, and whom it fits better, if anybody."""

    person_id: str
    reference_id: str
    closer_to: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the faces of those who are known say about the decisions.

    Attributes
    ----------
    fpir
        The share of strangers called by a name: of known persons, each taken out in turn. None
        where they are too few.
    fnir
        The share of known people's faces not called by theirs: of references, each taken out of its
        person, who has others. One reference fewer, and photographs chosen for enrolment: an
        estimate, which may err either way.
    """

    fpir: Estimate | None
    fnir: Estimate | None
    look_alikes: tuple[LookAlike, ...] = ()
    doubtful: tuple[Doubtful, ...] = ()


def assess(identifier: Identifier) -> Assessment:
    """Assess the decisions about those who are settled now.

    Of large galleries a part is looked at, evenly spread. With a rule that knows no templates there
    is nothing to tell.
    """
    gallery = identifier.settled
    if not isinstance(gallery, TemplateGallery) or len(gallery) < 2:
        return Assessment(fpir=None, fnir=None)
    threshold = identifier.calibration.threshold
    crowd = Crowd.of(gallery)
    own, best, scores = _taken_out(gallery, crowd)
    missed = [
        best_id != person_id or score < threshold
        for (person_id, _), best_id, score in zip(own, best, scores, strict=True)
    ]
    return Assessment(
        fpir=_fpir(gallery, threshold),
        fnir=estimate(sum(missed), len(missed)),
        look_alikes=_look_alikes(crowd, threshold),
        doubtful=_doubtful(own, best, scores, identifier.calibration.review),
    )


def estimate(events: float, samples: int) -> Estimate | None:
    """A share with its interval; None where the samples are too few to tell."""
    if samples < _FEWEST_SAMPLES:
        return None
    return Estimate(events / samples, *wilson(events, samples), samples)


def wilson(events: float, samples: int) -> tuple[float, float]:
    """Wilson's 95% interval of a share, of one sample or more."""
    share, z = events / samples, _Z_95**2 / samples
    centre = share + z / 2
    half = _Z_95 * math.sqrt(share * (1 - share) / samples + z / samples / 4)
    return max((centre - half) / (1 + z), 0.0), min((centre + half) / (1 + z), 1.0)


def _fpir(gallery: TemplateGallery, threshold: float) -> Estimate | None:
    scores, weights, persons = left_out(gallery)
    return estimate(float(weights[scores >= threshold].sum()), persons)


def _taken_out(
    gallery: TemplateGallery, crowd: Crowd
) -> tuple[list[tuple[str, str]], list[str], NDArray[np.float64]]:
    """Each reference of a person who has others, against everybody, itself taken out."""
    places = {person_id: place for place, person_id in enumerate(crowd.persons)}
    several = [one for one in sorted(gallery) if len(gallery.references_of(one)) > 1]
    chosen = several[:: math.ceil(len(several) / _MOST_PERSONS) or 1]
    own: list[tuple[str, str]] = []
    faces: list[Vectors] = []
    rests: list[Vectors] = []
    for person_id in chosen:
        references = gallery.references_of(person_id)
        vectors = np.stack([reference.vector for reference in references])
        for row, reference in enumerate(references):
            own.append((person_id, reference.id))
            faces.append(unit(vectors[row]))
            rests.append(template_of(np.delete(vectors, row, axis=0)))
    if not own:
        return [], [], np.empty(0)
    near = np.stack(faces) @ crowd.templates.T
    columns = [places[person_id] for person_id, _ in own]
    near[np.arange(len(own)), columns] = np.einsum("md,md->m", np.stack(faces), np.stack(rests))
    best, scores = crowd.standing(near)
    return own, [crowd.persons[place] for place in best], scores


def _doubtful(
    own: Sequence[tuple[str, str]],
    best: Sequence[str],
    scores: NDArray[np.float64],
    review: float,
) -> tuple[Doubtful, ...]:
    """References that fit somebody else well enough to be asked about, or nobody at all."""
    found = []
    for (person_id, reference_id), best_id, score in zip(own, best, scores.tolist(), strict=True):
        if best_id != person_id:
            closer_to = best_id if score >= review else None
            found.append((score, Doubtful(person_id, reference_id, closer_to)))
        elif score < review:
            found.append((-score, Doubtful(person_id, reference_id, None)))
    found.sort(key=lambda item: (-item[0], item[1].person_id, item[1].reference_id))
    return tuple(doubtful for _, doubtful in found)


def _look_alikes(crowd: Crowd, threshold: float) -> tuple[LookAlike, ...]:
    """Pairs of whom one, were they a stranger, would be called by the other's name."""
    chosen = range(0, len(crowd.persons), math.ceil(len(crowd.persons) / _MOST_COMPARED))
    some = [crowd.persons[place] for place in chosen]
    best, scores = crowd.stand_outs(crowd.templates[list(chosen)], without=some)
    pairs: dict[tuple[int, int], float] = {}
    for place, other, score in zip(chosen, best.tolist(), scores.tolist(), strict=True):
        if score >= threshold:
            pair = (min(place, other), max(place, other))
            pairs[pair] = max(score, pairs.get(pair, score))
    ranked = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PAIRS]
    return tuple(
        LookAlike(crowd.persons[one], crowd.persons[other], score) for (one, other), score in ranked
    )
