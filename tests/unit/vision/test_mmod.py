"""The convolutional detector, against dlib's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import dlib
import numpy as np
import pytest

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace
from usher.vision.detectors import make_detector, mmod
from usher.vision.detectors.mmod import MmodDetector
from usher.vision.images import RgbImage, resized
from usher.vision.models import model_path
from usher.vision.networks.dlib_format import Convolution, read_detector
from usher.vision.runtime import Runtime

from .conftest import photograph

WEIGHTS = "mmod_human_face_detector.dat"
RAISED = 1.5
"""What is added to every score of dlib's, so that it finds something in any picture."""
DlibDetector: TypeAlias = "dlib.cnn_face_detection_model_v1"


@pytest.fixture(scope="module")
def detector(runtime: Runtime) -> MmodDetector:
    return MmodDetector(runtime=runtime)


@pytest.fixture(scope="module")
def eager_detector(runtime: Runtime) -> MmodDetector:
    """Reports scores from -1.5."""
    return MmodDetector(score_threshold=-RAISED, runtime=runtime)


@pytest.fixture(scope="module")
def dlib_detector() -> DlibDetector:
    return dlib.cnn_face_detection_model_v1(str(model_path(WEIGHTS)))


@pytest.fixture(scope="module")
def eager_dlib_detector(tmp_path_factory: pytest.TempPathFactory) -> DlibDetector:
    """dlib reports scores above 0 only, so the last layer's bias is raised in its file."""
    data = model_path(WEIGHTS).read_bytes()
    last = read_detector(data).layers[-1]
    assert isinstance(last, Convolution)
    at = data.index(last.filters.tobytes()) + last.filters.nbytes
    assert data[at : at + 4] == last.bias.tobytes()
    raised = (last.bias + np.float32(RAISED)).tobytes()
    path = tmp_path_factory.mktemp("weights") / WEIGHTS
    path.write_bytes(data[:at] + raised + data[at + 4 :])
    return dlib.cnn_face_detection_model_v1(str(path))


def assert_like_dlib(
    faces: list[DetectedFace], dlib_detector: DlibDetector, frame_rgb: RgbImage, raised: float = 0
) -> None:
    expected = dlib_detector(np.ascontiguousarray(frame_rgb), 0)
    rectangles = [found.rect for found in expected]
    assert [(face.box.x1, face.box.y1, face.box.x2, face.box.y2) for face in faces] == [
        (r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in rectangles
    ]
    scores = [found.confidence - raised for found in expected]
    assert [face.score for face in faces] == pytest.approx(scores, abs=1e-4)


def mosaic(height: int, width: int, seed: int = 1) -> RgbImage:
    """Coloured squares of 8 pixels, which resemble faces now and then."""
    random = np.random.default_rng(seed)
    squares = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return squares.repeat(8, 0).repeat(8, 1)[:height, :width].copy()


# ---- Against dlib --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(79, 81), (81, 79), (240, 320), (250, 250), (300, 61), (33, 240), (60, 300)]
)
def test_mmod_finds_what_dlib_finds_in_squares(
    eager_detector: MmodDetector, eager_dlib_detector: DlibDetector, shape: tuple[int, int]
) -> None:
    frame_rgb = mosaic(*shape)
    faces = eager_detector.detect(frame_rgb)
    assert faces
    assert_like_dlib(faces, eager_dlib_detector, frame_rgb, RAISED)


@pytest.mark.parametrize("kind", ["noise", "slope", "grey", "edge"])
def test_mmod_finds_what_dlib_finds_in_other_pictures(
    eager_detector: MmodDetector, eager_dlib_detector: DlibDetector, kind: str
) -> None:
    frame_rgb = {
        "noise": np.random.default_rng(3).integers(0, 256, (150, 200, 3), np.uint8),
        "slope": np.linspace(0, 255, 200 * 3).astype(np.uint8).reshape(1, 200, 3).repeat(150, 0),
        "grey": np.full((150, 200, 3), 90, np.uint8),
        "edge": np.repeat(np.uint8([0, 255]), 100)[None, :, None].repeat(150, 0).repeat(3, 2),
    }[kind]
    faces = eager_detector.detect(frame_rgb)
    assert_like_dlib(faces, eager_dlib_detector, frame_rgb, RAISED)


@pytest.mark.parametrize("band_px", [1, 40_000, 100_000])
def test_mmod_finds_the_same_in_bands(
    eager_detector: MmodDetector,
    eager_dlib_detector: DlibDetector,
    band_px: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frame_rgb = mosaic(200, 250, seed=4)
    monkeypatch.setattr(mmod, "_LARGEST_BAND_PX", band_px)
    faces = eager_detector.detect(frame_rgb)
    assert_like_dlib(faces, eager_dlib_detector, frame_rgb, RAISED)


@pytest.mark.parametrize(
    "name", ["2008_001009.jpg", "2008_001322.jpg", "2008_002506.jpg", "2009_004587.jpg"]
)
def test_mmod_finds_what_dlib_finds_in_groups(
    detector: MmodDetector, dlib_detector: DlibDetector, test_data: Path, name: str
) -> None:
    frame_rgb = photograph(test_data / "groups" / name)
    faces = detector.detect(frame_rgb)
    assert len(faces) >= 2
    assert_like_dlib(faces, dlib_detector, frame_rgb)


def test_mmod_finds_what_dlib_finds_in_portraits(
    detector: MmodDetector, dlib_detector: DlibDetector, test_data: Path
) -> None:
    paths = sorted((test_data / "lfw-dev").rglob("*.jpg"))[::500][:8]
    assert len(paths) == 8
    for path in paths:
        frame_rgb = photograph(path)
        assert_like_dlib(detector.detect(frame_rgb), dlib_detector, frame_rgb)


def test_mmod_finds_what_dlib_finds_in_a_frame_of_a_camera(
    detector: MmodDetector, dlib_detector: DlibDetector, two_people_rgb: RgbImage
) -> None:
    frame_rgb = two_people_rgb[:480, 300:940]
    assert frame_rgb.shape == (480, 640, 3)
    faces = detector.detect(frame_rgb)
    assert faces
    assert_like_dlib(faces, dlib_detector, frame_rgb)


# ---- Sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("min_face_px", [-1, 0, 19])
def test_mmod_refuses_faces_that_are_too_small(min_face_px: int) -> None:
    with pytest.raises(ConfigurationError, match="at least 20"):
        make_detector("mmod", min_face_px=min_face_px)


@pytest.mark.parametrize("min_face_px", [20, 40, 80, 120])
def test_mmod_finds_faces_of_the_smallest_size_it_was_asked_for(
    two_people_rgb: RgbImage, detector: MmodDetector, runtime: Runtime, min_face_px: int
) -> None:
    face_px = min(face.box.size for face in detector.detect(two_people_rgb))
    shrunk = resized(two_people_rgb, 1.1 * min_face_px / face_px)
    faces = MmodDetector(min_face_px=min_face_px, runtime=runtime).detect(shrunk)
    assert len(faces) == 2
    for face in faces:
        # Boxes grow by steps of 1.2.
        assert min_face_px - 1 <= face.box.size <= 1.2**2 * min_face_px + 1
        assert face.box.x1 >= 0
        assert face.box.x2 <= shrunk.shape[1]


@pytest.mark.parametrize(
    "shape", [(0, 0), (0, 9), (1, 1), (6, 6), (7, 7), (1, 2000), (2000, 1), (79, 81), (300, 40)]
)
@pytest.mark.parametrize("min_face_px", [40, 80, 500])
def test_mmod_finds_none_in_a_blank_frame(
    runtime: Runtime, shape: tuple[int, int], min_face_px: int
) -> None:
    frame_rgb = np.zeros((*shape, 3), np.uint8)
    assert MmodDetector(min_face_px=min_face_px, runtime=runtime).detect(frame_rgb) == []


# ---- Scores, views, threads ----------------------------------------------------------------------


def test_mmod_puts_the_best_score_first(eager_detector: MmodDetector) -> None:
    scores = [face.score for face in eager_detector.detect(mosaic(240, 320))]
    assert len(scores) > 10
    assert scores == sorted(scores, reverse=True)


def test_mmod_keeps_scores_at_the_threshold_and_drops_those_below(
    eager_detector: MmodDetector, runtime: Runtime
) -> None:
    frame_rgb = mosaic(240, 320)
    every = eager_detector.detect(frame_rgb)
    threshold = every[len(every) // 2].score
    best = MmodDetector(score_threshold=threshold, runtime=runtime).detect(frame_rgb)
    assert best == [face for face in every if face.score >= threshold]
    assert 0 < len(best) < len(every)


def test_mmod_finds_the_same_in_a_frame_that_is_not_contiguous(
    eager_detector: MmodDetector,
) -> None:
    mirrored = mosaic(160, 200)[:, ::-1]
    assert not mirrored.flags.c_contiguous
    assert eager_detector.detect(mirrored) == eager_detector.detect(mirrored.copy())


def test_mmod_gives_every_thread_its_own_answer(eager_detector: MmodDetector) -> None:
    frames = [mosaic(160, 200, seed) for seed in range(4)] + [mosaic(90, 120, 5)]
    expected = [eager_detector.detect(frame) for frame in frames]
    with ThreadPoolExecutor(5) as pool:
        found = list(pool.map(eager_detector.detect, frames * 3))
    assert found == expected * 3


def test_mmod_finds_the_same_with_one_thread(
    eager_detector: MmodDetector, model_cache: Path
) -> None:
    alone = MmodDetector(
        score_threshold=-RAISED, runtime=Runtime(threads=1, model_cache=model_cache)
    )
    frame_rgb = mosaic(160, 200)
    faces, expected = alone.detect(frame_rgb), eager_detector.detect(frame_rgb)
    assert [face.box for face in faces] == [face.box for face in expected]
    assert [face.score for face in faces] == pytest.approx(
        [face.score for face in expected], abs=1e-5
    )


def test_mmod_refuses_weights_of_another_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = model_path("dlib_face_recognition_resnet_model_v1.dat")
    monkeypatch.setattr(mmod, "model_path", lambda _: other)
    with pytest.raises(ConfigurationError, match="is not a network that can be used here"):
        MmodDetector(runtime=Runtime(model_cache=tmp_path))
