"""Who a face is: somebody in the gallery, somebody new, or not to be told.

First form. A match is accepted within the rule's threshold; otherwise a face of sufficient quality
founds a new person, and any other stays unidentifiable. A stranger's further faces become
references while there are few of them and where they add something; a named person's never do.
"""

from __future__ import annotations

from dataclasses import dataclass

from usher.domain.records import Confidence, Vector
from usher.identity.calibrate import Rule
from usher.identity.gallery import Gallery

REFERENCES_OF_A_STRANGER = 5
_ADDS_SOMETHING = 0.5
"""A face this share of the threshold away from the nearest reference shows another side."""


@dataclass(frozen=True, slots=True)
class Known:
    """The face is `person_id`'s."""

    person_id: str
    confidence: Confidence
    adds_something: bool


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Nobody in the gallery, and good enough to be recognised again."""


@dataclass(frozen=True, slots=True)
class Unidentifiable:
    """Nobody in the gallery, and too poor to found a person."""


Decision = Known | NewPerson | Unidentifiable


def decide(probe: Vector, *, acceptable: bool, gallery: Gallery, rule: Rule) -> Decision:
    """Decide who a face is.

    Parameters
    ----------
    probe
        The face's embedding: float32, shape (D,), of the gallery's model.
    acceptable
        Whether its quality allows it to found a person.
    """
    threshold = rule.threshold(len(gallery))
    match = gallery.nearest(probe)
    if match is not None and match.distance <= threshold:
        accepted = rule.strangers_accepted(match.distance, len(gallery))
        return Known(
            match.person_id,
            _band(accepted),
            adds_something=acceptable and match.distance > _ADDS_SOMETHING * threshold,
        )
    return NewPerson() if acceptable else Unidentifiable()


def _band(strangers_accepted: float) -> Confidence:
    """In words, how rarely a stranger would lie as close."""
    if strangers_accepted <= 1e-4:
        return Confidence.HIGH
    if strangers_accepted <= 2e-3:
        return Confidence.MEDIUM
    return Confidence.LOW
