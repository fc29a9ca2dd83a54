"""Faces cut out, and their landmarks."""

from __future__ import annotations

import numpy as np
import pytest

from usher.domain.errors import InvalidImage
from usher.domain.geometry import Box
from usher.vision.align import DLIB_CHIP, ChipFormat, FaceAligner
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


def test_align_refuses_a_box_more_than_half_outside(aligner: FaceAligner) -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    assert aligner.align(image, Box(-50, 0, 50, 100)).chip_rgb.shape[0] == 150
    with pytest.raises(InvalidImage, match="mostly outside"):
        aligner.align(image, Box(-51, 0, 49, 100))
