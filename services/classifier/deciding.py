"""Decisions about a batch of detections, each on top of those before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from usher.domain.identifiers import new_person_id
from usher.domain.records import Detection, Embedding, Vector
from usher.identity.decide import Decision, Identifier
from usher.identity.gallery import Reference
from usher.storage.assignments import Assignment

ONE_SHOT = "one good shot of its track so far: two make a new person"

Track = tuple[str, str]


class Batch:
    """Decides in order, and lets the identifier learn what it decides.

    Parameters
    ----------
    identifier
        Knows everybody as of before the batch.
    waiting
        By camera and track, earlier detections of nobody that are good enough to found a person
        with a second one.

    Attributes
    ----------
    touched
        Whom the identifier has learnt about.
    """

    def __init__(
        self, identifier: Identifier, waiting: Mapping[Track, Sequence[Detection]]
    ) -> None:
        self.touched: set[str] = set()
        self._identifier = identifier
        self._waiting = {track: list(shots) for track, shots in waiting.items()}
        self._assignments: dict[str, Assignment] = {}

    def decide(self, detections: Sequence[Detection]) -> list[Assignment]:
        """One assignment for each detection, in their order."""
        for detection in detections:
            embedding, acceptable = described(detection)
            decision = self._identifier.decide(
                embedding.vector, acceptable=acceptable, excluded=detection.not_persons
            )
            assignment = self._assignment(detection, decision)
            self._assignments[detection.id] = assignment
            self._tell_apart(assignment)
        return list(self._assignments.values())

    def _assignment(self, detection: Detection, decision: Decision) -> Assignment:
        if decision.person_id is not None:
            drops = self._learnt(decision.person_id, detection) if decision.reference else ()
            return Assignment(
                detection=detection,
                person_id=decision.person_id,
                confidence=decision.confidence,
                candidate_id=decision.candidate_id,
                reference=decision.reference,
                drops=drops,
            )
        if not decision.founds:
            return Assignment(
                detection=detection, person_id=None, candidate_id=decision.candidate_id
            )
        if detection.track_id is None:
            return self._founded(detection, decision)
        return self._founded_by_two(detection, (detection.camera_id, detection.track_id), decision)

    def _founded(self, detection: Detection, decision: Decision) -> Assignment:
        person_id = new_person_id()
        self._learnt(person_id, detection)
        return Assignment(
            detection=detection,
            person_id=person_id,
            candidate_id=decision.candidate_id,
            founds=True,
            reference=True,
        )

    def _founded_by_two(self, detection: Detection, track: Track, decision: Decision) -> Assignment:
        """A new person where the track has shown the same face well before."""
        shots = self._waiting.setdefault(track, [])
        partner = next((shot for shot in shots if self._is_same_face(shot, detection)), None)
        if partner is None:
            shots.append(detection)
            return Assignment(
                detection=detection,
                person_id=None,
                candidate_id=decision.candidate_id,
                reason=ONE_SHOT,
            )
        shots.remove(partner)
        assignment = self._founded(detection, decision)
        self._learnt(str(assignment.person_id), partner)
        if partner.id not in self._assignments:
            return replace(assignment, companions=(partner.id,))
        # Decided a moment ago, in this batch: the earlier shot founds the person after all.
        self._assignments[partner.id] = replace(assignment, detection=partner)
        return replace(assignment, founds=False)

    def _tell_apart(self, assignment: Assignment) -> None:
        """Whom a detection does not show, its stranger is not either."""
        others, person_id = assignment.detection.not_persons, assignment.person_id
        if others and person_id is not None and person_id in self._identifier.strangers:
            self._identifier.tell_apart(person_id, others)
            self.touched.update(others)

    def _is_same_face(self, one: Detection, other: Detection) -> bool:
        distance = float(np.linalg.norm(_vector(one) - _vector(other)))
        return distance <= self._identifier.rule.pair_distance(1)

    def _learnt(self, person_id: str, detection: Detection) -> tuple[str, ...]:
        """Only strangers learn by themselves; the references that went for it."""
        self.touched.add(person_id)
        return self._identifier.learn(person_id, Reference(detection.id, _vector(detection)))


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


def _vector(detection: Detection) -> Vector:
    return described(detection)[0].vector
