from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
import pytest

from usher.commands.sightings import (
    EMBED_EVERY,
    MAY_MISS,
    Onlooker,
    Sighting,
    match_boxes,
    overlap,
)
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.domain.records import Vector
from usher.identity.measured import impostors_of
from usher.identity.rules import FixedRule
from usher.vision.align import DLIB_CHIP, FaceAligner
from usher.vision.detectors import FaceDetector, make_detector
from usher.vision.embed import Chips, Embeddings
from usher.vision.pipeline import FacePipeline
from usher.vision.selftest import draw_face

FRAME_RGB = draw_face(300)
FACE = DetectedFace(Box(66, 96, 228, 258), 1.0)
RULE = FixedRule(0.5, impostors_of("dlib-resnet-v1"))


class Scripted:
    """An embedder that gives vectors that the test chose."""

    model_id = "scripted"
    dimension = 3
    views = (DLIB_CHIP,)
    impostors = None

    def __init__(self, vectors: Iterable[Vector]) -> None:
        self._vectors: Iterator[Vector] = iter(vectors)
        self.embedded = 0

    def embed(self, *views: Chips) -> Embeddings:
        (chips,) = views
        self.embedded += len(chips)
        return np.array([next(self._vectors) for _ in chips], np.float32).reshape(-1, 3)


@cache
def _models() -> tuple[FaceDetector, FaceAligner]:
    return make_detector("hog", min_face_px=80), FaceAligner()


def at(x: float) -> Vector:
    return np.array([x, 0, 0], np.float32)


def onlooker(
    *vectors: Vector, people: tuple[tuple[str, Vector], ...] = ()
) -> tuple[Onlooker, Scripted]:
    embedder = Scripted(vectors)
    pipeline = FacePipeline(*_models(), embedder)
    return Onlooker(pipeline, RULE, people), embedder


def watch(looking: Onlooker, frames: Iterable[int]) -> list[Sighting]:
    return [looking.look(FRAME_RGB, index, [FACE])[0] for index in frames]


def test_known_person_is_recognised_with_a_confidence() -> None:
    looking, _ = onlooker(at(0.1), people=(("Ann", at(0)), ("Bob", at(3))))
    (seen,) = watch(looking, [0])
    assert (seen.person, seen.is_known) == ("Ann", True)
    assert seen.confidence is not None


def test_strangers_are_told_apart_and_recognised_again() -> None:
    gap = MAY_MISS + 1
    looking, _ = onlooker(at(0), at(5), at(0.1))
    names = [seen.person for seen in watch(looking, [0, gap, 2 * gap])]
    assert names == ["person 1", "person 2", "person 1"]


def test_stranger_takes_no_name_of_a_known_person() -> None:
    looking, _ = onlooker(at(5), people=(("person 1", at(0)),))
    (seen,) = watch(looking, [0])
    assert (seen.person, seen.is_known) == ("person 2", False)


def test_face_that_stays_is_embedded_seldom() -> None:
    looking, embedder = onlooker(*[at(0)] * 10)
    seen = watch(looking, range(2 * EMBED_EVERY + 1))
    assert embedder.embedded == 3
    assert {sighting.person for sighting in seen} == {"person 1"}


def test_face_after_a_cut_is_somebody_else() -> None:
    looking, _ = onlooker(at(0), at(5))
    seen = watch(looking, [0, EMBED_EVERY])
    assert [sighting.person for sighting in seen] == ["person 1", "person 2"]


def test_face_that_turns_founds_nobody_new() -> None:
    """From one look to the next it is one person's, though no longer close to the reference."""
    looking, _ = onlooker(at(0.1), at(0.55), at(0.6), people=(("Ann", at(0)),))
    seen = watch(looking, [0, EMBED_EVERY, 2 * EMBED_EVERY])
    assert {sighting.person for sighting in seen} == {"Ann"}


def test_name_follows_what_most_looks_say() -> None:
    looking, _ = onlooker(at(0.4), at(0.6), at(0.6), people=(("Ann", at(0)), ("Bob", at(1))))
    seen = watch(looking, [0, EMBED_EVERY, 2 * EMBED_EVERY])
    assert [sighting.person for sighting in seen] == ["Ann", "Ann", "Bob"]


@pytest.mark.parametrize(("missed", "person"), [(MAY_MISS, "Ann"), (MAY_MISS + 1, "person 1")])
def test_face_is_followed_over_a_few_frames_without_it(missed: int, person: str) -> None:
    """The second vector is too far from Ann's reference, but not from her last one."""
    looking, _ = onlooker(at(0.1), at(0.55), people=(("Ann", at(0)),))
    seen = watch(looking, [0, missed])
    assert [sighting.person for sighting in seen] == ["Ann", person]


def test_poor_face_is_left_unnamed() -> None:
    looking, _ = onlooker(at(0))
    blank_rgb = np.full_like(FRAME_RGB, 90)
    (seen,) = looking.look(blank_rgb, 0, [FACE])
    assert seen.person is None


def test_face_that_lies_mostly_outside_is_left_out() -> None:
    looking, embedder = onlooker()
    outside = DetectedFace(Box(-80, 0, 20, 100), 1.0)
    assert looking.look(FRAME_RGB, 0, [outside]) == []
    assert embedder.embedded == 0


def test_frame_without_faces_shows_nobody() -> None:
    looking, _ = onlooker()
    assert looking.look(FRAME_RGB, 0, []) == []


# ---- Boxes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("other", "share"),
    [
        (Box(0, 0, 10, 10), 1.0),
        (Box(5, 0, 15, 10), 1 / 3),
        (Box(10, 0, 20, 10), 0.0),
        (Box(50, 50, 60, 60), 0.0),
        (Box(0, 0, 10, 5), 0.5),
    ],
)
def test_overlap_is_intersection_over_union(other: Box, share: float) -> None:
    assert overlap(Box(0, 0, 10, 10), other) == pytest.approx(share)
    assert overlap(other, Box(0, 0, 10, 10)) == pytest.approx(share)


def test_boxes_are_matched_by_the_greatest_overlap_each_once() -> None:
    before = [Box(0, 0, 10, 10), Box(4, 0, 14, 10)]
    after = [Box(3, 0, 13, 10), Box(50, 0, 60, 10), Box(0, 0, 10, 10)]
    assert match_boxes(before, after) == {0: 1, 2: 0}


def test_box_before_is_matched_with_one_box_after() -> None:
    assert match_boxes([Box(0, 0, 10, 10)], [Box(2, 0, 12, 10), Box(1, 0, 11, 10)]) == {1: 0}


@pytest.mark.parametrize(("x", "matched"), [(5, {0: 0}), (6, {})])
def test_boxes_that_overlap_too_little_are_not_matched(x: int, matched: dict[int, int]) -> None:
    assert match_boxes([Box(0, 0, 10, 10)], [Box(x, 0, x + 10, 10)]) == matched


def test_no_boxes_match_none() -> None:
    assert match_boxes([], []) == {}
    assert match_boxes([Box(0, 0, 1, 1)], []) == {}
