"""The quality gate."""

from __future__ import annotations

import math
from dataclasses import astuple, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.storage.documents import plain
from usher.vision.align import FaceAligner
from usher.vision.images import RgbImage, resized
from usher.vision.pipeline import FacePipeline
from usher.vision.quality import (
    FRONTAL_PITCH,
    MIN_PROBABILITY,
    MIN_SIZE_PX,
    WEIGHTS,
    Measures,
    Pose,
    assess,
    exposure_of,
    pose_of,
    probability_of,
    reasons_against,
    sharpness_of,
    terms_of,
)

from .conftest import photograph

NOISE = np.random.default_rng(5).integers(0, 255, (150, 150, 3), np.uint8)


FRONTAL = Pose(0, FRONTAL_PITCH, 0)
GOOD = Measures(size_px=100, sharpness=50, outside=0, clipped=0, contrast=40, pose=FRONTAL)
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


WORSENING = [
    [replace(GOOD, size_px=size) for size in (200, 96, 60, 36, 12, 1)],
    [replace(GOOD, sharpness=sharpness) for sharpness in (300.0, 30.0, 10.0, 1.0, 0.0)],
    [replace(GOOD, outside=share) for share in (0.0, 0.1, 0.3, 0.5)],
    [replace(GOOD, clipped=share) for share in (0.0, 0.1, 0.5, 1.0)],
    [replace(GOOD, contrast=contrast) for contrast in (80.0, 35.0, 10.0, 1.0, 0.0)],
    [replace(GOOD, pose=Pose(yaw, FRONTAL_PITCH, 0)) for yaw in (0.0, -0.1, 0.2, -0.5, 3.0)],
    [replace(GOOD, pose=Pose(0, FRONTAL_PITCH + p, 0)) for p in (0.0, -0.1, 0.2, -0.5, 3.0)],
]


@pytest.mark.parametrize("faces", WORSENING)
def test_probability_never_rises_and_in_the_end_falls_as_one_measure_gets_worse(
    faces: list[Measures],
) -> None:
    values = [probability_of(face) for face in faces]
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < values[0] < 1


def test_every_weight_has_its_term_and_none_is_negative() -> None:
    assert set(terms_of(GOOD)) == set(WEIGHTS)
    assert min(WEIGHTS.values()) >= 0


def test_pose_counts_as_frontal_without_landmarks() -> None:
    assert probability_of(replace(GOOD, pose=None)) == probability_of(GOOD)


def test_probability_alone_refuses_and_names_what_costs_most() -> None:
    weak = replace(GOOD, size_px=36, sharpness=5.0, clipped=0.9)
    assert probability_of(weak) < MIN_PROBABILITY
    (reason,) = reasons_against(weak)
    assert reason.startswith("face hard to recognise: ")
    assert "90% too dark or too bright" in reason
    assert not reasons_against(GOOD)


@pytest.mark.parametrize("angle_deg", [0, 30, -75])
def test_pose_tells_turned_from_rolled(angle_deg: float) -> None:
    points = np.array([[40, 0], [20, 0], [-40, 0], [-20, 0], [16, 40]], np.float64)
    c, s = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    rolled = points @ np.array([[c, s], [-s, c]]) + 200
    pose = pose_of(rolled.astype(np.float32))
    assert astuple(pose) == pytest.approx((0.2, 0.5, angle_deg), abs=1e-4)


def test_exposure_counts_both_ends_of_the_grey_levels() -> None:
    greys = {9: 1.0, 10: 0.0, 245: 0.0, 246: 1.0}
    for grey, clipped in greys.items():
        assert exposure_of(np.full((150, 150, 3), grey, np.uint8)) == (clipped, 0)


@pytest.mark.parametrize("grey", [0, 1, 128, 255])
def test_assess_is_finite_and_refuses_a_face_of_one_colour(grey: int) -> None:
    chip = np.full((150, 150, 3), grey, np.uint8)
    same_point = np.full((5, 2), 7, np.float32)
    quality = assess(IMAGE, Box(0, 0, 1, 1), chip, same_point)
    assert not quality.acceptable
    numbers = [value for value in astuple(quality) if isinstance(value, float)]
    assert len(numbers) == 8
    assert all(math.isfinite(number) for number in numbers)


def test_quality_is_stored_as_plain_numbers_and_an_old_record_still_loads() -> None:
    quality = assess(IMAGE, Box(0, 0, 90, 90), NOISE, np.eye(5, 2, dtype=np.float32))
    stored = plain(quality)
    assert {type(value) for value in stored.values()} <= {int, float, bool, list}
    assert FaceQuality(**{**stored, "reasons": tuple(stored["reasons"])}) == quality
    old = FaceQuality(size_px=40, sharpness=9.0, acceptable=True, reasons=())
    assert old.probability is None


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
    qualities = [assess(photo, box, aligner.align(photo, box).chip_rgb) for photo, box in faces]
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
