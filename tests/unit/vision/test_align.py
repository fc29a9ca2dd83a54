"""Faces cut out, and their landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from usher.domain.errors import InvalidImage
from usher.domain.geometry import Box
from usher.vision.align import DLIB_CHIP, ChipFormat, FaceAligner, plausible
from usher.vision.images import RgbImage
from usher.vision.pipeline import FacePipeline


@pytest.fixture(scope="module")
def aligner() -> FaceAligner:
    return FaceAligner()


def test_align_cuts_a_face_in_each_format(
    aligner: FaceAligner, pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    box = pipeline.faces_in(two_people_rgb)[0].box
    (chip,) = aligner.align(two_people_rgb, box).chips
    wide, same = aligner.align(two_people_rgb, box, ChipFormat(180, 0.4), DLIB_CHIP).chips
    assert (chip.shape, wide.shape) == ((150, 150, 3), (180, 180, 3))
    assert np.array_equal(same, chip)
    # At the same scale, what lies further out has been added on each side.
    assert np.abs(wide[15:165, 15:165].astype(int) - chip).mean() < 2


def test_align_makes_little_of_a_boxs_shape(
    aligner: FaceAligner, pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    """A tall box, as MTCNN draws it, gives the landmarks of the square one."""
    box = pipeline.faces_in(two_people_rgb)[0].box
    tall = Box(
        box.x1 + round(0.07 * box.width),
        box.y1 - round(0.145 * box.width),
        box.x2 - round(0.07 * box.width),
        box.y2 + round(0.02 * box.width),
    )
    square = aligner.align(two_people_rgb, box).landmarks
    found = aligner.align(two_people_rgb, tall).landmarks
    eyes_apart = np.linalg.norm(square[0] - square[2])
    assert np.linalg.norm(found - square, axis=1).max() < 0.05 * eyes_apart


def test_landmarks_are_in_the_documented_order(
    aligner: FaceAligner, pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    for face in pipeline.faces_in(two_people_rgb):
        points = aligner.align(two_people_rgb, face.box).landmarks
        assert (points.dtype, points.shape) == (np.float32, (5, 2))
        right_outer, right_inner, left_outer, left_inner, nose = points
        assert left_outer[0] < left_inner[0] < right_inner[0] < right_outer[0]
        assert nose[1] > points[:4, 1].max()


def test_align_cuts_by_the_landmarks_that_are_given(
    aligner: FaceAligner, pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    box = pipeline.faces_in(two_people_rgb)[0].box
    found = aligner.align(two_people_rgb, box)
    again = aligner.align(two_people_rgb, box, landmarks=found.landmarks)
    assert np.array_equal(again.chip_rgb, found.chip_rgb)
    assert np.array_equal(again.landmarks, found.landmarks)
    # They were used: those of a face a little to the right show it a little to the left.
    aside = aligner.align(two_people_rgb, box, landmarks=found.landmarks + np.float32([5, 0]))
    assert np.array_equal(aside.landmarks, found.landmarks + np.float32([5, 0]))
    assert not np.array_equal(aside.chip_rgb, found.chip_rgb)


def test_align_looks_for_landmarks_when_those_given_are_not_plausible(
    aligner: FaceAligner, pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    box = pipeline.faces_in(two_people_rgb)[0].box
    found = aligner.align(two_people_rgb, box)
    given = aligner.align(two_people_rgb, box, landmarks=np.zeros((5, 2), np.float32))
    assert np.array_equal(given.chip_rgb, found.chip_rgb)


BOX = Box(100, 100, 200, 200)
UPRIGHT = np.array([[180, 140], [160, 140], [120, 140], [140, 140], [150, 170]], np.float32)


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (UPRIGHT, True),
        (UPRIGHT + np.float32(60), False),  # beside the face
        ((UPRIGHT - 150) / 4 + 150, False),  # the eyes too near to each other
        (UPRIGHT[[2, 3, 0, 1, 4]], False),  # the eyes the other way round
        (UPRIGHT[[1, 0, 2, 3, 4]], False),  # inner and outer corner exchanged
        (UPRIGHT * [1, -1] + [0, 300], False),  # upside down
        (UPRIGHT[:, ::-1], False),  # lying on the side
        (np.full((5, 2), np.nan), False),
        (UPRIGHT[:4], False),
        # Another detector's five points: eyes, nose, corners of the mouth.
        (np.array([[130, 140], [170, 140], [150, 160], [135, 180], [165, 180]]), False),
    ],
)
def test_landmarks_are_plausible_when_they_may_be_an_upright_faces(
    points: np.ndarray, expected: bool
) -> None:
    assert plausible(points, BOX) is expected


def test_landmarks_found_are_plausible(
    aligner: FaceAligner, pipeline: FacePipeline, two_people_rgb: RgbImage
) -> None:
    for found in pipeline.faces_in(two_people_rgb):
        assert plausible(aligner.align(two_people_rgb, found.box).landmarks, found.box)


def test_align_refuses_a_box_more_than_half_outside(aligner: FaceAligner) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    assert aligner.align(image, Box(-50, 0, 50, 100)).chip_rgb.shape[0] == 150
    with pytest.raises(InvalidImage, match="mostly outside"):
        aligner.align(image, Box(-51, 0, 49, 100))
