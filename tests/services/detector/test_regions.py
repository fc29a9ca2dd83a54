"""Areas of interest and of no interest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.regions import Regions
from usher.domain.geometry import Box

LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
TOP = ((0.0, 0.0), (1.0, 0.0), (1.0, 0.5), (0.0, 0.5))
ALL = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
# An L: all but the upper right quarter.
CORNER = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))

shares = st.integers(0, 40).map(lambda n: n / 40)
points = st.tuples(shares, shares)
triangles = st.tuples(points, points, points).filter(lambda corners: _area(corners) > 0.02)


def _area(corners: tuple[tuple[float, float], ...]) -> float:
    (ax, ay), (bx, by), (cx, cy) = corners
    return abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2


def at(x: int, y: int) -> Box:
    """A face whose box has its centre there."""
    return Box(x - 10, y - 10, x + 10, y + 10)


@pytest.mark.parametrize(
    ("include", "exclude", "allowed"),
    [
        # upper left, upper right, lower left, lower right
        ((), (), (1, 1, 1, 1)),
        ((LEFT,), (), (1, 0, 1, 0)),
        ((), (LEFT,), (0, 1, 0, 1)),
        ((LEFT, TOP), (), (1, 1, 1, 0)),
        ((LEFT,), (TOP,), (0, 0, 1, 0)),
        ((TOP,), (TOP,), (0, 0, 0, 0)),
        ((CORNER,), (), (1, 0, 1, 1)),
    ],
)
def test_regions_allow_what_is_included_and_not_excluded(
    include: tuple[object, ...], exclude: tuple[object, ...], allowed: tuple[int, ...]
) -> None:
    regions = Regions(include, exclude)  # type: ignore[arg-type]
    faces = [at(100, 100), at(500, 100), at(100, 300), at(500, 300)]
    assert tuple(regions.allows(face, 640, 400) for face in faces) == allowed
    mask = regions.mask(64, 40)
    assert (mask.shape, mask.dtype) == ((40, 64), np.uint8)
    assert tuple(int(mask[y, x]) for y, x in ((10, 10), (10, 50), (30, 10), (30, 50))) == tuple(
        255 * one for one in allowed
    )


def test_regions_count_by_the_centre_of_a_box() -> None:
    regions = Regions((LEFT,))
    assert regions.allows(Box(200, 0, 439, 100), 640, 400)
    assert not regions.allows(Box(202, 0, 440, 100), 640, 400)


def test_regions_take_a_centre_outside_of_the_frame_for_its_edge() -> None:
    assert Regions((ALL,)).allows(Box(-60, -60, 20, 20), 640, 400)
    assert Regions((ALL,)).allows(Box(600, 380, 800, 500), 640, 400)
    assert not Regions((), (LEFT,)).allows(Box(-60, 0, 20, 20), 640, 400)


def test_regions_are_everywhere_when_nothing_is_given() -> None:
    assert Regions().are_everywhere
    assert Regions().mask(4, 2).min() == 255
    assert not Regions((), (LEFT,)).are_everywhere


@settings(deadline=None)
@given(triangles, st.integers(8, 200), st.integers(8, 200), st.data())
def test_mask_agrees_with_allows_but_at_the_edges(
    triangle: tuple[tuple[float, float], ...], width: int, height: int, data: st.DataObject
) -> None:
    """Of interest and of no interest are complements, and the mask shows what is allowed."""
    inside, outside = Regions((triangle,)), Regions((), (triangle,))
    mask = inside.mask(width, height)
    assert np.array_equal(outside.mask(width, height), 255 - mask)
    x = data.draw(st.integers(2, width - 3))
    y = data.draw(st.integers(2, height - 3))
    around = mask[y - 2 : y + 3, x - 2 : x + 3]
    if around.min() == around.max():
        face = Box(10 * x - 5, 10 * y - 5, 10 * x + 15, 10 * y + 15)
        assert inside.allows(face, 10 * width, 10 * height) == bool(mask[y, x])
        assert outside.allows(face, 10 * width, 10 * height) != bool(mask[y, x])


@settings(deadline=None)
@given(triangles, points, st.integers(1, 8))
def test_regions_do_not_depend_on_the_size_of_the_frame(
    triangle: tuple[tuple[float, float], ...], centre: tuple[float, float], factor: int
) -> None:
    x, y = round(centre[0] * 400), round(centre[1] * 400)
    small, large = at(x, y), Box(*(factor * side for side in (x - 10, y - 10, x + 10, y + 10)))
    regions = Regions((triangle,))
    assert regions.allows(small, 400, 400) == regions.allows(large, 400 * factor, 400 * factor)
