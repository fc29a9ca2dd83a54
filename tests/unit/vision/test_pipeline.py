"""Photographs to faces to vectors, on real photographs and on generated ones."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usher.domain.errors import InvalidImage, NoFaceFound, SeveralFaces
from usher.domain.geometry import Box
from usher.vision.images import RgbImage, resized
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime

from .conftest import photograph


def iou(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def test_faces_in_finds_both_people(pipeline: FacePipeline, two_people_rgb: RgbImage) -> None:
    faces = pipeline.faces_in(two_people_rgb)
    assert len(faces) == 2
    assert [face.score for face in faces] == sorted((face.score for face in faces), reverse=True)


@pytest.mark.parametrize("scale", [0.35, 0.5, 2.0, 4.0])
def test_faces_in_gives_boxes_of_the_photograph_at_any_size(
    pipeline: FacePipeline, two_people_rgb: RgbImage, scale: float
) -> None:
    found = pipeline.faces_in(resized(two_people_rgb, scale))
    expected = [face.box.scaled(scale) for face in pipeline.faces_in(two_people_rgb)]
    assert len(found) == 2
    for box in expected:
        assert max(iou(box, face.box) for face in found) > 0.5  # its sizes come in steps of 1.2


def test_faces_in_finds_none_among_dogs(pipeline: FacePipeline, test_data: Path) -> None:
    assert pipeline.faces_in(photograph(test_data / "groups" / "dogs.jpg")) == []


@pytest.mark.parametrize("shape", [(0, 0), (0, 9), (1, 1), (16, 4000), (5000, 17), (80, 80)])
def test_faces_in_finds_none_in_a_blank_picture(
    pipeline: FacePipeline, shape: tuple[int, int]
) -> None:
    assert pipeline.faces_in(np.zeros((*shape, 3), np.uint8)) == []


def test_faces_in_gives_every_thread_its_own_answer(
    pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    pictures = [two_people_rgb, two_people_rgb[:, :600], two_people_rgb[:, 600:]]
    expected = [pipeline.faces_in(picture) for picture in pictures]
    found: list[object] = [None] * 6

    def look(index: int) -> None:
        found[index] = [pipeline.faces_in(pictures[index % 3]) for _ in range(4)]

    threads = [threading.Thread(target=look, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[expected[index % 3]] * 4 for index in range(6)]


def test_central_face_is_the_one_nearest_to_the_middle(
    pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    left, right = sorted(
        (face.box for face in pipeline.faces_in(two_people_rgb)), key=lambda box: box.x1
    )
    padded = cv2.copyMakeBorder(two_people_rgb, 0, 0, 0, 800, cv2.BORDER_CONSTANT)
    assert iou(pipeline.central_face(np.asarray(padded, np.uint8)).box, right) > 0.6
    assert iou(pipeline.central_face(two_people_rgb[:, : right.x1]).box, left) > 0.6


def test_central_face_says_so_when_there_is_none(pipeline: FacePipeline) -> None:
    with pytest.raises(NoFaceFound, match="send a photograph"):
        pipeline.central_face(np.full((200, 200, 3), 127, np.uint8))


def test_central_face_is_found_in_the_photograph_with_alpha(
    pipeline: FacePipeline, test_data: Path
) -> None:
    image_rgb = photograph(test_data / "bad-images" / "rgba.png")
    assert iou(pipeline.central_face(image_rgb).box, Box(180, 280, 480, 590)) > 0.7


def test_describe_puts_photographs_of_one_person_closer_than_of_two(
    pipeline: FacePipeline, test_data: Path
) -> None:
    photos = [
        photograph(test_data / "enrol" / name)
        for name in ("barack-obama/1.jpg", "barack-obama/2.jpg", "joe-biden/1.jpg")
    ]
    obama, obama_again, biden = pipeline.describe_many(
        [(photo, pipeline.central_face(photo).box) for photo in photos]
    )
    assert obama.embedding.shape == (pipeline.dimension,)
    assert obama.embedding.dtype == np.float32
    assert all(face.quality.acceptable for face in (obama, obama_again, biden))
    same = np.linalg.norm(obama.embedding - obama_again.embedding)
    different = np.linalg.norm(obama.embedding - biden.embedding)
    assert same < 0.35
    assert different > 0.5
    assert np.linalg.norm(obama.raw_embedding - obama_again.raw_embedding) < 0.5
    assert np.linalg.norm(obama.raw_embedding - biden.raw_embedding) > 0.7


def test_describe_many_gives_what_describe_gives_one_by_one(
    pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    boxes = [face.box for face in pipeline.faces_in(two_people_rgb)]
    together = pipeline.describe(two_people_rgb, boxes)
    alone = [pipeline.describe(two_people_rgb, [box])[0] for box in boxes]
    for one, other in zip(together, alone, strict=True):
        assert one.box == other.box
        assert one.quality == other.quality
        assert np.array_equal(one.chip_rgb, other.chip_rgb)
        assert np.allclose(one.embedding, other.embedding, atol=1e-6)
        assert np.allclose(one.raw_embedding, other.raw_embedding, atol=1e-6)


def test_describe_many_gives_nothing_for_nothing(pipeline: FacePipeline) -> None:
    assert pipeline.describe_many([]) == []


def test_describe_many_keeps_no_image_but_the_one_before_when_they_are_made_one_by_one(
    pipeline: FacePipeline,
) -> None:
    made: list[weakref.ref[RgbImage]] = []
    alive: list[int] = []

    def faces() -> Iterator[tuple[RgbImage, Box]]:
        for grey in (60, 120, 180):
            alive.append(sum(image() is not None for image in made))
            image_rgb = np.full((120, 120, 3), grey, np.uint8)
            made.append(weakref.ref(image_rgb))
            yield image_rgb, Box(20, 20, 100, 100)
            del image_rgb

    assert len(pipeline.describe_many(faces())) == 3
    assert max(alive) <= 1


def test_raw_vectors_are_those_of_a_raw_pipeline(
    pipeline: FacePipeline, runtime: Runtime, two_people_rgb: RgbImage
) -> None:
    raw = make_pipeline(runtime, "dlib")
    boxes = [face.box for face in pipeline.faces_in(two_people_rgb)]
    assert (raw.model_id, pipeline.model_id) == ("dlib-resnet-v1", "dlib-resnet-v1-crops")
    for one, other in zip(
        raw.describe(two_people_rgb, boxes), pipeline.describe(two_people_rgb, boxes), strict=True
    ):
        assert np.allclose(one.embedding, other.raw_embedding, rtol=0, atol=1e-6)
        assert np.array_equal(one.embedding, one.raw_embedding)


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    corner=st.tuples(st.integers(-300, 300), st.integers(-300, 300)),
    sides=st.tuples(st.integers(1, 400), st.integers(1, 400)),
)
def test_describe_describes_or_refuses_any_box(
    pipeline: FacePipeline,
    width: int,
    height: int,
    corner: tuple[int, int],
    sides: tuple[int, int],
) -> None:
    image_rgb = np.full((height, width, 3), 90, np.uint8)
    box = Box(corner[0], corner[1], corner[0] + sides[0], corner[1] + sides[1])
    try:
        (described,) = pipeline.describe(image_rgb, [box])
    except InvalidImage:
        return
    assert described.chip_rgb.shape == (150, 150, 3)
    assert np.isfinite(described.embedding).all()
    assert not described.quality.acceptable  # it is blank


@pytest.mark.parametrize(
    "box",
    [
        Box(200, 0, 250, 50),
        Box(-50, -50, 0, 0),
        Box(-26, 0, 24, 50),
        Box(76, 0, 126, 50),
        Box(0, 76, 50, 126),
        Box(-100_000, -100_000, 100_000, 100_000),
    ],
)
def test_describe_refuses_a_box_that_lies_mostly_outside(pipeline: FacePipeline, box: Box) -> None:
    with pytest.raises(InvalidImage, match="mostly outside"):
        pipeline.describe(np.zeros((100, 100, 3), np.uint8), [box])


@pytest.mark.parametrize("box", [Box(-25, 0, 25, 50), Box(75, 0, 125, 50), Box(0, 75, 50, 125)])
def test_describe_accepts_a_box_that_lies_half_inside(pipeline: FacePipeline, box: Box) -> None:
    assert len(pipeline.describe(np.zeros((100, 100, 3), np.uint8), [box])) == 1


def test_portrait_is_the_face_that_is_clearly_larger(
    pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    with pytest.raises(SeveralFaces, match="shows 2 faces: cut it down to one"):
        pipeline.portrait(two_people_rgb)
    left, right = sorted(face.box.x1 for face in pipeline.faces_in(two_people_rgb))
    height = two_people_rgb.shape[0]
    one = two_people_rgb[:, : (left + right) // 2 + 50]
    small = np.zeros((height, 600, 3), np.uint8)
    shrunk = resized(two_people_rgb[:, (left + right) // 2 + 50 :], 0.45)
    small[: shrunk.shape[0], : shrunk.shape[1]] = shrunk[:height, :600]
    together = np.hstack([one, small])
    assert len(pipeline.faces_in(together)) == 2
    assert pipeline.portrait(together).box.x1 == pytest.approx(left, abs=20)


def test_portrait_refuses_pictures_without_a_good_face(
    pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    with pytest.raises(NoFaceFound, match="no face was found"):
        pipeline.portrait(np.zeros((200, 200, 3), np.uint8))
    one = two_people_rgb[:, : two_people_rgb.shape[1] // 2]
    blurred = np.asarray(cv2.GaussianBlur(one, (0, 0), 6), np.uint8)
    with pytest.raises(InvalidImage, match="too blurred"):
        pipeline.portrait(blurred)
