from __future__ import annotations

import dlib
import numpy as np
import pytest

from usher.domain.errors import ConfigurationError
from usher.vision.models import model_path
from usher.vision.selftest import (
    NETWORKS,
    NetworkCheck,
    check_network,
    draw_face,
    expected_values,
)


@pytest.mark.parametrize("check", NETWORKS, ids=lambda check: check.name)
def test_network_gives_what_its_original_gave(check: NetworkCheck) -> None:
    verdict = check_network(check)
    assert verdict.passed, verdict


def test_stored_descriptor_is_dlibs_own() -> None:
    weights = model_path("dlib_face_recognition_resnet_model_v1.dat")
    network = dlib.face_recognition_model_v1(str(weights))
    original = np.array(network.compute_face_descriptor(draw_face(150)))
    assert np.abs(original - expected_values("descriptor")).max() < 1e-5


def test_stored_boxes_are_dlibs_own() -> None:
    network = dlib.cnn_face_detection_model_v1(str(model_path("mmod_human_face_detector.dat")))
    (face,) = network(draw_face(160), 0)
    box = face.rect.left(), face.rect.top(), face.rect.right() + 1, face.rect.bottom() + 1
    assert expected_values("mmod")[:4].tolist() == list(box)
    assert expected_values("mmod")[4] == pytest.approx(face.confidence, abs=1e-4)


@pytest.mark.parametrize(("off", "passed"), [(0.9e-3, True), (1.1e-3, False), (-1.1e-3, False)])
def test_verdict_follows_the_largest_difference(off: float, passed: bool) -> None:
    values = expected_values("rnet").copy()
    values[2] += off
    verdict = check_network(NetworkCheck("rnet", 1e-3, lambda _: values))
    assert verdict.passed is passed
    assert verdict.difference == pytest.approx(abs(off))


@pytest.mark.parametrize("values", [np.empty(0), np.zeros(6), np.full(5, np.nan)])
def test_verdict_fails_where_values_do_not_correspond(values: np.ndarray) -> None:
    verdict = check_network(NetworkCheck("rnet", 1e-3, lambda _: values))
    assert not verdict.passed


def test_numbers_of_an_unknown_network_are_missing() -> None:
    with pytest.raises(ConfigurationError, match="lenet"):
        expected_values("lenet")


@pytest.mark.parametrize("side_px", [1, 16, 160])
def test_drawing_is_the_same_each_time(side_px: int) -> None:
    face_rgb = draw_face(side_px)
    assert face_rgb.shape == (side_px, side_px, 3)
    assert face_rgb.dtype == np.uint8
    assert (face_rgb == draw_face(side_px)).all()
