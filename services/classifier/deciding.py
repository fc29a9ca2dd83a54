"""Decisions about a batch of detections, each on top of those before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from services.classifier.ledger import Ledger, described, persons_not_shown, vector_of
from usher.domain.records import Detection, Track
from usher.identity.decide import Decision, Identifier
from usher.identity.tracks import MOST_SHOTS, Weights, faces_of_track, shot_weights
from usher.storage.assignments import Assignment

ONE_SHOT = "one good shot of its track so far: two make a new person"


class Batch:
    """Decides in order, and lets the identifier learn what it decides.

    A detection of a track is judged together with the track's shots before it that show the same
    face, and these follow where the decision has become another. So what comes of a track depends
    on its shots and their order, and not on how they were divided into batches.

    Parameters
    ----------
    identifier
        Knows everybody as of before the batch.
    earlier
        By track its finished shots, in order of capture.

    Attributes
    ----------
    ledger
        What has been decided: what there is to write beside the assignments.
    """

    def __init__(
        self, identifier: Identifier, earlier: Mapping[Track, Sequence[Detection]]
    ) -> None:
        self.ledger = Ledger(identifier)
        self._identifier = identifier
        self._tracks = defaultdict[Track, list[Detection]](list)
        for track, shots in earlier.items():
            self._tracks[track].extend(shots)

    def decide(self, detections: Sequence[Detection]) -> list[Assignment]:
        """One assignment for each detection, in their order."""
        for detection in detections:
            others = self._same_face(detection)
            decision = self._judge(detection, others)
            self._follow(others, self._assign(detection, decision))
            if detection.track is not None:
                self._tracks[detection.track].append(detection)
        return self.ledger.assignments()

    def _same_face(self, detection: Detection) -> list[Detection]:
        """The shots of its track that show the same face, of those that count most."""
        if detection.track is None or not self._tracks[detection.track]:
            return []
        ranked = sorted(self._tracks[detection.track], key=_rank)
        shots = [detection, *ranked[:MOST_SHOTS]]
        vectors = np.stack([vector_of(shot) for shot in shots])
        distance = self._identifier.rule.pair_distance(1)
        faces = faces_of_track(vectors, weights_of(shots), distance)
        (rows,) = (rows for rows in faces if 0 in rows)
        return [shots[row] for row in rows if row > 0]

    # ---- Who it is -------------------------------------------------------------------------------

    def _judge(self, detection: Detection, others: Sequence[Detection]) -> Decision:
        """Who all of them are; `founds` where it is somebody new."""
        shots = [detection, *others]
        good = sum(described(shot)[1] for shot in shots)
        decision = self._decision(shots, set())
        said = self._said(others, detection.not_persons)
        if said is not None:
            confidence = decision.confidence if decision.person_id == said else None
            return Decision(person_id=said, confidence=confidence)
        own = self._own(others)
        if own and decision.person_id not in self._identifier.settled:
            return self._as_one(own, others, decision, self._decision(shots, own))
        enough = good >= (1 if detection.track is None else 2)
        return decision if enough or not decision.founds else replace(decision, reference=False)

    def _decision(self, shots: Sequence[Detection], but: set[str]) -> Decision:
        """What they say together, leaving some strangers out of account."""
        apart = {other for one in but for other in self._identifier.others_of(one)}
        vectors = np.stack([vector_of(shot) for shot in shots])
        probe, spread = self._identifier.fused(vectors, weights_of(shots))
        return self._identifier.decide(
            probe,
            spread=spread,
            acceptable=any(described(shot)[1] for shot in shots),
            excluded=persons_not_shown(shots) | but | apart,
        )

    def _said(self, others: Sequence[Detection], not_persons: Sequence[str]) -> str | None:
        """Who they are by a person's word; where there are several words, by the best shot's."""
        said = [self.ledger.owner_of(shot) for shot in others if self.ledger.is_said(shot)]
        return next((one for one in said if one is not None and one not in not_persons), None)

    def _own(self, others: Sequence[Detection]) -> set[str]:
        """The strangers who are known by these shots alone."""
        ids = {shot.id for shot in others}
        strangers = self._identifier.strangers
        owners = {owner for shot in others if (owner := self.ledger.owner_of(shot)) in strangers}
        return {
            owner
            for owner in owners
            if owner is not None
            and all(reference.id in ids for reference in strangers.references_of(owner))
        }

    def _as_one(
        self,
        own: set[str],
        others: Sequence[Detection],
        decision: Decision,
        elsewhere: Decision,
    ) -> Decision:
        """Of whom the track has founded nobody is left but the first, who may be somebody else."""
        first = min(
            (shot for shot in others if self.ledger.owner_of(shot) in own),
            key=lambda shot: (shot.captured_at, shot.id),
        )
        found = elsewhere if elsewhere.person_id in self._identifier.strangers else decision
        into = str(found.person_id or self.ledger.owner_of(first))
        for other in sorted(own - {into}):
            if not self._identifier.are_apart(into, other):
                self.ledger.becomes(other, into)
        return replace(found, person_id=into, reference=decision.reference)

    # ---- What comes of it ------------------------------------------------------------------------

    def _assign(self, detection: Detection, decision: Decision) -> Assignment:
        """Take down whose the new one is."""
        acceptable = described(detection)[1]
        person_id = self.ledger.found() if decision.founds else decision.person_id
        one_shot = person_id is None and acceptable and detection.track is not None
        stranger = decision.founds or person_id in self._identifier.strangers
        assignment = Assignment(
            detection=detection,
            person_id=person_id,
            confidence=decision.confidence,
            candidate_id=decision.candidate_id,
            reference=acceptable and stranger,
            reason=ONE_SHOT if one_shot else None,
        )
        self.ledger.decided(assignment)
        return assignment

    def _follow(self, others: Sequence[Detection], assignment: Assignment) -> None:
        """Let its track's earlier shots become the same person's, as far as people allow it."""
        person_id = assignment.person_id
        for shot in others:
            owner = self.ledger.owner_of(shot)
            if owner == person_id or self.ledger.is_said(shot):
                continue
            if person_id in shot.not_persons or self._is_kept_from(owner, person_id):
                continue
            self.ledger.follows(shot, assignment)

    def _is_kept_from(self, stranger: str | None, other: str | None) -> bool:
        """Whether a person has told a stranger apart from somebody."""
        if stranger is None or other is None or stranger not in self._identifier.strangers:
            return False
        return self._identifier.are_apart(stranger, other)


def weights_of(shots: Sequence[Detection]) -> Weights:
    """What each shot counts for: see `shot_weights`."""
    return shot_weights([shot.quality.probability if shot.quality else None for shot in shots])


def _rank(shot: Detection) -> tuple[bool, float, datetime, str]:
    """What people have answered first, then the best; as `Detections.shots_of` sorts."""
    probability = shot.quality.probability if shot.quality else None
    missing = -1.0 if probability is None else probability
    return not shot.confirmed, -missing, shot.captured_at, shot.id
