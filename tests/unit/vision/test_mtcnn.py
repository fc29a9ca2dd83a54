"""MTCNN, against what the package that its weights come from finds."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace, Landmarks
from usher.domain.geometry import Box
from usher.vision.detectors import make_detector, mtcnn
from usher.vision.detectors.mtcnn import MtcnnDetector
from usher.vision.images import RgbImage, resized
from usher.vision.runtime import Runtime

from .conftest import photograph

REFERENCE = json.loads(Path(__file__).with_name("mtcnn_reference.json").read_text("utf-8"))
MANY_FACES = "2008_004176.jpg"


@pytest.fixture(scope="module")
def detectors(runtime: Runtime) -> dict[int, MtcnnDetector]:
    """By the smallest face."""
    return {px: MtcnnDetector(min_face_px=px, runtime=runtime) for px in (12, 20, 40, 400)}


@pytest.fixture(scope="module")
def detector(detectors: dict[int, MtcnnDetector]) -> MtcnnDetector:
    return detectors[40]


@pytest.fixture(scope="module")
def group_rgb(test_data: Path) -> RgbImage:
    """A photograph of seven faces, 480 by 438."""
    return photograph(test_data / "groups" / MANY_FACES)


@pytest.mark.parametrize(
    "expected",
    REFERENCE["photographs"],
    ids=lambda case: f"{Path(case['image']).stem}-{case.get('frame', '')}-{case['min_face_px']}",
)
def test_mtcnn_finds_what_the_package_finds(
    test_data: Path, detectors: dict[int, MtcnnDetector], expected: dict[str, Any]
) -> None:
    image_rgb = reference_image(test_data / expected["image"], expected)
    faces = detectors[expected["min_face_px"]].detect(image_rgb)
    assert len(faces) == len(expected["faces"])
    for other in expected["faces"]:
        face = min(faces, key=lambda face: np.abs(corners(face) - other["box"]).max())
        # Boxes are rounded. Where two proposals for a face tie, another machine may sort otherwise.
        box_px, point_px, score = (3, 3, 0.03) if "tied" in other else (0.55, 0.05, 1e-4)
        np.testing.assert_allclose(corners(face), other["box"], rtol=0, atol=box_px)
        np.testing.assert_allclose(points(face), other["landmarks"], rtol=0, atol=point_px)
        assert face.score == pytest.approx(other["score"], abs=score)


def reference_image(path: Path, expected: dict[str, Any]) -> RgbImage:
    if "frame" not in expected:
        assert hashlib.sha256(path.read_bytes()).hexdigest() == expected["sha256"]
        return photograph(path)
    video = cv2.VideoCapture(str(path))
    for _ in range(expected["frame"]):
        video.grab()
    image_rgb = np.ascontiguousarray(video.read()[1][:, :, ::-1])
    if hashlib.sha256(image_rgb.tobytes()).hexdigest() != expected["sha256"]:
        pytest.skip("this decoder gives other pixels than the one that the reference was made with")
    return image_rgb


def corners(face: DetectedFace) -> np.ndarray[Any, Any]:
    return np.array([face.box.x1, face.box.y1, face.box.x2, face.box.y2])


def points(face: DetectedFace) -> np.ndarray[Any, Any]:
    marks = face.landmarks
    assert marks is not None
    return np.array(
        [marks.left_eye, marks.right_eye, marks.nose, marks.left_mouth, marks.right_mouth]
    )


@pytest.mark.parametrize("min_face_px", [-1, 0, 11])
def test_mtcnn_refuses_faces_that_are_too_small(min_face_px: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 12"):
        make_detector("mtcnn", min_face_px=min_face_px)


@pytest.mark.parametrize("score_threshold", [-0.01, 1.01, float("nan")])
def test_mtcnn_refuses_a_threshold_that_no_score_can_meet_or_miss(score_threshold: float) -> None:
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        make_detector("mtcnn", min_face_px=40, score_threshold=score_threshold)


def test_make_detector_gives_mtcnn_with_its_own_threshold(runtime: Runtime) -> None:
    detector = make_detector("mtcnn", min_face_px=12, runtime=runtime)
    assert isinstance(detector, MtcnnDetector)
    assert MtcnnDetector.SCORE_THRESHOLD == 0.8


@pytest.mark.parametrize("min_face_px", [12, 20, 40, 70, 120])
def test_mtcnn_finds_faces_of_the_smallest_size_it_was_asked_for(
    two_people_rgb: RgbImage, runtime: Runtime, min_face_px: int
) -> None:
    shrunk = resized(two_people_rgb, 1.25 * min_face_px / 190)
    faces = MtcnnDetector(min_face_px=min_face_px, runtime=runtime).detect(shrunk)
    assert len(faces) == 2
    for face in faces:
        assert face.box.size == pytest.approx(1.25 * min_face_px, rel=0.3)


def test_mtcnn_finds_a_face_that_fills_the_frame_when_it_looks_for_the_smallest(
    two_people_rgb: RgbImage, detectors: dict[int, MtcnnDetector]
) -> None:
    box = max(detectors[40].detect(two_people_rgb), key=lambda face: face.score).box
    face_rgb = two_people_rgb[box.y1 : box.y2, box.x1 : box.x2]
    assert any(
        found.box.size > 0.8 * min(face_rgb.shape[:2]) for found in detectors[12].detect(face_rgb)
    )


def test_mtcnn_overlooks_faces_much_smaller_than_it_was_asked_for(
    two_people_rgb: RgbImage, detectors: dict[int, MtcnnDetector]
) -> None:
    assert len(detectors[40].detect(two_people_rgb)) == 2
    assert detectors[400].detect(two_people_rgb) == []


def test_mtcnn_reports_a_face_at_the_threshold_and_none_below(
    group_rgb: RgbImage, runtime: Runtime, detector: MtcnnDetector
) -> None:
    faces = detector.detect(group_rgb)
    lowest = faces[-1].score
    at = MtcnnDetector(score_threshold=lowest, runtime=runtime).detect(group_rgb)
    above = MtcnnDetector(score_threshold=np.nextafter(lowest, 1), runtime=runtime)
    assert at == faces
    assert above.detect(group_rgb) == faces[:-1]


def test_mtcnn_gives_the_best_first(group_rgb: RgbImage, detector: MtcnnDetector) -> None:
    scores = [face.score for face in detector.detect(group_rgb)]
    assert len(scores) == 7
    assert scores == sorted(scores, reverse=True)


def test_mtcnn_takes_left_and_right_as_seen_in_the_picture(
    two_people_rgb: RgbImage, detector: MtcnnDetector
) -> None:
    width = two_people_rgb.shape[1]
    as_seen = [face.landmarks for face in detector.detect(two_people_rgb)]
    mirrored = [face.landmarks for face in detector.detect(two_people_rgb[:, ::-1])]
    assert len(as_seen) == len(mirrored) == 2
    for marks in [*as_seen, *mirrored]:
        assert marks is not None
        assert marks.left_eye[0] < marks.nose[0] < marks.right_eye[0]
        assert marks.left_mouth[0] < marks.right_mouth[0]
        assert marks.left_eye[1] < marks.nose[1] < marks.left_mouth[1]
    for marks in mirrored:
        assert marks is not None
        assert min(apart(flipped(marks, width), other) for other in as_seen if other) < 8


def flipped(marks: Landmarks, width: int) -> Landmarks:
    def across(point: tuple[float, float]) -> tuple[float, float]:
        return width - 1 - point[0], point[1]

    return Landmarks(
        left_eye=across(marks.right_eye),
        right_eye=across(marks.left_eye),
        nose=across(marks.nose),
        left_mouth=across(marks.right_mouth),
        right_mouth=across(marks.left_mouth),
    )


def apart(one: Landmarks, other: Landmarks) -> float:
    """The largest distance of a point from its like."""
    pairs = [
        (one.left_eye, other.left_eye),
        (one.right_eye, other.right_eye),
        (one.nose, other.nose),
        (one.left_mouth, other.left_mouth),
        (one.right_mouth, other.right_mouth),
    ]
    return max(float(np.hypot(a[0] - b[0], a[1] - b[1])) for a, b in pairs)


def test_mtcnn_looks_at_pixels_however_they_lie_in_memory(
    group_rgb: RgbImage, detector: MtcnnDetector
) -> None:
    expected = detector.detect(group_rgb)
    read_only = group_rgb.copy()
    read_only.setflags(write=False)
    reversed_twice = np.ascontiguousarray(group_rgb[:, :, ::-1])[:, :, ::-1]
    sparse = np.repeat(np.repeat(group_rgb, 2, axis=0), 3, axis=1)[::2, ::3]
    assert not sparse.flags.c_contiguous
    for frame_rgb in (read_only, reversed_twice, sparse, np.asfortranarray(group_rgb)):
        assert detector.detect(frame_rgb) == expected


def test_mtcnn_leaves_the_frame_as_it_was(group_rgb: RgbImage, detector: MtcnnDetector) -> None:
    frame_rgb = group_rgb.copy()
    detector.detect(frame_rgb)
    np.testing.assert_array_equal(frame_rgb, group_rgb)


def test_mtcnn_finds_the_same_in_several_threads(
    group_rgb: RgbImage, two_people_rgb: RgbImage, detector: MtcnnDetector
) -> None:
    frames = [group_rgb, resized(two_people_rgb, 0.4), group_rgb[:, ::-1]] * 4
    expected = [detector.detect(frame_rgb) for frame_rgb in frames]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detector.detect, frames)) == expected


@pytest.mark.parametrize("threads", [1, 3])
def test_mtcnn_finds_the_same_on_any_number_of_cores(
    group_rgb: RgbImage, detector: MtcnnDetector, model_cache: Path, threads: int
) -> None:
    other = MtcnnDetector(runtime=Runtime(threads=threads, model_cache=model_cache))
    assert_alike(other.detect(group_rgb), detector.detect(group_rgb))


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_mtcnn_finds_the_same_however_many_candidates_it_takes_at_once(
    group_rgb: RgbImage, detector: MtcnnDetector, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    expected = detector.detect(group_rgb)
    monkeypatch.setattr(mtcnn, "_BLOCK", block)
    assert_alike(detector.detect(group_rgb), expected)


def assert_alike(some: list[DetectedFace], others: list[DetectedFace]) -> None:
    """Batches of other sizes are added up in another order."""
    assert [face.box for face in some] == [face.box for face in others]
    for one, other in zip(some, others, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        np.testing.assert_allclose(points(one), points(other), rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    "shape", [(0, 0), (0, 9), (9, 0), (1, 1), (1, 2000), (11, 500), (12, 12), (13, 500), (79, 81)]
)
@pytest.mark.parametrize("min_face_px", [12, 40, 400])
def test_mtcnn_finds_none_in_a_blank_frame(
    detectors: dict[int, MtcnnDetector], shape: tuple[int, int], min_face_px: int
) -> None:
    for value in (0, 128, 255):
        frame_rgb = np.full((*shape, 3), value, np.uint8)
        assert detectors[min_face_px].detect(frame_rgb) == []


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 1000), st.floats(0, 1))
def test_mtcnn_gives_boxes_inside_of_frames_of_any_size(
    detectors: dict[int, MtcnnDetector],
    group_rgb: RgbImage,
    height: int,
    width: int,
    at: int,
    by: float,
) -> None:
    y, x = at % (group_rgb.shape[0] - height), int(by * (group_rgb.shape[1] - width))
    for face in detectors[12].detect(group_rgb[y : y + height, x : x + width]):
        assert 0 <= face.box.x1 < face.box.x2 <= width
        assert 0 <= face.box.y1 < face.box.y2 <= height
        assert MtcnnDetector.SCORE_THRESHOLD <= face.score <= 1
        assert np.isfinite(points(face)).all()


@pytest.mark.parametrize(
    ("corners_xyxy", "box"),
    [
        ([10.4, 20.6, 50.5, 60.5], Box(10, 21, 50, 60)),
        ([-5.0, -0.1, 200.0, 90.0], Box(0, 0, 99, 79)),
        ([10.2, 20.2, 10.4, 20.4], Box(10, 20, 11, 21)),
        ([120.0, 95.0, 140.0, 99.0], Box(99, 79, 100, 80)),
        ([-9.0, -9.0, -3.0, -3.0], Box(0, 0, 1, 1)),
    ],
)
def test_boxes_are_rounded_and_end_in_the_frame(corners_xyxy: list[float], box: Box) -> None:
    assert mtcnn._box(np.array([*corners_xyxy, 0.9]), 100, 80) == box


@pytest.mark.parametrize(
    ("height", "width", "min_face_px", "levels"),
    [
        (11, 500, 12, 0),
        (12, 500, 12, 1),
        (500, 16, 12, 1),
        (500, 17, 12, 2),  # 17 * 0.709 = 12.05
        (39, 500, 40, 0),
        (40, 500, 40, 1),
        (250, 250, 20, 8),
        (250, 250, 40, 6),
    ],
)
def test_the_pyramid_ends_where_the_window_does(
    height: int, width: int, min_face_px: int, levels: int
) -> None:
    scales = mtcnn._scales(height, width, 12 / min_face_px)
    assert len(scales) == levels
    np.testing.assert_allclose(scales, [12 / min_face_px * 0.709**level for level in range(levels)])


@pytest.mark.parametrize(
    ("score", "count"), [(0.6, 0), (np.nextafter(np.float32(0.6), np.float32(1)), 1), (1.0, 1)]
)
def test_windows_are_proposed_from_a_score_above_the_threshold(score: float, count: int) -> None:
    output = np.zeros((5, 4, 6), np.float32)
    output[:, 2, 3] = score, 0.0, 0.5, -0.5, 1.0
    windows = mtcnn._windows(output, 0.5)
    assert windows.shape == (count, 5)
    for window in windows:  # from 7, 5 to 18, 16; offsets are shares of 11
        np.testing.assert_allclose(window, [14, 21, 25, 54, score])


@pytest.mark.parametrize("network", ["pnet", "rnet", "onet"])
def test_mtcnn_refuses_damaged_weights(
    network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def path_of(name: str, package: str) -> Path:
        whole = find(name, package)
        if not name.startswith(network):
            return whole
        part = tmp_path / name
        part.write_bytes(whole.read_bytes()[:-100])
        return part

    find = mtcnn.model_path
    monkeypatch.setattr(mtcnn, "model_path", path_of)
    with pytest.raises(ConfigurationError, match="install the package that it came with again"):
        MtcnnDetector(runtime=Runtime(model_cache=tmp_path / "cache"))
