"""The quality gate."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from usher.domain.geometry import Box
from usher.vision.align import FaceAligner
from usher.vision.images import RgbImage, resized
from usher.vision.pipeline import FacePipeline
from usher.vision.quality import MIN_SIZE_PX, assess, sharpness_of

from .conftest import photograph

NOISE = np.random.default_rng(5).integers(0, 255, (150, 150, 3), np.uint8)


IMAGE = np.zeros((400, 400, 3), np.uint8)


@pytest.mark.parametrize("sides", [(MIN_SIZE_PX, MIN_SIZE_PX), (MIN_SIZE_PX, 300)])
def test_assess_accepts_the_smallest_face_and_refuses_one_pixel_less(
    sides: tuple[int, int],
) -> None:
    assert assess(IMAGE, Box(0, 0, *sides), NOISE).acceptable
    refused = assess(IMAGE, Box(0, 0, sides[0] - 1, sides[1]), NOISE)
    assert not refused.acceptable
    assert refused.reasons == ("face too small: 35 px, at least 36",)


def test_assess_accepts_a_quarter_outside_and_refuses_a_pixel_more() -> None:
    assert assess(IMAGE, Box(-25, 0, 75, 100), NOISE).acceptable
    refused = assess(IMAGE, Box(-26, 0, 74, 100), NOISE)
    assert refused.reasons == ("face cut off: 26% outside, at most 25%",)


def test_assess_gives_every_reason() -> None:
    refused = assess(IMAGE, Box(-5, 0, 4, 9), IMAGE[:150, :150])
    assert [reason.split(":")[0] for reason in refused.reasons] == [
        "face too small",
        "face cut off",
        "face too blurred",
    ]


def test_sharpness_does_not_take_a_black_margin_for_detail() -> None:
    soft = blurred(NOISE, 12)
    tilt = np.add.outer(np.arange(150), np.arange(150) // 3)
    cut = np.where((tilt > 150)[..., None], 0, soft).astype(np.uint8)
    assert sharpness_of(cut) == pytest.approx(sharpness_of(soft), rel=0.5)


def test_sharpness_is_zero_when_all_is_black() -> None:
    assert sharpness_of(IMAGE[:150, :150]) == 0


@pytest.mark.parametrize("angle_deg", [0, 45, 90, 135])
def test_sharpness_falls_with_motion_in_any_direction(angle_deg: int) -> None:
    kernel = np.zeros((21, 21), np.float32)
    kernel[10] = 1 / 21
    turn = cv2.getRotationMatrix2D((10, 10), angle_deg, 1)
    moved = np.asarray(cv2.filter2D(NOISE, -1, cv2.warpAffine(kernel, turn, (21, 21))), np.uint8)
    assert sharpness_of(moved) < sharpness_of(NOISE) / 10


def blurred(image_rgb: RgbImage, sigma_px: float) -> RgbImage:
    return np.asarray(cv2.GaussianBlur(image_rgb, (0, 0), sigma_px), np.uint8)


@pytest.fixture(scope="module")
def photographs(pipeline: FacePipeline, test_data: Path) -> list[tuple[RgbImage, Box]]:
    """Sixty photographs of LFW in which a face is found."""
    files = sorted((test_data / "lfw-dev" / "images").glob("*/*_0001.jpg"))[::28]
    photos = [photograph(file) for file in files]
    found = [(photo, pipeline.faces_in(photo)) for photo in photos]
    return [(photo, faces[0].box) for photo, faces in found if faces]


@pytest.fixture(scope="module")
def aligner() -> FaceAligner:
    return FaceAligner()


def refused(aligner: FaceAligner, faces: list[tuple[RgbImage, Box]]) -> float:
    """The share of faces that are not acceptable."""
    qualities = [assess(photo, box, aligner.align(photo, box)) for photo, box in faces]
    return sum(not quality.acceptable for quality in qualities) / len(qualities)


def test_gate_lets_photographs_pass(
    aligner: FaceAligner, photographs: list[tuple[RgbImage, Box]]
) -> None:
    assert refused(aligner, photographs) <= 0.05


def test_gate_lets_faces_of_half_the_size_pass(
    aligner: FaceAligner, photographs: list[tuple[RgbImage, Box]]
) -> None:
    halved = [(resized(photo, 0.5), box.scaled(0.5)) for photo, box in photographs]
    assert refused(aligner, halved) <= 0.1


def test_gate_stops_blurred_photographs(
    aligner: FaceAligner, photographs: list[tuple[RgbImage, Box]]
) -> None:
    spoilt = [(blurred(photo, 0.05 * box.size), box) for photo, box in photographs]
    assert refused(aligner, spoilt) >= 0.95


def test_gate_stops_tiny_faces(
    aligner: FaceAligner, photographs: list[tuple[RgbImage, Box]]
) -> None:
    tiny = [
        (resized(photo, 20 / box.size), box.scaled(20 / box.size)) for photo, box in photographs
    ]
    assert refused(aligner, tiny) == 1


def test_gate_stops_blurred_faces_at_the_edge_of_the_photograph(
    aligner: FaceAligner, photographs: list[tuple[RgbImage, Box]]
) -> None:
    cut = [(photo[:, max(box.x1 + box.width // 8, 0) :], box) for photo, box in photographs]
    moved = [
        (blurred(photo, 0.05 * box.size), box.shifted(photo.shape[1] - 250, 0))
        for photo, box in cut
    ]
    assert refused(aligner, moved) >= 0.95
