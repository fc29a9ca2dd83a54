"""Who a face is: both sides of each bound, and people who come back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.unit.identity.people import centres, faces_of, references, turned, vector
from usher.domain.impostors import ImpostorDistances
from usher.domain.records import Confidence, Person, PersonKind, Vector
from usher.identity.decide import (
    REFERENCES_OF_A_STRANGER,
    Decision,
    Identifier,
    most_redundant,
)
from usher.identity.gallery import NearestGallery, Reference
from usher.identity.measured import STRANGERS, impostors_of
from usher.identity.rules import BudgetRule, FixedRule, NearestBudgetRule, Rule

MODEL = "dlib-resnet-v1-crops"
WIDE = ImpostorDistances((1e-9, 0.001, 0.005), (0.9, 1.0, 2.0), loosest=3.0)
"""At a budget of 0.1% one reference is somebody's up to 1.0 from it, and reviewed up to 2.0."""
WITHIN, REVIEWED, BEYOND = 0.99, 1.99, 2.01
KNOWN, UNKNOWN, IGNORED = PersonKind.KNOWN, PersonKind.UNKNOWN, PersonKind.IGNORED


def person(person_id: str, kind: PersonKind = KNOWN, distinct_from: Collection[str] = ()) -> Person:
    return Person(
        id=person_id,
        kind=kind,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        distinct_from=tuple(distinct_from),
    )


def on_a_line(rule: Rule | None = None, **places: float) -> Identifier:
    """Persons known by a reference each, so far along a line; `s...` are strangers."""
    identifier = Identifier("model", rule or NearestBudgetRule(0.001, WIDE))
    for person_id, place in places.items():
        kind = UNKNOWN if person_id.startswith("s") else KNOWN
        identifier.know(person(person_id, kind), references([vector(place, 0)]))
    return identifier


def among_people(known: int, strangers: int, seed: int = 0) -> tuple[Identifier, np.ndarray]:
    """Persons `k-0`, ... and `s-0`, ... with three references each, and everybody's middle."""
    random = np.random.default_rng(seed)
    middles = centres(known + strangers, random)
    identifier = Identifier(MODEL, BudgetRule(0.01, STRANGERS[MODEL], impostors_of(MODEL)))
    faces = faces_of(middles, 3, random).reshape(known + strangers, 3, -1)
    for number, own in enumerate(faces):
        stranger = number >= known
        name = f"s-{number - known}" if stranger else f"k-{number}"
        identifier.know(person(name, UNKNOWN if stranger else KNOWN), references(own))
    return identifier, middles


# ---- The outcomes -------------------------------------------------------------------------------


@pytest.mark.parametrize("acceptable", [True, False])
def test_face_founds_somebody_when_there_is_nobody_and_it_is_good_enough(acceptable: bool) -> None:
    decision = on_a_line().decide(vector(0, 0), acceptable=acceptable)
    assert decision == Decision(reference=acceptable)
    assert decision.founds is acceptable


@pytest.mark.parametrize(
    ("distance", "acceptable", "decision"),
    [
        (WITHIN, True, Decision(person_id="alice", confidence=Confidence.MEDIUM)),
        (WITHIN, False, Decision(person_id="alice", confidence=Confidence.MEDIUM)),
        (REVIEWED, True, Decision(candidate_id="alice", reference=True)),
        (REVIEWED, False, Decision(candidate_id="alice")),  # a person may say who it is
        (BEYOND, True, Decision(reference=True)),
        (BEYOND, False, Decision()),  # founds nobody
    ],
)
def test_face_is_known_reviewed_or_unknown_by_its_distance(
    distance: float, acceptable: bool, decision: Decision
) -> None:
    found = on_a_line(alice=0).decide(vector(distance, 0), acceptable=acceptable)
    assert found == decision
    assert found.founds is (decision.person_id is None and acceptable)


@pytest.mark.parametrize(
    ("distance", "acceptable", "person_id"),
    [
        (WITHIN, True, "s-1"),
        (WITHIN, False, "s-1"),  # a poor face may be a stranger seen before
        (1.01, True, None),
        (1.01, False, None),
    ],
)
def test_face_is_a_stranger_seen_before_by_its_distance(
    distance: float, acceptable: bool, person_id: str | None
) -> None:
    identifier = Identifier("model", NearestBudgetRule(0.001, WIDE))
    identifier.know(person("s-1", UNKNOWN), references([vector(0, 0)]))
    decision = identifier.decide(vector(distance, 0), acceptable=acceptable)
    assert (decision.person_id, decision.reference) == (person_id, acceptable)
    assert decision.candidate_id is None
    assert not (person_id and decision.founds)


def test_name_goes_before_a_stranger_when_the_stranger_is_closer() -> None:
    decision = on_a_line(alice=0.9, s1=0.01).decide(vector(0, 0), acceptable=True)
    assert decision.person_id == "alice"
    assert not decision.reference


def test_stranger_is_taken_when_the_name_is_too_far_and_the_name_is_asked_about() -> None:
    decision = on_a_line(alice=1.5, s1=0.01).decide(vector(0, 0), acceptable=True)
    assert (decision.person_id, decision.candidate_id) == ("s1", "alice")
    assert decision.reference


def test_who_is_set_aside_is_recognised_as_somebody_named_is() -> None:
    identifier = on_a_line(s1=0.1)
    identifier.know(person("postman", IGNORED), references([vector(0, 0)]))
    assert identifier.decide(vector(0, 0), acceptable=True).person_id == "postman"


@pytest.mark.parametrize("distance", [0.4999, 0.5001])
def test_fixed_rule_decides_by_its_distance_and_asks_nobody(distance: float) -> None:
    identifier = on_a_line(FixedRule(0.5, WIDE), alice=0)
    decision = identifier.decide(vector(distance, 0), acceptable=True)
    assert decision.person_id == ("alice" if distance < 0.5 else None)
    assert decision.candidate_id is None


@pytest.mark.parametrize(
    ("accepted", "confidence"),
    [
        (0.99e-4, Confidence.HIGH),
        (1.01e-4, Confidence.MEDIUM),
        (1.99e-3, Confidence.MEDIUM),
        (2.01e-3, Confidence.LOW),
    ],
)
def test_confidence_is_banded_by_how_many_strangers_would_fit_as_well(
    accepted: float, confidence: Confidence
) -> None:
    table = impostors_of("dlib-resnet-v1")
    identifier = on_a_line(NearestBudgetRule(0.01, table), alice=0)
    probe = vector(table.distance_at(accepted), 0)
    assert identifier.decide(probe, acceptable=True).confidence is confidence


# ---- Among many, by the rule with a prior -------------------------------------------------------


def test_people_are_told_when_they_come_back_and_newcomers_are_new() -> None:
    identifier, middles = among_people(known=40, strangers=40)
    random = np.random.default_rng(1)
    right, wrong = 0, 0
    for number, face in enumerate(faces_of(middles, 1, random)):
        found = identifier.decide(face, acceptable=True).person_id
        name = f"k-{number}" if number < 40 else f"s-{number - 40}"
        right += found == name
        wrong += found not in {name, None}
    assert right >= 70
    assert wrong <= 3
    newcomers = [
        identifier.decide(face, acceptable=True) for face in centres(400, np.random.default_rng(2))
    ]
    named = sum((one.person_id or "").startswith("k") for one in newcomers)
    linked = sum((one.person_id or "").startswith("s") for one in newcomers)
    asked = sum(one.candidate_id is not None for one in newcomers)
    assert named <= 16
    assert linked <= 24
    assert asked > named


def test_confidence_is_high_when_the_very_picture_is_known() -> None:
    identifier, middles = among_people(known=60, strangers=0)
    identifier.know(person("k-7"), references([middles[7]]))
    decision = identifier.decide(middles[7], acceptable=True)
    assert (decision.person_id, decision.confidence) == ("k-7", Confidence.HIGH)


def test_strangers_accepted_is_the_budget_at_the_threshold_wherever_the_site_has_moved_it() -> None:
    identifier, _ = among_people(known=60, strangers=3)
    assert identifier.calibration.shift != 0
    at = identifier.calibration.threshold
    assert identifier.strangers_accepted(at) == pytest.approx(0.01)
    assert identifier.strangers_accepted(identifier.calibration.review) == pytest.approx(0.05)


# ---- Whom a face is not -------------------------------------------------------------------------


def test_face_is_the_next_best_when_it_is_known_not_to_be_the_best() -> None:
    identifier = on_a_line(alice=0.1, bob=0.5, s1=0.2, s2=0.6)

    def decide(*excluded: str) -> str | None:
        return identifier.decide(vector(0, 0), acceptable=True, excluded=excluded).person_id

    assert decide() == "alice"
    assert decide("alice") == "bob"
    assert decide("alice", "bob") == "s1"
    assert decide("alice", "bob", "s1") == "s2"
    assert decide("alice", "bob", "s1", "s2") is None


def test_nobody_is_asked_about_whom_the_face_is_known_not_to_be() -> None:
    identifier = on_a_line(alice=1.5)
    assert identifier.decide(vector(0, 0), acceptable=True).candidate_id == "alice"
    decision = identifier.decide(vector(0, 0), acceptable=True, excluded=["alice"])
    assert decision == Decision(reference=True)


def test_stranger_told_apart_from_alice_is_not_called_alice_when_they_come_back() -> None:
    random = np.random.default_rng(3)
    identifier, middles = among_people(known=40, strangers=0)
    twin = turned(middles[:1], 0.98, random)
    face, again = faces_of(twin, 2, random)
    assert identifier.decide(face, acceptable=True).person_id == "k-0"
    identifier.learn("twin", Reference("r", face))
    identifier.tell_apart("twin", ["k-0"])
    decision = identifier.decide(again, acceptable=True)
    assert (decision.person_id, decision.candidate_id) == ("twin", None)
    own = faces_of(middles[:1], 1, random)[0]
    assert identifier.decide(own, acceptable=True).person_id == "k-0"


def test_face_is_alices_when_it_is_more_like_her_than_like_the_stranger_told_apart() -> None:
    identifier = on_a_line(alice=0, s1=0.8)
    identifier.tell_apart("s1", ["alice"])
    assert identifier.decide(vector(0.3, 0), acceptable=True).person_id == "alice"
    assert identifier.decide(vector(0.5, 0), acceptable=True).person_id == "s1"


def test_face_is_bobs_when_only_alice_was_told_apart_from_the_stranger_it_is_like() -> None:
    identifier = on_a_line(alice=0.5, bob=0.9, s1=0.1)
    identifier.tell_apart("s1", ["alice"])
    assert identifier.decide(vector(0, 0), acceptable=True).person_id == "bob"


def test_nobody_is_asked_about_alice_when_the_stranger_was_told_apart_from_her() -> None:
    identifier = on_a_line(alice=1.3, s1=-0.9)
    identifier.know(person("s2", UNKNOWN), references([vector(0.1, 5)]))
    decided = identifier.decide(vector(0.05, 0), acceptable=True)
    assert (decided.person_id, decided.candidate_id) == ("s1", "alice")
    identifier.tell_apart("alice", ["s1"])
    decided = identifier.decide(vector(0.05, 0), acceptable=True)
    assert (decided.person_id, decided.candidate_id) == ("s1", None)


def test_two_are_apart_either_way_round_when_it_was_said_of_one() -> None:
    identifier = on_a_line(alice=0, s1=1, s2=2)
    identifier.tell_apart("s1", ["alice", "s2"])
    for one, other in (("s1", "alice"), ("alice", "s1"), ("s1", "s2"), ("s2", "s1")):
        assert identifier.are_apart(one, other)
    assert not identifier.are_apart("alice", "s2")
    assert not identifier.are_apart("alice", "nobody")


def test_two_are_apart_no_longer_when_the_person_is_known_anew() -> None:
    identifier = on_a_line(alice=0)
    identifier.know(person("s1", UNKNOWN, distinct_from=["alice"]), references([vector(1, 0)]))
    assert identifier.are_apart("s1", "alice")
    identifier.know(person("s1", UNKNOWN), references([vector(1, 0)]))
    assert not identifier.are_apart("s1", "alice")


# ---- Who is known -------------------------------------------------------------------------------


def test_person_moves_between_the_galleries_when_their_kind_changes() -> None:
    identifier = on_a_line(s1=0)
    own = identifier.strangers.references_of("s1")
    for kind in (KNOWN, UNKNOWN, IGNORED, KNOWN, UNKNOWN):
        identifier.know(person("s1", kind), own)
        assert ("s1" in identifier.strangers) is (kind is UNKNOWN)
        assert ("s1" in identifier.settled) is (kind is not UNKNOWN)


def test_people_are_known_alike_when_all_become_known_at_once() -> None:
    one = on_a_line(alice=0.3, s1=0.1)
    one.know(person("s2", UNKNOWN, distinct_from=["alice"]), references([vector(5, 5)]))
    other = on_a_line()
    assert other.calibration.persons == 0
    own = {"alice": 0.3, "s1": 0.1}
    other.know_all(
        [
            *(
                (person(name, KNOWN if name == "alice" else UNKNOWN), references([vector(at, 0)]))
                for name, at in own.items()
            ),
            (person("s2", UNKNOWN, distinct_from=["alice"]), references([vector(5, 5)])),
        ]
    )
    assert list(other.settled) == list(one.settled) == ["alice"]
    assert list(other.strangers) == list(one.strangers) == ["s1", "s2"]
    assert other.calibration == one.calibration
    assert other.are_apart("s2", "alice")
    assert other.decide(vector(0, 0), acceptable=True) == one.decide(vector(0, 0), acceptable=True)


@pytest.mark.parametrize("person_id", ["alice", "s1"])
def test_person_is_not_found_when_forgotten(person_id: str) -> None:
    identifier = on_a_line(**{person_id: 0.0})
    identifier.forget(person_id)
    identifier.forget("unheard of")
    assert identifier.decide(vector(0, 0), acceptable=True) == Decision(reference=True)


def test_threshold_follows_when_somebody_settled_comes_changes_and_goes() -> None:
    identifier = on_a_line(alice=0)
    thresholds = [identifier.calibration.threshold]
    identifier.know(person("bob"), references([vector(9, 0)]))
    thresholds.append(identifier.calibration.threshold)
    identifier.know(person("bob"), references([vector(9, 0), vector(9, 1)]))
    thresholds.append(identifier.calibration.threshold)
    assert thresholds == sorted(set(thresholds))  # scores: stricter is higher
    identifier.know(person("bob", UNKNOWN), references([vector(9, 0)]))
    assert identifier.calibration.threshold == thresholds[0]
    identifier.know(person("s1", UNKNOWN), references([vector(9, 0)]))
    assert identifier.calibration.threshold == thresholds[0]
    identifier.forget("alice")
    assert identifier.calibration.persons == 0


# ---- What strangers are known by ----------------------------------------------------------------


def test_stranger_is_known_by_ten_references_when_more_are_learnt() -> None:
    identifier = on_a_line()
    identifier.settled.put("alice", references([vector(7, 7)]))
    dropped: list[str] = []
    angles = [*np.linspace(0, 1.5, REFERENCES_OF_A_STRANGER), 0.88]
    for number, angle in enumerate(angles):
        reference = Reference(f"r-{number}", vector(np.cos(angle), np.sin(angle)))
        dropped += identifier.learn("s1", reference)
    assert dropped == ["r-5"]  # at 0.83, the nearer to all of the two most alike
    kept = {one.id for one in identifier.strangers.references_of("s1")}
    assert kept == {f"r-{number}" for number in range(11)} - {"r-5"}


def test_learning_drops_nothing_when_there_is_room() -> None:
    identifier = on_a_line()
    for number in range(REFERENCES_OF_A_STRANGER):
        assert identifier.learn("s1", Reference(str(number), vector(number, 1))) == ()
    assert identifier.learn("s1", Reference("more", vector(0, 1))) != ()


@pytest.mark.parametrize(
    ("angles", "redundant"),
    [
        ((0.0, 1.0), 1),  # the later of two
        ((0.0, 0.1, 1.0), 1),  # of the two most alike the one nearer to all
        ((1.0, 0.0, 0.1), 2),
        ((0.0, 0.5, 0.5, 1.0), 2),
        ((0.0, 0.0, 0.9, 1.0), 1),
    ],
)
def test_most_redundant_is_one_of_the_two_most_alike(
    angles: Sequence[float], redundant: int
) -> None:
    vectors: list[Vector] = [vector(np.cos(angle), np.sin(angle)) for angle in angles]
    assert most_redundant(references(vectors)) == redundant
    assert most_redundant(references(3 * one for one in vectors)) == redundant


def test_galleries_are_of_the_rules_kind() -> None:
    identifier = on_a_line()
    assert isinstance(identifier.settled, NearestGallery)
    assert isinstance(identifier.strangers, NearestGallery)
