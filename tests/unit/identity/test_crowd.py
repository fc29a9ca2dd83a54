"""Matrices say what the gallery says, one face at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.identity.people import DIMENSION, centres, faces_of, gallery_of
from usher.identity import crowd as module
from usher.identity.crowd import Crowd, blocks
from usher.identity.gallery import TemplateGallery
from usher.identity.vectors import Vectors

_SEEDS = st.integers(0, 2**32 - 1)
_COUNTS = st.sampled_from([1, 2, 3, 4, 9, 10, 11, 40, 300])


def people(count: int, seed: int) -> tuple[TemplateGallery, Vectors]:
    """Some, by two photographs each, and six faces of the first of them."""
    random = np.random.default_rng(seed)
    middles = centres(count, random)
    gallery = gallery_of(faces_of(middles, 2, random), np.repeat(np.arange(count), 2))
    return gallery, faces_of(middles[:6], 1, random)


@settings(deadline=None, max_examples=40)
@given(count=_COUNTS, seed=_SEEDS)
def test_crowd_agrees_with_the_gallery(count: int, seed: int) -> None:
    gallery, faces = people(count, seed)
    crowd = Crowd.of(gallery)
    for face, place, score in zip(faces, *crowd.stand_outs(faces), strict=True):
        assert gallery.best(face) == (crowd.persons[place], pytest.approx(score, abs=1e-6))


@settings(deadline=None, max_examples=40)
@given(count=_COUNTS, seed=_SEEDS)
def test_crowd_without_somebody_agrees_with_a_gallery_that_they_have_left(
    count: int, seed: int
) -> None:
    gallery, faces = people(count, seed)
    crowd = Crowd.of(gallery)
    gone = np.random.default_rng(seed).choice(crowd.persons, len(faces)).tolist()
    for face, person_id, place, score in zip(
        faces, gone, *crowd.stand_outs(faces, without=gone), strict=True
    ):
        references = gallery.references_of(person_id)
        gallery.put(person_id, ())
        match = gallery.best(face)
        gallery.put(person_id, references)
        if match is None:
            assert (place, score) == (-1, -np.inf)
        else:
            assert match == (crowd.persons[place], pytest.approx(score, abs=1e-6))


def test_crowd_finds_nobody_when_there_is_nobody() -> None:
    crowd = Crowd((), np.empty((0, DIMENSION), np.float32))
    places, scores = crowd.stand_outs(np.eye(2, DIMENSION, dtype=np.float32))
    assert places.tolist() == [-1, -1]
    assert scores.tolist() == [-np.inf] * 2


def test_crowd_finds_nothing_when_there_are_no_faces() -> None:
    gallery, _ = people(5, seed=0)
    places, scores = Crowd.of(gallery).stand_outs(np.empty((0, DIMENSION), np.float32))
    assert len(places) == len(scores) == 0


def test_crowd_says_the_same_when_it_works_in_small_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gallery, faces = people(40, seed=4)
    whole = Crowd.of(gallery).stand_outs(faces)
    monkeypatch.setattr(module, "_BLOCK_CELLS", 80)
    for one, other in zip(whole, Crowd.of(gallery).stand_outs(faces), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@given(st.integers(0, 20_000), st.integers(0, 1 << 26))
def test_blocks_are_all_rows_in_order(rows: int, width: int) -> None:
    covered = [slice(0, 0), *blocks(rows, width)]
    assert [one.start for one in covered[1:]] == [one.stop for one in covered[:-1]]
    assert covered[-1].stop == rows
    assert all(one.stop - one.start >= 1 for one in covered[1:])
    assert all((one.stop - one.start - 1) * width < 1 << 24 for one in covered[1:])
