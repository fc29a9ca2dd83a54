"""Who a face is: somebody known, a stranger seen before, somebody new, or not to be told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from usher.domain.records import Confidence, Person, PersonKind, Vector
from usher.identity.calibrate import Calibration
from usher.identity.gallery import Gallery, Match, Reference, Scores, unit
from usher.identity.rules import Rule, any_of
from usher.identity.vectors import Vectors

REFERENCES_OF_A_STRANGER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who a face is.

    Attributes
    ----------
    person_id
        Somebody known, or a stranger seen before; None: nobody so far.
    confidence
        How sure it is that person.
    candidate_id
        Somebody known whom it may be as well: a person has to say.
    reference
        Whether the face should be kept as one of the person's, or of the one whom it founds.
    """

    person_id: str | None = None
    confidence: Confidence | None = None
    candidate_id: str | None = None
    reference: bool = False

    @property
    def founds(self) -> bool:
        """Whether it is somebody new, and good enough to be recognised again."""
        return self.person_id is None and self.reference


class Identifier:
    """Everybody in memory, and the rule that says who a face is.

    Those whom a manager has named or set aside are kept apart from strangers, and asked first: the
    strangers grow by themselves, and would otherwise draw the faces of somebody named who has one
    photograph.

    Parameters
    ----------
    model
        The id of the model whose vectors are compared here.
    """

    def __init__(self, model: str, rule: Rule) -> None:
        self.model = model
        self.rule = rule
        self.settled: Gallery = rule.make_gallery()
        self.strangers: Gallery = rule.make_gallery()
        self._others: dict[str, frozenset[str]] = defaultdict(frozenset)
        self._calibration: Calibration | None = None

    @property
    def calibration(self) -> Calibration:
        """The scores to reach among those who are settled now."""
        if self._calibration is None:
            self._calibration = self.rule.calibrate(self.settled)
        return self._calibration

    @property
    def reason(self) -> str:
        """Why they are what they are, in words."""
        return self.rule.reason(self.calibration)

    def know(self, person: Person, references: Sequence[Reference]) -> None:
        """Know a person by these references, whatever was known before."""
        stranger = person.kind is PersonKind.UNKNOWN
        own, other = (self.strangers, self.settled) if stranger else (self.settled, self.strangers)
        if not stranger or person.id in self.settled:
            self._calibration = None
        other.put(person.id, ())
        own.put(person.id, references)
        self._others[person.id] = frozenset(person.distinct_from)

    def know_all(self, people: Iterable[tuple[Person, Sequence[Reference]]]) -> None:
        """Know many people of whom nothing is known yet: quicker than one at a time."""
        kinds: tuple[dict[str, Sequence[Reference]], dict[str, Sequence[Reference]]] = {}, {}
        for person, references in people:
            kinds[person.kind is PersonKind.UNKNOWN][person.id] = references
            self._others[person.id] = frozenset(person.distinct_from)
        self.settled.put_all(kinds[False])
        self.strangers.put_all(kinds[True])
        self._calibration = None

    def forget(self, person_id: str) -> None:
        """Know a person no longer."""
        if person_id in self.settled:
            self._calibration = None
        self.settled.put(person_id, ())
        self.strangers.put(person_id, ())
        self._others.pop(person_id, None)

    def learn(self, person_id: str, reference: Reference) -> tuple[str, ...]:
        """Add a stranger's reference, the first of somebody new; the ids of what it replaces."""
        references = [*self.strangers.references_of(person_id), reference]
        dropped = []
        while len(references) > REFERENCES_OF_A_STRANGER:
            dropped.append(references.pop(most_redundant(references)).id)
        self.strangers.put(person_id, references)
        return tuple(dropped)

    def tell_apart(self, person_id: str, others: Collection[str]) -> None:
        """Take down that a person is none of those."""
        self._others[person_id] |= frozenset(others)
        for other in others:
            self._others[other] |= {person_id}

    def decide(
        self,
        probe: Vector,
        *,
        acceptable: bool,
        excluded: Collection[str] = (),
        spread: float = 0.0,
    ) -> Decision:
        """Decide who a face is.

        Parameters
        ----------
        probe
            The face's embedding: float32, (D,), of the model.
        acceptable
            Whether its quality allows it to found a person and to be a reference.
        excluded
            Whom it is known not to be.
        spread
            Where `probe` is of several shots: see `fused`.
        """
        named = self._best_known(probe, excluded, spread)
        if named is not None and named.score >= self.calibration.threshold:
            return Decision(person_id=named.person_id, confidence=self.confidence(named.score))
        in_review = named is not None and named.score >= self.calibration.review
        candidate_id = named.person_id if named is not None and in_review else None
        return self._stranger(probe, acceptable, excluded, candidate_id, spread)

    def fused(self, vectors: Vectors, weights: Scores) -> tuple[Vector, float]:
        """Several shots of one face as one probe, and their spread: see `Gallery.fused`."""
        return self.settled.fused(vectors, weights)

    def strangers_accepted(self, score: float) -> float:
        """The share of strangers that reach a score among those who are settled."""
        return self.rule.strangers_accepted(score - self.calibration.shift, self.settled)

    def confidence(self, score: float) -> Confidence:
        """How rarely a stranger would reach a score among those who are settled, in words."""
        return _band(self.strangers_accepted(score))

    def others_of(self, person_id: str) -> frozenset[str]:
        """Whom a person was told apart from."""
        return self._others.get(person_id, frozenset())

    def are_apart(self, one: str, other: str) -> bool:
        """Whether a person has said that these are two."""
        return other in self.others_of(one)

    def _best_known(self, probe: Vector, excluded: Collection[str], spread: float) -> Match | None:
        """The best of those who are settled, but nobody when it is more like one told apart."""
        aside = set(excluded)
        while (match := self.settled.best(probe, aside, spread=spread)) is not None:
            own = self.settled.similarity(probe, match.person_id)
            rejected = self._others.get(match.person_id, ())
            if not any(self.strangers.similarity(probe, one) > own for one in rejected):
                return match
            aside.add(match.person_id)
        return None

    def _stranger(
        self,
        probe: Vector,
        acceptable: bool,
        excluded: Collection[str],
        candidate_id: str | None,
        spread: float,
    ) -> Decision:
        match = self.strangers.best(probe, excluded, spread=spread)
        if match is None or match.score < self.rule.link(self.strangers, acceptable=acceptable):
            return Decision(candidate_id=candidate_id, reference=acceptable)
        accepted = self.rule.strangers_accepted(match.score, self.strangers)
        if candidate_id is not None and self.are_apart(match.person_id, candidate_id):
            candidate_id = None
        return Decision(
            person_id=match.person_id,
            confidence=_band(accepted),
            candidate_id=candidate_id,
            reference=acceptable,
        )


def likeness(rule: Rule, distance: float, people: int = 1) -> Confidence | None:
    """How sure it is that two faces at a distance are one person's; None: they are not taken so.

    Parameters
    ----------
    distance
        The Euclidean distance of their vectors.
    people
        The second face was looked for among so many people: the more they are, the likelier that
        somebody is so near by chance.
    """
    if distance > rule.pair_distance(1):
        return None
    return _band(any_of(rule.pairs_accepted(distance), people))


def most_redundant(references: Sequence[Reference]) -> int:
    """Which of two or more references adds least: of the two most alike, the one nearer to all."""
    vectors = unit(np.stack([reference.vector for reference in references])).astype(np.float64)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    one, other = np.unravel_index(alike.argmax(), alike.shape)
    np.fill_diagonal(alike, 0)
    return int(max(one, other, key=lambda place: (alike[place].sum(), place)))


def _band(strangers_accepted: float) -> Confidence:
    """In words, how rarely a stranger would fit as well."""
    if strangers_accepted <= 1e-4:
        return Confidence.HIGH
    if strangers_accepted <= 2e-3:
        return Confidence.MEDIUM
    return Confidence.LOW
