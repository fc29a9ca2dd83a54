"""Detectors, chosen by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from usher.domain.errors import ConfigurationError, InvalidImage
from usher.vision.detectors import make_detector
from usher.vision.detectors.hog import LONGEST_SIDE_PX, HogDetector
from usher.vision.images import RgbImage, resized

from .conftest import photograph


def test_make_detector_names_the_choices_when_the_name_is_unknown() -> None:
    with pytest.raises(ConfigurationError, match=r"'magic': choose one of hog"):
        make_detector("magic", min_face_px=60)


@pytest.mark.parametrize("min_face_px", [-1, 0, 19])
def test_make_detector_refuses_faces_that_are_too_small(min_face_px: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 20"):
        make_detector("hog", min_face_px=min_face_px)


@pytest.mark.parametrize("min_face_px", [20, 40, 60, 80, 120])
def test_hog_finds_faces_of_the_smallest_size_it_was_asked_for(
    two_people_rgb: RgbImage, min_face_px: int
) -> None:
    shrunk = resized(two_people_rgb, 1.1 * min_face_px / 150)
    faces = HogDetector(min_face_px=min_face_px).detect(shrunk)
    assert len(faces) == 2
    for face in faces:
        assert face.box.size == pytest.approx(1.1 * min_face_px, rel=0.25)


def test_hog_overlooks_faces_much_smaller_than_it_was_asked_for(two_people_rgb: RgbImage) -> None:
    assert HogDetector(min_face_px=400).detect(two_people_rgb) == []


def test_hog_reports_fewer_faces_when_the_score_threshold_is_higher(test_data: Path) -> None:
    image_rgb = photograph(test_data / "groups" / "bald_guys.jpg")
    some = HogDetector(score_threshold=1.0).detect(image_rgb)
    assert len(some) < len(HogDetector().detect(image_rgb))
    assert min(face.score for face in some) >= 1.0


def test_hog_gives_the_same_faces_each_time(two_people_rgb: RgbImage) -> None:
    detector = HogDetector(min_face_px=60)
    assert detector.detect(two_people_rgb) == detector.detect(two_people_rgb)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (1, 2000), (79, 81)])
def test_hog_finds_none_in_a_blank_frame(shape: tuple[int, int]) -> None:
    for min_face_px in (20, 80, 500):
        frame_rgb = np.zeros((*shape, 3), np.uint8)
        assert HogDetector(min_face_px=min_face_px).detect(frame_rgb) == []


def test_hog_refuses_frames_on_which_dlib_would_end_the_process() -> None:
    detector = HogDetector(min_face_px=80)
    assert detector.detect(np.zeros((20, LONGEST_SIDE_PX, 3), np.uint8)) == []
    with pytest.raises(InvalidImage, match="too long for the hog detector"):
        detector.detect(np.zeros((20, LONGEST_SIDE_PX + 1, 3), np.uint8))
