"""A batch of detections, each decided on top of those before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from services.classifier.deciding import ONE_SHOT, Batch
from tests.unit.identity.people import centres, faces_of, references
from tests.unit.storage.making import POOR, embedded, person
from usher.domain.records import Detection, Embedding, PersonKind, Vector
from usher.identity.decide import Identifier
from usher.identity.rules import make_rule

MODEL = "dlib-resnet-v1-crops"
PEOPLE = 6


@pytest.fixture
def faces() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Of six people, four each: float32, (6, 4, 32)."""
    random = np.random.default_rng(1)
    return faces_of(centres(PEOPLE, random), 4, random).reshape(PEOPLE, 4, -1)


@pytest.fixture
def identifier() -> Identifier:
    rule = make_rule("budget", model=MODEL, budget=0.01, fixed_distance=None)
    return Identifier(MODEL, rule)


def seen(vector: Vector, second: float = 0, **fields: Any) -> Detection:
    return embedded(second, embedding=Embedding(MODEL, vector), **fields)


def test_batch_founds_a_person_once_when_a_stranger_is_seen_twice(
    faces: Any, identifier: Identifier
) -> None:
    first, second = Batch(identifier, {}).decide([seen(faces[0, 0]), seen(faces[0, 1])])
    assert first.founds and first.reference
    assert not second.founds and second.reference
    assert second.person_id == first.person_id


def test_batch_leaves_a_poor_face_to_nobody_when_it_knows_nobody(
    faces: Any, identifier: Identifier
) -> None:
    (assignment,) = Batch(identifier, {}).decide([seen(faces[0, 0], quality=POOR)])
    assert assignment.person_id is None
    assert not assignment.founds
    assert not assignment.reference


class TestTracks:
    def test_batch_waits_for_a_second_shot_when_the_track_has_shown_one(
        self, faces: Any, identifier: Identifier
    ) -> None:
        (assignment,) = Batch(identifier, {}).decide([seen(faces[0, 0], track_id="t")])
        assert assignment.person_id is None
        assert assignment.reason == ONE_SHOT

    def test_batch_founds_with_the_earlier_shot_when_the_track_shows_a_second(
        self, faces: Any, identifier: Identifier
    ) -> None:
        earlier = seen(faces[0, 0], track_id="t")
        batch = Batch(identifier, {("door", "t"): [earlier]})
        (assignment,) = batch.decide([seen(faces[0, 1], 1, track_id="t")])
        assert assignment.founds
        assert assignment.companions == (earlier.id,)
        assert len(identifier.strangers.references_of(str(assignment.person_id))) == 2

    def test_batch_founds_by_the_first_when_both_shots_are_in_it(
        self, faces: Any, identifier: Identifier
    ) -> None:
        shots = [seen(faces[0, place], place, track_id="t") for place in range(3)]
        first, second, third = Batch(identifier, {}).decide(shots)
        assert (first.founds, second.founds, third.founds) == (True, False, False)
        assert first.person_id == second.person_id == third.person_id is not None
        assert not second.companions
        assert [item.detection for item in (first, second)] == shots[:2]

    def test_batch_founds_nobody_when_the_shots_of_a_track_show_two_faces(
        self, faces: Any, identifier: Identifier
    ) -> None:
        shots = [seen(faces[who, 0], who, track_id="t") for who in range(2)]
        assert [item.person_id for item in Batch(identifier, {}).decide(shots)] == [None, None]

    def test_batch_founds_nobody_when_the_shots_are_of_two_cameras(
        self, faces: Any, identifier: Identifier
    ) -> None:
        shots = [seen(faces[0, n], n, track_id="t", camera_id=f"c{n}") for n in range(2)]
        assert [item.person_id for item in Batch(identifier, {}).decide(shots)] == [None, None]


def test_batch_keeps_a_stranger_apart_when_it_was_said_not_to_be_somebody(
    faces: Any, identifier: Identifier
) -> None:
    for who in range(1, PEOPLE):
        known = person(f"p-{who}", PersonKind.KNOWN, name=str(who))
        identifier.know(known, references(faces[who]))
    probe = faces[1, 0]
    (named,) = Batch(identifier, {}).decide([seen(probe)])
    assert named.person_id == "p-1"
    batch = Batch(identifier, {})
    (rejected,) = batch.decide([seen(probe, 1, not_persons=("p-1",))])
    assert rejected.founds
    assert batch.ledger.touched == {rejected.person_id, "p-1"}
    assert identifier.are_apart(str(rejected.person_id), "p-1")
    # Seen again it is the stranger, whatever the likeness.
    (again,) = Batch(identifier, {}).decide([seen(probe, 2)])
    assert again.person_id == rejected.person_id
    assert again.candidate_id is None


def test_batch_drops_the_least_telling_reference_when_a_stranger_has_ten(
    identifier: Identifier,
) -> None:
    random = np.random.default_rng(2)
    some = faces_of(centres(1, random), 14, random)
    given = [seen(vector, second) for second, vector in enumerate(some)]
    assignments = Batch(identifier, {}).decide(given)
    dropped = [id_ for item in assignments for id_ in item.drops]
    (person_id,) = {item.person_id for item in assignments}
    kept = {reference.id for reference in identifier.strangers.references_of(str(person_id))}
    assert len(dropped) == 4
    assert kept | set(dropped) == {detection.id for detection in given}
