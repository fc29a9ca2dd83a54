"""The graph of dlib's face detector, against arithmetic written out, and its pyramid of levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from usher.domain.errors import ConfigurationError
from usher.vision.models import model_path
from usher.vision.networks.dlib_format import Layer, PyramidRgbInput, read_detector
from usher.vision.networks.mmod import INPUT, ScoreGrid, build_mmod, lay_out, measure
from usher.vision.runtime import make_session

from . import saved
from .saved import small_detector
from .test_descriptor import Values, applied

SOURCE = PyramidRgbInput((120.0, 110.0, 100.0))


def slowly(picture: Values, layers: Sequence[Layer]) -> Values:
    value = picture.astype(np.float64) / 256
    for layer in layers:
        value = applied(layer, value)
    return value


@pytest.mark.parametrize(("rows", "columns"), [(9, 9), (10, 15), (40, 23)])
def test_build_mmod_gives_the_scores_of_the_layers_one_by_one(rows: int, columns: int) -> None:
    network = small_detector().file()
    random = np.random.default_rng(rows)
    pictures = random.uniform(-128, 128, (2, 3, rows, columns)).astype(np.float32)
    scores = make_session(build_mmod(network)).run(None, {INPUT: pictures})[0]
    expected = np.stack([slowly(one, read_detector(network).layers) for one in pictures])
    assert scores.shape == expected.shape
    assert scores == pytest.approx(expected, abs=1e-4 * float(np.abs(expected).max()))


def test_build_mmod_gives_the_same_bytes_again() -> None:
    assert build_mmod(small_detector().file()) == build_mmod(small_detector().file())


def _ones(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.ones(shape, np.float32)


FIRST = saved.convolution(_ones(1, 3, 3, 3), _ones(1), stride=2)


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ([saved.relu()], "does not begin with a convolution"),
        ([FIRST, saved.relu(), saved.affine(_ones(1), _ones(1))], "follows no convolution"),
        ([FIRST, saved.affine(_ones(2), _ones(2))], "2 factors for 1 channels"),
        ([FIRST, saved.pool("max", 2, 2)], "a layer Pool"),
        ([FIRST, saved.TAG, FIRST], "a layer Mark"),
        ([FIRST, saved.convolution(_ones(1, 2, 3, 3), _ones(1), padding=1)], "for 2 channels"),
        ([saved.convolution(_ones(2, 3, 3, 3), _ones(2))], "2 scores a window"),
        ([saved.convolution(_ones(1, 3, 2, 2), _ones(1), stride=2)], "filters of 2"),
        ([saved.convolution(_ones(1, 3, 5, 5), _ones(1), padding=1)], r"padding \(1, 1\)"),
        (
            [saved.convolution(_ones(1, 3, 3, 3), _ones(1), padding=1), *[FIRST]],
            r"strides of \(2, 2\)",
        ),
    ],
)
def test_build_mmod_refuses_layers_that_are_no_detector(layers: list[bytes], reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        build_mmod(replace(small_detector(), layers=layers).file())


@pytest.mark.parametrize(
    "file_name",
    ["dlib_face_recognition_resnet_model_v1.dat", "shape_predictor_5_face_landmarks.dat"],
)
def test_build_mmod_refuses_other_files_of_dlib(file_name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a network that can be used here"):
        build_mmod(model_path(file_name).read_bytes())


def test_measure_finds_where_the_published_scores_lie() -> None:
    layers = read_detector(model_path("mmod_human_face_detector.dat").read_bytes()).layers
    assert measure(layers) == ScoreGrid(stride_px=8, start_px=14, field_px=29, reach=10)


@pytest.mark.parametrize(("pixels", "count"), [(0, 0), (28, 0), (29, 1), (36, 1), (37, 2)])
def test_score_grid_counts_scores_along_a_side(pixels: int, count: int) -> None:
    assert ScoreGrid(stride_px=8, start_px=14, field_px=29, reach=10).count(pixels) == count


# ---- The pyramid ---------------------------------------------------------------------------------


def test_lay_out_goes_down_first_and_up_again_on_the_right() -> None:
    layout = lay_out(640, 480, SOURCE)
    first, *_, last = layout.levels
    assert (first.x, first.y, first.width, first.height) == (11, 11, 640, 480)
    assert (layout.levels[1].y, layout.levels[1].width, layout.levels[1].height) == (501, 533, 400)
    assert last.x + last.width == 651
    assert last.height == 5
    assert (layout.width, layout.height) == (662, 1782)


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2000), (2000, 1), (59, 61), (640, 480), (480, 640), (1280, 720)]
)
def test_lay_out_keeps_levels_inside_the_picture(size: tuple[int, int]) -> None:
    layout = lay_out(*size, SOURCE)
    assert (layout.levels[0].width, layout.levels[0].height) == size
    for level in layout.levels:
        assert level.x >= 11
        assert level.y >= 11
        assert level.x + level.width <= layout.width - 11
        assert level.y + level.height <= layout.height - 11


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (1280, 720)])
def test_lay_out_leaves_a_margin_around_each_level(size: tuple[int, int]) -> None:
    layout = lay_out(*size, SOURCE)
    covered = np.zeros((layout.height, layout.width), bool)
    for level in layout.levels:
        around = covered[level.y - 10 :, level.x - 10 :][: level.height + 20, : level.width + 20]
        assert not around.any()
        covered[level.y :, level.x :][: level.height, : level.width] = True


def test_draw_keeps_corners_and_leaves_zeros_between_levels() -> None:
    frame_rgb = np.random.default_rng(2).integers(0, 256, (90, 120, 3), np.uint8)
    layout = lay_out(120, 90, SOURCE)
    picture = layout.draw(frame_rgb, SOURCE.averages)
    assert picture.shape == (1, 3, layout.height, layout.width)
    centred = frame_rgb.transpose(2, 0, 1) - np.reshape(SOURCE.averages, (3, 1, 1))
    covered = np.zeros(picture.shape[2:], bool)
    for level in layout.levels:
        drawn = picture[0, :, level.y :, level.x :][:, : level.height, : level.width]
        assert drawn[:, 0, 0] == pytest.approx(centred[:, 0, 0])
        assert drawn[:, -1, -1] == pytest.approx(centred[:, -1, -1], abs=1e-2)
        covered[level.y :, level.x :][: level.height, : level.width] = True
    assert not picture[:, :, ~covered].any()
    assert np.abs(picture[0, :, covered]).min(1).max() > 0


def test_draw_interpolates_between_corner_pixels() -> None:
    frame_rgb = np.zeros((12, 61, 3), np.uint8)
    frame_rgb[:] = (np.arange(61) * 4)[None, :, None]
    layout = lay_out(61, 12, PyramidRgbInput((0.0, 0.0, 0.0)))
    level = layout.levels[1]
    drawn = layout.draw(frame_rgb, (0.0, 0.0, 0.0))[0, :, level.y : level.y + 10, level.x :][
        ..., :50
    ]
    expected = np.linspace(0, 240, 50)
    assert drawn == pytest.approx(np.broadcast_to(expected, (3, 10, 50)), abs=1e-3)


def test_boxes_are_those_of_the_level_and_larger_below() -> None:
    layout = lay_out(640, 480, SOURCE)
    second = layout.levels[1]
    centres = np.array([[11 + 100, 11 + 100], [second.x + 100, second.y + 100], [0, 0]])
    boxes = layout.boxes(centres, 80, 80)
    assert boxes[0].tolist() == [61, 61, 140, 140]
    assert boxes[1].tolist() == [73, 73, 168, 168]
    assert boxes[2].tolist() == [-51, -51, 29, 29]  # halves are rounded away from zero
    assert layout.boxes(
        cast("np.ndarray[tuple[int, int], np.dtype[np.int64]]", centres[:0]), 80, 80
    ).shape == (0, 4)
