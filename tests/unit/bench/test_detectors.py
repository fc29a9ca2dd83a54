"""How `bench/detectors.py` counts."""

from __future__ import annotations

import numpy as np
import pytest

from bench.detectors import letterboxed, matched, middle_of, overlap, wilson_interval
from usher.domain.geometry import Box

FACE = Box(0, 0, 10, 10)


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(FACE, FACE) == 1
    assert overlap(FACE, Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap(FACE, Box(10, 0, 20, 10)) == 0


@pytest.mark.parametrize(("width", "found"), [(4, {0}), (3, set())])
def test_matched_takes_an_overlap_of_four_tenths_and_no_less(width: int, found: set[int]) -> None:
    assert matched([FACE], [Box(0, 0, width, 10)]) == found


def test_matched_counts_each_box_for_one_face() -> None:
    assert matched([FACE, Box(1, 0, 11, 10)], [FACE]) == {0}
    assert matched([FACE], [FACE, FACE]) == {0}
    assert matched([], [FACE]) == matched([FACE], []) == set()


def test_wilson_interval_is_that_of_the_tables() -> None:
    assert wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson_interval(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1), abs=1e-4)


@pytest.mark.parametrize("shape", [(30, 40), (40, 30), (500, 100), (48, 64)])
def test_letterboxed_keeps_the_whole_picture_in_the_middle(shape: tuple[int, int]) -> None:
    frame_rgb = letterboxed(np.full((*shape, 3), 9, np.uint8), 64, 48)
    rows, columns = (frame_rgb[..., 0] > 0).any(1), (frame_rgb[..., 0] > 0).any(0)
    assert frame_rgb.shape == (48, 64, 3)
    assert rows.all() or columns.all()
    assert rows.sum() / columns.sum() == pytest.approx(shape[0] / shape[1], rel=0.1)
    assert abs(int(rows.argmax()) - int(rows[::-1].argmax())) <= 1


def test_middle_of_is_half_of_each_side() -> None:
    image_rgb = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
    assert np.array_equal(middle_of(image_rgb), image_rgb[2:6, 3:9])
