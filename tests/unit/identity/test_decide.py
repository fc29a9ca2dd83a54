"""Who a face is: both sides of each bound."""

from __future__ import annotations

import pytest

from tests.unit.identity.faces import MODEL, face, vector
from usher.domain.records import Confidence, Face
from usher.identity.calibrate import BudgetRule, FixedRule, impostors_of
from usher.identity.decide import (
    REFERENCES_OF_A_STRANGER,
    Decision,
    NewPerson,
    Recognised,
    Unidentifiable,
    decide,
)
from usher.identity.gallery import Galleries

IMPOSTORS = impostors_of("dlib-resnet-v1")
RULE = FixedRule(0.5, IMPOSTORS)
JUST_WITHIN, JUST_BEYOND = 0.4999, 0.5001
ADDS, ADDS_NOTHING = 0.2501, 0.2499
"""Both sides of half the threshold."""


def decided(
    distance: float, *faces: Face, strangers: frozenset[str] = frozenset(), acceptable: bool = True
) -> Decision:
    """The decision on a probe that lies so far from the origin, along the first axis."""
    galleries = Galleries(MODEL, faces, strangers)
    return decide(vector(distance, 0), acceptable=acceptable, galleries=galleries, rule=RULE)


@pytest.mark.parametrize(("acceptable", "decision"), [(True, NewPerson), (False, Unidentifiable)])
def test_decide_knows_nobody_when_the_galleries_are_empty(
    acceptable: bool, decision: type[Decision]
) -> None:
    assert isinstance(decided(0, acceptable=acceptable), decision)


@pytest.mark.parametrize(
    ("distance", "acceptable", "decision"),
    [
        (JUST_WITHIN, True, Recognised),
        (JUST_WITHIN, False, Recognised),  # a poor face may be somebody known
        (JUST_BEYOND, True, NewPerson),
        (JUST_BEYOND, False, Unidentifiable),  # but founds nobody
    ],
)
def test_decide_recognises_a_face_when_it_lies_within_the_threshold(
    distance: float, acceptable: bool, decision: type[Decision]
) -> None:
    for strangers in (frozenset[str](), frozenset({"p-1"})):
        found = decided(distance, face("p-1", [0, 0]), strangers=strangers, acceptable=acceptable)
        assert isinstance(found, decision)


def test_decide_prefers_a_name_when_a_stranger_lies_closer() -> None:
    named, stranger = face("p-named", [0.45, 0]), face("p-stranger", [0.01, 0])
    found = decided(0, named, stranger, strangers=frozenset({"p-stranger"}))
    assert isinstance(found, Recognised)
    assert found.person_id == "p-named"


def test_decide_takes_the_stranger_when_the_name_lies_too_far() -> None:
    named, stranger = face("p-named", [JUST_BEYOND, 0]), face("p-stranger", [0.01, 0])
    found = decided(0, named, stranger, strangers=frozenset({"p-stranger"}))
    assert isinstance(found, Recognised)
    assert found.person_id == "p-stranger"


@pytest.mark.parametrize(
    ("distance", "references", "acceptable", "kept"),
    [
        (ADDS, 1, True, True),
        (ADDS_NOTHING, 1, True, False),  # too much like what is there
        (ADDS, 1, False, False),  # of poor quality
        (ADDS, REFERENCES_OF_A_STRANGER - 1, True, True),
        (ADDS, REFERENCES_OF_A_STRANGER, True, False),  # there are enough
    ],
)
def test_decide_keeps_a_strangers_face_when_it_adds_something(
    distance: float, references: int, acceptable: bool, kept: bool
) -> None:
    faces = [face("p-1", [0, 0])] * references
    found = decided(distance, *faces, strangers=frozenset({"p-1"}), acceptable=acceptable)
    assert isinstance(found, Recognised)
    assert found.becomes_reference is kept


def test_decide_keeps_no_face_of_a_named_person_when_it_would_add_something() -> None:
    found = decided(ADDS, face("p-1", [0, 0]))
    assert isinstance(found, Recognised)
    assert not found.becomes_reference


@pytest.mark.parametrize(
    ("accepted", "confidence"),
    [
        (0.99e-4, Confidence.HIGH),
        (1.01e-4, Confidence.MEDIUM),
        (1.99e-3, Confidence.MEDIUM),
        (2.01e-3, Confidence.LOW),
    ],
)
def test_decide_bands_its_confidence_when_strangers_lie_as_close_so_often(
    accepted: float, confidence: Confidence
) -> None:
    distance = BudgetRule(accepted, IMPOSTORS).threshold(1)
    found = decide(
        vector(distance, 0),
        acceptable=True,
        galleries=Galleries(MODEL, [face("p-1", [0, 0])]),
        rule=BudgetRule(0.01, IMPOSTORS),
    )
    assert isinstance(found, Recognised)
    assert found.confidence is confidence


def test_decide_is_sure_when_a_large_gallery_holds_the_very_picture() -> None:
    crowd = [face(f"p-{index}", [2.0 + index, 0]) for index in range(3000)]
    found = decide(
        vector(2, 0),
        acceptable=True,
        galleries=Galleries(MODEL, crowd),
        rule=BudgetRule(0.01, IMPOSTORS),
    )
    assert found == Recognised("p-0", Confidence.HIGH)
