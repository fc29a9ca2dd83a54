"""OpenCV's frontal face cascade."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from usher.domain.errors import ConfigurationError
from usher.vision.detectors import make_detector
from usher.vision.detectors.haar import HaarDetector
from usher.vision.images import RgbImage, resized

from .conftest import photograph

FACE_PX = 165
"""The width of the two faces as this detector boxes them."""


@pytest.fixture(scope="module")
def bald_guys_rgb(test_data: Path) -> RgbImage:
    return photograph(test_data / "groups" / "bald_guys.jpg")


@pytest.mark.parametrize("min_face_px", [-1, 0, 19])
def test_haar_refuses_faces_smaller_than_its_window(min_face_px: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 20"):
        make_detector("haar", min_face_px=min_face_px)


@pytest.mark.parametrize("min_face_px", [20, 40, 80, 160])
def test_haar_finds_faces_of_the_smallest_size_it_was_asked_for(
    two_people_rgb: RgbImage, min_face_px: int
) -> None:
    shrunk = resized(two_people_rgb, 1.2 * min_face_px / FACE_PX)
    faces = HaarDetector(min_face_px=min_face_px).detect(shrunk)
    assert len(faces) == 2
    for face in faces:
        assert face.box.size == pytest.approx(1.2 * min_face_px, rel=0.2)


def test_haar_reports_no_box_below_the_smallest_size(bald_guys_rgb: RgbImage) -> None:
    every = HaarDetector(min_face_px=20).detect(bald_guys_rgb)
    large = HaarDetector(min_face_px=140).detect(bald_guys_rgb)
    assert min(face.box.size for face in every) < 140
    assert min(face.box.size for face in large) >= 140


def test_haar_puts_the_best_score_first(bald_guys_rgb: RgbImage) -> None:
    scores = [face.score for face in HaarDetector().detect(bald_guys_rgb)]
    assert len(scores) > 10
    assert scores == sorted(scores, reverse=True)


def test_haar_scores_from_zero(test_data: Path) -> None:
    detector = HaarDetector(min_face_px=20, score_threshold=-100)
    scores = [
        face.score
        for path in sorted((test_data / "groups").glob("20*.jpg"))
        for face in detector.detect(photograph(path))
    ]
    assert -0.001 < min(scores) < 1
    assert max(scores) < 10


def test_haar_keeps_scores_at_the_threshold_and_drops_those_below(
    bald_guys_rgb: RgbImage,
) -> None:
    every = HaarDetector().detect(bald_guys_rgb)
    threshold = every[len(every) // 2].score
    best = HaarDetector(score_threshold=threshold).detect(bald_guys_rgb)
    assert best == [face for face in every if face.score >= threshold]
    assert 0 < len(best) < len(every)


@pytest.mark.parametrize("shape", [(0, 0), (0, 9), (1, 1), (1, 2000), (19, 21), (300, 40)])
@pytest.mark.parametrize("min_face_px", [20, 80, 500])
def test_haar_finds_none_in_a_blank_frame(shape: tuple[int, int], min_face_px: int) -> None:
    frame_rgb = np.zeros((*shape, 3), np.uint8)
    assert HaarDetector(min_face_px=min_face_px).detect(frame_rgb) == []


def test_haar_finds_the_same_in_a_frame_that_is_not_contiguous(two_people_rgb: RgbImage) -> None:
    detector = HaarDetector(min_face_px=80)
    mirrored = two_people_rgb[:, ::-1]
    assert not mirrored.flags.c_contiguous
    assert detector.detect(mirrored) == detector.detect(mirrored.copy())


def test_haar_gives_every_thread_its_own_answer(two_people_rgb: RgbImage) -> None:
    detector = HaarDetector(min_face_px=60)
    frames = [two_people_rgb, two_people_rgb[:, :600], two_people_rgb[:, 600:]]
    expected = [detector.detect(frame) for frame in frames]
    assert [len(faces) for faces in expected] == [2, 1, 1]
    found: list[object] = [None] * 6

    def look(index: int) -> None:
        found[index] = [detector.detect(frames[index % 3]) for _ in range(4)]

    threads = [threading.Thread(target=look, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[expected[index % 3]] * 4 for index in range(6)]


def test_haar_says_what_to_install_when_opencv_has_no_cascades(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cv2.data, "haarcascades", f"{tmp_path}/")
    with pytest.raises(ConfigurationError, match="below version 5, or choose another"):
        HaarDetector()
