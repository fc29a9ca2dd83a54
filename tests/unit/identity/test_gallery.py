"""References in memory, and the nearest one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.identity.faces import MODEL, face, vector
from usher.domain.records import Vector
from usher.identity.gallery import Galleries, Gallery


def random_vectors(count: int, seed: int, *, length: float = 1.4) -> Vector:
    directions = np.random.default_rng(seed).normal(size=(count, 128))
    scaled = directions * length / np.linalg.norm(directions, axis=1, keepdims=True)
    return scaled.astype(np.float32)


def test_gallery_finds_nobody_when_it_is_empty() -> None:
    gallery = Gallery(MODEL)
    assert len(gallery) == 0
    assert gallery.nearest(vector(1, 0)) is None
    assert gallery.references_of("p-1") == 0


def test_gallery_finds_the_one_when_there_is_one() -> None:
    match = Gallery(MODEL, [face("p-1", [3, 4])]).nearest(vector(0, 0))
    assert match == ("p-1", 5.0)


def test_gallery_leaves_faces_out_when_they_are_of_another_model() -> None:
    gallery = Gallery(MODEL, [face("p-1", [0, 0], model="other"), face("p-2", [1, 0])])
    assert len(gallery) == 1
    assert gallery.nearest(vector(0, 0)) == ("p-2", 1.0)


def test_gallery_finds_distance_zero_when_the_probe_is_a_reference() -> None:
    vectors = random_vectors(50, seed=1)
    gallery = Gallery(MODEL, [face(str(index), item) for index, item in enumerate(vectors)])
    assert gallery.nearest(vectors[17]) == ("17", 0.0)


def test_gallery_keeps_what_it_had_when_it_grows_past_its_room() -> None:
    vectors = random_vectors(300, seed=2)
    gallery = Gallery(MODEL, [face("0", vectors[0])])
    for index in range(1, 300):
        gallery.add(str(index), vectors[index])
        assert len(gallery) == index + 1
    found = [gallery.nearest(item) for item in vectors]
    assert found == [(str(index), 0.0) for index in range(300)]


def test_gallery_counts_a_persons_references_when_some_are_added_later() -> None:
    gallery = Gallery(MODEL, [face("p-1", [0, 0]), face("p-2", [1, 1])])
    gallery.add("p-1", vector(2, 2))
    assert gallery.references_of("p-1") == 2
    assert gallery.references_of("p-2") == 1


@given(
    count=st.integers(1, 200),
    seed=st.integers(0, 2**32 - 1),
    length=st.floats(0.01, 100),
    spread=st.floats(1e-4, 2),
)
def test_gallery_agrees_with_numpy_when_references_lie_close_together_or_apart(
    count: int, seed: int, length: float, spread: float
) -> None:
    centre = random_vectors(1, seed, length=length)
    vectors = centre + random_vectors(count, seed + 1, length=length * spread)
    probe = (centre + random_vectors(1, seed + 2, length=length * spread))[0]
    gallery = Gallery(MODEL)
    for index, item in enumerate(vectors):
        gallery.add(str(index), item)
    match = gallery.nearest(probe)
    exact = np.linalg.norm(vectors.astype(np.float64) - probe.astype(np.float64), axis=1)
    assert match is not None
    assert match.distance == pytest.approx(exact.min(), rel=1e-5)
    assert exact[int(match.person_id)] == pytest.approx(exact.min(), rel=1e-5)


def test_galleries_keep_strangers_apart_when_faces_come_as_an_iterator() -> None:
    faces = [face("p-known", [0, 0]), face("p-stranger", [1, 0])]
    galleries = Galleries(MODEL, iter(faces), {"p-stranger"})
    assert galleries.settled.references_of("p-known") == len(galleries.settled) == 1
    assert galleries.strangers.references_of("p-stranger") == len(galleries.strangers) == 1
