"""Two models on the site's own confirmed faces: whom each misses, and whom it takes for another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from usher.domain.impostors import ImpostorDistances
from usher.identity.assess import wilson
from usher.identity.gallery import Gallery, Reference
from usher.identity.rules import Rule, make_rule
from usher.identity.vectors import Vectors
from usher.settings import Settings


@dataclass(frozen=True, slots=True)
class Share:
    """A count of a total."""

    count: int
    total: int

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95% interval, as if the total were independent; 0 to 1 of nothing."""
        return wilson(self.count, self.total) if self.total else (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Errors:
    """What one model gets wrong, deciding as it would if it served.

    Attributes
    ----------
    missed
        References that would not be called by their person's name if they were not enrolled, of
        those whose person has another.
    accepted
        References that would be called by somebody else's name if their own person were not
        enrolled, of all.
    """

    missed: Share
    accepted: Share


def rule_of(settings: Settings, model: str, impostors: ImpostorDistances | None) -> Rule:
    """The settings' rule for a model.

    Raises
    ------
    ConfigurationError
        If nobody has measured how close strangers come by that model.
    """
    return make_rule(
        settings.identity_rule,
        model=model,
        impostors=impostors,
        budget=settings.identity_budget,
        fixed_distance=settings.identity_fixed_distance,
    )


def count_errors(vectors: Vectors, person_ids: Sequence[str], rule: Rule) -> Errors:
    """Take out each reference, and each person, and see whom the others say it is.

    Parameters
    ----------
    vectors
        float32, (N, D).
    person_ids
        Whose each is.
    """
    people = defaultdict[str, list[Reference]](list)
    for number, (person_id, vector) in enumerate(zip(person_ids, vectors, strict=True)):
        people[person_id].append(Reference(str(number), vector))
    gallery = rule.make_gallery()
    for person_id, references in people.items():
        gallery.put(person_id, references)
    threshold = rule.calibrate(gallery).threshold
    missed = mated = accepted = 0
    for person_id, references in people.items():
        if len(references) > 1:
            mated += len(references)
            missed += _missed(gallery, person_id, references, threshold)
        accepted += _accepted(gallery, person_id, references, threshold)
    return Errors(Share(missed, mated), Share(accepted, len(vectors)))


def _missed(
    gallery: Gallery, person_id: str, references: Sequence[Reference], threshold: float
) -> int:
    missed = 0
    for reference in references:
        gallery.put(person_id, [other for other in references if other is not reference])
        match = gallery.best(reference.vector)
        missed += match is None or match.person_id != person_id or match.score < threshold
    gallery.put(person_id, references)
    return missed


def _accepted(
    gallery: Gallery, person_id: str, references: Sequence[Reference], threshold: float
) -> int:
    gallery.put(person_id, ())
    matches = [gallery.best(reference.vector) for reference in references]
    gallery.put(person_id, references)
    return sum(match is not None and match.score >= threshold for match in matches)
