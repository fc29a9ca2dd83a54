"""What another look at finished detections comes to. Nothing here reads or writes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.classifier.deciding import weights_of
from services.classifier.ledger import is_said, vector_of
from usher.domain.identifiers import new_person_id
from usher.domain.records import Confidence, Detection, Track, Vector
from usher.identity.consolidate import Sightings, consolidate
from usher.identity.decide import REFERENCES_OF_A_STRANGER, Decision, Identifier
from usher.identity.gallery import length_of, template_of, unit
from usher.identity.rules import BudgetRule, Rule
from usher.identity.tracks import MOST_SHOTS, faces_of_track, shot_weights
from usher.identity.vectors import Vectors
from usher.storage.assignments import Assignment
from usher.storage.detections import Sighting

_NEAR = 0.75
"""Nobody is recognised from a cosine below it: the score would be far from any threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Whose a finished detection becomes, or what else becomes of it. Fields as in `Assignment`."""

    person_id: str | None
    confidence: Confidence | None = None
    candidate_id: str | None = None
    founds: bool = False
    reference: bool = False

    def of(self, detection: Detection) -> Assignment:
        stays = detection.person_id == self.person_id
        return Assignment(
            detection=detection,
            person_id=self.person_id,
            confidence=detection.confidence if stays else self.confidence,
            candidate_id=self.candidate_id,
            founds=self.founds,
            reference=self.reference,
            reason=detection.reason if self.person_id is None else None,
        )


@dataclass(frozen=True, slots=True)
class StrangersPlan:
    """Strangers who are one, the older first, and detections that become another's."""

    merges: dict[str, list[str]] = field(default_factory=dict)
    moves: dict[str, Change] = field(default_factory=dict)


# ---- Tracks -------------------------------------------------------------------------------------


class Probe(NamedTuple):
    """What a face is compared as: see `Gallery.fused`."""

    vector: Vector
    spread: float = 0.0


def shown_by_tracks(rule: Rule, sightings: Sequence[Sighting]) -> list[Probe]:
    """Each sighting as the shots of its track, as far as they are given, show it together."""
    probes = [Probe(sighting.vector) for sighting in sightings]
    fuse = rule.make_gallery().fused
    for rows in _shots_together(sightings):
        vectors = np.stack([sightings[row].vector for row in rows])
        weights = shot_weights([sightings[row].probability for row in rows])
        for face in faces_of_track(vectors, weights, rule.pair_distance(1)):
            probe = Probe(*fuse(vectors[face], weights[face]))
            for place in face:
                probes[rows[place]] = probe
    return probes


def _shots_together(sightings: Sequence[Sighting]) -> list[list[int]]:
    """The rows of each track, the best of them where it is long."""
    tracks = defaultdict[Track, list[int]](list)
    for row, sighting in enumerate(sightings):
        if sighting.track is not None:
            tracks[sighting.track].append(row)
    best = (
        sorted(rows, key=lambda row: -(sightings[row].probability or 0.0))[:MOST_SHOTS]
        for rows in tracks.values()
    )
    return [rows for rows in best if len(rows) > 1]


def follow_answers(
    identifier: Identifier, tracks: Iterable[Sequence[Detection]]
) -> dict[str, Change]:
    """What becomes of a track's shots where another one of the same face was answered, by id.

    Where several were answered differently, the best one counts.
    """
    found: dict[str, Change] = {}
    for shots in tracks:
        vectors, weights = np.stack([vector_of(shot) for shot in shots]), weights_of(shots)
        for rows in faces_of_track(vectors, weights, identifier.rule.pair_distance(1)):
            best_first = sorted(rows, key=lambda row: -float(weights[row]))
            found |= _follow_answer(identifier, [shots[row] for row in best_first])
    return found


def _follow_answer(identifier: Identifier, shots: Sequence[Detection]) -> dict[str, Change]:
    person_id = next((shot.person_id for shot in shots if shot.confirmed), None)
    if person_id is None:
        return {}
    open_ = (shot for shot in shots if not is_said(identifier, shot, shot.person_id))
    return {
        shot.id: Change(person_id=person_id)
        for shot in open_
        if shot.person_id != person_id and person_id not in shot.not_persons
    }


# ---- Names and references reach back ------------------------------------------------------------


def reach_back(
    identifier: Identifier, sightings: Sequence[Sighting], templates: Vectors
) -> dict[str, Change]:
    """Decide again about detections that come near one of `templates_of` who has changed, by id.

    What is nobody's may become anybody's. A stranger's goes to somebody known, or gets another
    candidate; what strangers share among themselves is `plan_strangers`'s.
    """
    open_ = [sighting for sighting in sightings if not sighting.confirmed]
    found = {}
    for sighting, probe in _near(open_, shown_by_tracks(identifier.rule, open_), templates):
        decision = identifier.decide(
            probe.vector,
            spread=probe.spread,
            acceptable=sighting.acceptable,
            excluded=sighting.not_persons,
        )
        change = _change(identifier, sighting, decision)
        if change is not None:
            found[sighting.id] = change
    return found


def _near(
    sightings: Sequence[Sighting], probes: Sequence[Probe], templates: Vectors
) -> list[tuple[Sighting, Probe]]:
    if not sightings or not len(templates):
        return []
    cosines = unit(np.stack([probe.vector for probe in probes])) @ templates.T
    near = cosines.max(axis=1) >= _NEAR
    pairs = zip(sightings, probes, strict=True)
    return [pair for pair, is_near in zip(pairs, near, strict=True) if is_near]


def templates_of(identifier: Identifier, person_ids: Collection[str]) -> Vectors:
    """The templates of those persons who are there: float32, (P, D)."""
    references = [
        gallery.references_of(person_id)
        for gallery in (identifier.settled, identifier.strangers)
        for person_id in person_ids
        if person_id in gallery
    ]
    templates = [template_of(np.stack([one.vector for one in some])) for some in references]
    return np.stack(templates) if templates else np.empty((0, 0), np.float32)


def _change(identifier: Identifier, sighting: Sighting, decision: Decision) -> Change | None:
    person_id = decision.person_id
    if person_id is not None and person_id in identifier.settled:
        return Change(person_id=person_id, confidence=decision.confidence)
    if sighting.person_id is None and person_id is not None:
        full = len(identifier.strangers.references_of(person_id)) >= REFERENCES_OF_A_STRANGER
        return Change(
            person_id=person_id,
            confidence=decision.confidence,
            candidate_id=decision.candidate_id,
            reference=decision.reference and not full,
        )
    candidate_id = decision.candidate_id
    if identifier.are_apart(sighting.person_id or "", candidate_id or ""):
        candidate_id = None
    if candidate_id == sighting.candidate_id:
        return None
    is_reference = sighting.person_id is not None and any(
        reference.id == sighting.id
        for reference in identifier.strangers.references_of(sighting.person_id)
    )
    return Change(person_id=sighting.person_id, candidate_id=candidate_id, reference=is_reference)


# ---- Strangers ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stranger:
    """By which references somebody is known, and who they were told apart from: ids all."""

    references: frozenset[str]
    others: frozenset[str]


def strangers_in(identifier: Identifier) -> dict[str, Stranger]:
    """Every stranger, by id."""
    gallery = identifier.strangers
    return {
        person_id: Stranger(
            frozenset(reference.id for reference in gallery.references_of(person_id)),
            identifier.others_of(person_id),
        )
        for person_id in gallery
    }


def plan_strangers(
    strangers: Mapping[str, Stranger],
    rule: BudgetRule,
    sightings: Sequence[Sighting],
    touched: Collection[str],
) -> StrangersPlan:
    """Which strangers are one, and which of their detections stand better elsewhere.

    Only what is of `touched` is looked at again. The result depends on the detections and their
    order of capture alone.

    Parameters
    ----------
    sightings
        All detections of strangers, in order of capture.
    """
    if not sightings:
        return StrangersPlan()
    owners = [str(sighting.person_id) for sighting in sightings]
    persons = list(dict.fromkeys(owners))
    numbers = {person_id: number for number, person_id in enumerate(persons)}
    before = np.array([numbers[owner] for owner in owners], np.intp)
    after = consolidate(
        Sightings(
            faces=_faces(rule, sightings),
            persons=before,
            pinned=np.array([sighting.confirmed for sighting in sightings]),
            active=np.array([owner in touched for owner in owners]),
            apart=_apart(strangers, numbers),
        ),
        link=rule.link_among(len(persons)),
        merge=rule.merge_among(len(persons)),
    )
    merges = _merges(before.tolist(), after.tolist())
    moves = _moves(strangers, sightings, persons, before.tolist(), after.tolist(), merges)
    named = defaultdict[str, list[str]](list)
    for one, other in merges.items():
        named[persons[other]].append(persons[one])
    return StrangersPlan(dict(named), moves)


def _faces(rule: BudgetRule, sightings: Sequence[Sighting]) -> Vectors:
    """Of length 1, and of several shots together a little shorter: float32, (M, D)."""
    probes = shown_by_tracks(rule, sightings)
    lengths = np.array([length_of(probe.spread) for probe in probes], np.float32)
    return unit(np.stack([probe.vector for probe in probes])) * lengths[:, None]


def _apart(strangers: Mapping[str, Stranger], numbers: Mapping[str, int]) -> list[tuple[int, int]]:
    return [
        (number, numbers[other])
        for person_id, number in numbers.items()
        for other in strangers[person_id].others
        if other in numbers
    ]


def _merges(before: Sequence[int], after: Sequence[int]) -> dict[int, int]:
    """Who becomes whom with all that they have: only into somebody who keeps some of their own."""
    became = defaultdict[int, set[int]](set)
    for one, other in zip(before, after, strict=True):
        became[one].add(other)
    return {
        one: other
        for one, others in became.items()
        for other in others
        if len(others) == 1 and other != one and other in became.get(other, ())
    }


def _moves(
    strangers: Mapping[str, Stranger],
    sightings: Sequence[Sighting],
    persons: Sequence[str],
    before: Sequence[int],
    after: Sequence[int],
    merges: Mapping[int, int],
) -> dict[str, Change]:
    """The detections that go elsewhere by themselves. A person keeps a reference, or gets one."""
    ids = dict(enumerate(persons))
    moves: dict[str, Change] = {}
    room = {one: REFERENCES_OF_A_STRANGER - len(strangers[one].references) for one in persons}
    for sighting, one, other in zip(sightings, before, after, strict=True):
        if one == other or one in merges:
            continue
        founds = other not in ids and sighting.acceptable
        if founds:
            ids[other] = new_person_id()
            room[ids[other]] = REFERENCES_OF_A_STRANGER
        person_id = ids.get(other)
        reference = person_id is not None and sighting.acceptable and room[person_id] > 0
        if person_id is not None and reference:
            room[person_id] -= 1
        moves[sighting.id] = Change(
            person_id=person_id,
            candidate_id=sighting.candidate_id,
            founds=founds,
            reference=reference,
        )
    return moves | _new_references(strangers, sightings, moves)


def _new_references(
    strangers: Mapping[str, Stranger], sightings: Iterable[Sighting], moves: Mapping[str, Change]
) -> dict[str, Change]:
    """Who keeps detections but no reference is known by the first good one of them."""
    found: dict[str, Change] = {}
    lost = {
        str(sighting.person_id)
        for sighting in sightings
        if sighting.id in moves and strangers[str(sighting.person_id)].references <= moves.keys()
    }
    for sighting in sightings:
        if sighting.person_id in lost and sighting.id not in moves and sighting.acceptable:
            lost.remove(sighting.person_id)
            found[sighting.id] = Change(
                person_id=sighting.person_id, candidate_id=sighting.candidate_id, reference=True
            )
    return found
