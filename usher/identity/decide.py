"""Who a face is: somebody in the gallery, somebody new, or not to be told.

First form. The persons whom a manager has named or set aside come first: a face within the rule's
threshold of one of their references is theirs. Otherwise it may be a stranger's seen before, by
the same rule over the strangers' references. Otherwise a face of sufficient quality founds a new
person, and any other stays unidentifiable. A stranger's further faces become references while
there are few of them and where they add something; a named person's never do.
"""

from __future__ import annotations

from dataclasses import dataclass

from usher.domain.records import Confidence, Vector
from usher.identity.calibrate import Rule
from usher.identity.gallery import Galleries

REFERENCES_OF_A_STRANGER = 5
_ADDS_SOMETHING = 0.5
"""A face this share of the threshold away from the nearest reference shows another side."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """The face is `person_id`'s. `becomes_reference` says that it should be kept as one."""

    person_id: str
    confidence: Confidence
    becomes_reference: bool = False


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Nobody in the gallery, and good enough to be recognised again."""


@dataclass(frozen=True, slots=True)
class Unidentifiable:
    """Nobody in the gallery, and too poor to found a person."""


Decision = Recognised | NewPerson | Unidentifiable


def decide(probe: Vector, *, acceptable: bool, galleries: Galleries, rule: Rule) -> Decision:
    """Decide who a face is.

    Parameters
    ----------
    probe
        The face's embedding: float32, shape (D,), of the galleries' model.
    acceptable
        Whether its quality allows it to found a person.
    """
    for gallery in (galleries.settled, galleries.strangers):
        threshold = rule.threshold(len(gallery))
        match = gallery.nearest(probe)
        if match is None or match.distance > threshold:
            continue
        accepted = rule.strangers_accepted(match.distance, len(gallery))
        adds_something = acceptable and match.distance > _ADDS_SOMETHING * threshold
        few = gallery.references_of(match.person_id) < REFERENCES_OF_A_STRANGER
        wanted = gallery is galleries.strangers and adds_something and few
        return Recognised(match.person_id, _band(accepted), wanted)
    return NewPerson() if acceptable else Unidentifiable()


def _band(strangers_accepted: float) -> Confidence:
    """In words, how rarely a stranger would lie as close."""
    if strangers_accepted <= 1e-4:
        return Confidence.HIGH
    if strangers_accepted <= 2e-3:
        return Confidence.MEDIUM
    return Confidence.LOW
