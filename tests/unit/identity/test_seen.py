from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from usher.domain.records import Confidence
from usher.identity.decide import likeness
from usher.identity.measured import impostors_of
from usher.identity.rules import FixedRule, NearestBudgetRule
from usher.identity.seen import Scope, SeenFace, SeenFaces

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EVERYWHERE = Scope()
MODEL = "dlib-resnet-v1-crops"


def faces_of(count: int, dimension: int = 16, seed: int = 0) -> list[SeenFace]:
    """Faces with vectors of different lengths, one a second, at two cameras in turn."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, dimension)).astype(np.float32)
    return [
        SeenFace(f"d{n}", vector, f"camera-{n % 2}", NOON + timedelta(seconds=n))
        for n, vector in enumerate(vectors)
    ]


def seen(faces: list[SeenFace]) -> SeenFaces:
    index = SeenFaces(len(faces[0].vector))
    index.add_all(faces)
    return index


def test_likest_agrees_with_brute_force_on_vectors_of_any_length() -> None:
    faces = faces_of(9000)
    probe = np.random.default_rng(1).normal(size=16).astype(np.float32)
    exact = {face.id: float(np.linalg.norm(face.vector - probe)) for face in faces}
    nearest = sorted(exact, key=exact.__getitem__)[:21]
    farthest = (exact[nearest[-2]] + exact[nearest.pop()]) / 2
    found, searched = seen(faces).likest(probe, farthest, EVERYWHERE)
    assert searched == 9000
    assert [one.id for one in found] == nearest
    np.testing.assert_allclose(
        [one.distance for one in found], [exact[id_] for id_ in nearest], atol=1e-3
    )


@pytest.mark.parametrize(
    ("scope", "count"),
    [
        (EVERYWHERE, 10),
        (Scope(camera_ids=frozenset({"camera-1"})), 5),
        (Scope(camera_ids=frozenset({"camera-0", "camera-1"})), 10),
        (Scope(camera_ids=frozenset()), 0),
        (Scope(camera_ids=frozenset({"nowhere"})), 0),
        (Scope(since=NOON + timedelta(seconds=4)), 6),
        (Scope(until=NOON + timedelta(seconds=4)), 4),
        (Scope(since=NOON + timedelta(seconds=4), until=NOON + timedelta(seconds=4)), 0),
    ],
)
def test_likest_looks_within_the_scope_alone(scope: Scope, count: int) -> None:
    faces = faces_of(10)
    found, searched = seen(faces).likest(faces[0].vector, np.inf, scope)
    assert len(found) == searched == count


def test_nobody_is_found_among_nobody() -> None:
    assert SeenFaces(4).likest(np.ones(4, np.float32), np.inf, EVERYWHERE) == ([], 0)


def test_forgotten_face_is_not_found_and_its_vector_is_gone() -> None:
    faces = faces_of(5)
    index = seen(faces)
    index.forget(["d2", "unknown"])
    index.forget(["d2"])
    assert len(index) == 4
    assert "d2" not in index
    found, searched = index.likest(faces[2].vector, np.inf, EVERYWHERE)
    assert searched == 4
    assert "d2" not in [one.id for one in found]
    assert not index._index.vector(2).any()
    index.add_all([faces[2], faces[0]])
    assert len(index) == 5
    assert index.likest(faces[2].vector, np.inf, EVERYWHERE)[0][0].id == "d2"


def test_likest_keeps_the_order_of_arrival_when_faces_are_equally_near() -> None:
    (face,) = faces_of(1)
    twins = [SeenFace(id_, face.vector, "door", NOON) for id_ in ("last", "first", "middle")]
    found, _ = seen(twins).likest(face.vector, 1.0, EVERYWHERE)
    assert [one.id for one in found] == ["last", "first", "middle"]


def test_likeness_is_surer_the_nearer_and_the_fewer_people_there_are() -> None:
    rule = NearestBudgetRule(0.01, impostors_of(MODEL))
    assert likeness(rule, 0.2) is Confidence.HIGH
    assert likeness(rule, 0.37) is Confidence.MEDIUM
    assert likeness(rule, 0.39) is Confidence.LOW
    assert likeness(rule, 0.5) is None
    assert likeness(rule, 0.3, people=1) is Confidence.HIGH
    assert likeness(rule, 0.3, people=100) is Confidence.MEDIUM
    assert likeness(rule, 0.3, people=10_000) is Confidence.LOW


def test_likeness_keeps_to_the_distance_that_was_set_by_hand() -> None:
    rule = FixedRule(0.3, impostors_of(MODEL))
    assert likeness(rule, 0.31) is None
    assert likeness(rule, 0.29) is Confidence.HIGH
