"""What a batch of decisions has come to so far: whose everything is, and what is to be written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from usher.domain.identifiers import new_person_id
from usher.domain.records import Detection, Embedding, Vector
from usher.identity.decide import REFERENCES_OF_A_STRANGER, Identifier
from usher.identity.gallery import Reference
from usher.storage.assignments import Assignment


class Ledger:
    """Keeps decisions, the newest of each detection, and lets the identifier learn them.

    Parameters
    ----------
    identifier
        Knows everybody as of before the batch.

    Attributes
    ----------
    touched
        Whom the identifier has learnt about.
    doubtful
        Who has lost something or became another: what the identifier knows of them is good enough
        for the rest of the batch, and is to be read again after it.
    merges
        Strangers who turned out to be another, as pairs of who stays and who goes.
    """

    def __init__(self, identifier: Identifier) -> None:
        self.touched: set[str] = set()
        self.doubtful: set[str] = set()
        self.merges: list[tuple[str, str]] = []
        self._identifier = identifier
        self._founded: set[str] = set()
        self._new: dict[str, Assignment] = {}
        self._finished: dict[str, Assignment] = {}
        self._became: dict[str, str] = {}

    def owner_of(self, detection: Detection) -> str | None:
        """Whose a detection is by now."""
        decided = self._new.get(detection.id) or self._finished.get(detection.id)
        if decided is not None:
            return decided.person_id
        return self._now(detection.person_id)

    def is_said(self, detection: Detection) -> bool:
        """Whether a person has said whose it is."""
        return is_said(self._identifier, detection, self.owner_of(detection))

    def found(self) -> str:
        """The id of a new stranger."""
        person_id = new_person_id()
        self._founded.add(person_id)
        return person_id

    def decided(self, assignment: Assignment) -> None:
        """Take down the first decision about a detection."""
        person_id = assignment.person_id
        if person_id is not None and assignment.reference:
            self.touched.add(person_id)
            drops = self._identifier.learn(person_id, _reference(assignment.detection))
            assignment = replace(assignment, drops=drops)
        self._new[assignment.detection.id] = assignment
        self._tell_apart(assignment)

    def follows(self, shot: Detection, assignment: Assignment) -> None:
        """Take down that a shot that was decided before goes the way of a later one."""
        former, person_id = self.owner_of(shot), assignment.person_id
        self._unlearn(former, shot)
        self.doubtful.update(id_ for id_ in (former, person_id) if id_ is not None)
        following = replace(
            assignment,
            detection=self._as_stored(shot),
            reference=self._learns(person_id, shot),
            reason=assignment.reason if described(shot)[1] else None,
            drops=(),
        )
        place = self._new if shot.id in self._new else self._finished
        place[shot.id] = following
        self._tell_apart(following)

    def becomes(self, other: str, into: str) -> None:
        """Take down that a stranger is another one: all that is theirs goes over."""
        both = [*self._known_by(into), *self._known_by(other)]
        self._identifier.forget(other)
        self._identifier.strangers.put(into, both[:REFERENCES_OF_A_STRANGER])
        self.touched.update((into, other))
        self.doubtful.update((into, other))
        for place in (self._new, self._finished):
            for id_, item in place.items():
                if item.person_id == other:
                    place[id_] = replace(item, person_id=into)
        if other in self._founded:
            self._founded.remove(other)
            return
        self.merges.append((into, other))
        self._became[other] = into
        for id_, item in self._finished.items():
            self._finished[id_] = replace(item, detection=self._as_stored(item.detection))

    # ---- What is to be written -------------------------------------------------------------------

    def assignments(self) -> list[Assignment]:
        """One for each new detection, in their order; the first of a new stranger's founds them."""
        left = set(self._founded)
        found = [self._founding(item, left) for item in self._new.values()]
        return [self._with_companions(item) if item.founds else item for item in found]

    def following_shots(self) -> list[Assignment]:
        """One for each finished detection that has become somebody else's."""
        companions = {id_ for item in self.assignments() for id_ in item.companions}
        left = self._founded - {item.person_id for item in self._new.values()}
        return [
            self._founding(item, left)
            for id_, item in self._finished.items()
            if id_ not in companions and item.person_id != item.detection.person_id
        ]

    def _founding(self, item: Assignment, left: set[str]) -> Assignment:
        if item.person_id is None or item.person_id not in left:
            return item
        left.remove(item.person_id)
        return replace(item, founds=True)

    def _with_companions(self, founding: Assignment) -> Assignment:
        """Nobody's until now, and as good: they are part of the founding, and no other change."""
        companions = [
            id_
            for id_, item in self._finished.items()
            if item.person_id == founding.person_id
            and item.detection.person_id is None
            and item.detection.track == founding.detection.track
            and item.reference
            and founding.reference
        ]
        return replace(founding, companions=tuple(companions))

    # ---- What the identifier knows ---------------------------------------------------------------

    def _now(self, person_id: str | None) -> str | None:
        while person_id in self._became:
            person_id = self._became[person_id]
        return person_id

    def _as_stored(self, detection: Detection) -> Detection:
        """A detection as it will be when the merges are made."""
        return replace(detection, person_id=self._now(detection.person_id))

    def _known_by(self, person_id: str) -> tuple[Reference, ...]:
        return self._identifier.strangers.references_of(person_id)

    def _learns(self, person_id: str | None, detection: Detection) -> bool:
        """Whether a stranger is known by that face too: where there is room."""
        if person_id is None or not self._is_stranger(person_id) or not described(detection)[1]:
            return False
        if len(self._known_by(person_id)) >= REFERENCES_OF_A_STRANGER:
            return False
        self.touched.add(person_id)
        self._identifier.learn(person_id, _reference(detection))
        return True

    def _is_stranger(self, person_id: str) -> bool:
        return person_id in self._founded or person_id in self._identifier.strangers

    def _unlearn(self, person_id: str | None, detection: Detection) -> None:
        if person_id is None:
            return
        known = self._known_by(person_id)
        left = [reference for reference in known if reference.id != detection.id]
        if len(left) < len(known):
            self.touched.add(person_id)
            self._identifier.strangers.put(person_id, left)

    def _tell_apart(self, assignment: Assignment) -> None:
        """Whom a detection does not show, its stranger is not either."""
        others, person_id = assignment.detection.not_persons, assignment.person_id
        if others and person_id is not None and person_id in self._identifier.strangers:
            self._identifier.tell_apart(person_id, others)
            self.touched.update(others)


def is_said(identifier: Identifier, detection: Detection, person_id: str | None) -> bool:
    """Whether a person has said whose a detection is: of it, or by naming whom it stands for."""
    known_by = identifier.settled.references_of(person_id) if person_id is not None else ()
    return detection.confirmed or any(one.id == detection.id for one in known_by)


def described(detection: Detection) -> tuple[Embedding, bool]:
    """A detection's vector, and whether its quality allows it to stand for somebody.

    Raises
    ------
    ValueError
        If it has none yet.
    """
    if detection.embedding is None or detection.quality is None:
        raise ValueError(f"detection {detection.id} has no vector")
    return detection.embedding, detection.quality.acceptable


def vector_of(detection: Detection) -> Vector:
    """A detection's vector. Raises ValueError if it has none yet."""
    return described(detection)[0].vector


def persons_not_shown(detections: Iterable[Detection]) -> set[str]:
    """Whom people have said that these do not show."""
    return {person_id for item in detections for person_id in item.not_persons}


def _reference(detection: Detection) -> Reference:
    return Reference(detection.id, vector_of(detection))
