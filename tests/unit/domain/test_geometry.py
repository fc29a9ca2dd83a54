"""Boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usher.domain.geometry import Box

_COORDINATE = st.integers(-2000, 2000)
_SIDE = st.integers(1, 2000)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x1, y1 = draw(_COORDINATE), draw(_COORDINATE)
    return Box(x1, y1, x1 + draw(_SIDE), y1 + draw(_SIDE))


@pytest.mark.parametrize(
    ("x2", "y2"),
    [
        (10, 30),  # no width
        (30, 10),  # no height
        (9, 30),  # turned around
    ],
)
def test_box_refuses_its_corners_when_it_would_be_empty(x2: int, y2: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        Box(10, 10, x2, y2)


def test_box_measures_itself_when_it_is_one_pixel() -> None:
    box = Box(-1, 4, 0, 5)
    assert (box.width, box.height, box.size, box.centre) == (1, 1, 1, (-0.5, 4.5))


def test_box_gives_its_longer_side_when_asked_for_its_size() -> None:
    assert Box(0, 0, 30, 20).size == Box(0, 0, 20, 30).size == 30


@given(boxes(), st.floats(0, 3))
def test_box_keeps_its_centre_when_expanded(box: Box, margin: float) -> None:
    grown = box.expanded(margin)
    assert grown.centre == box.centre
    assert grown.width == box.width + 2 * round(box.width * margin)


@given(boxes(), st.integers(1, 2000), st.integers(1, 2000))
def test_box_lies_inside_when_clipped_and_refuses_when_all_of_it_is_outside(
    box: Box, width: int, height: int
) -> None:
    outside = box.x2 <= 0 or box.y2 <= 0 or box.x1 >= width or box.y1 >= height
    if outside:
        with pytest.raises(ValueError, match="positive"):
            box.clipped(width, height)
        return
    clipped = box.clipped(width, height)
    assert 0 <= clipped.x1 < clipped.x2 <= width
    assert 0 <= clipped.y1 < clipped.y2 <= height
    assert clipped.clipped(width, height) == clipped


@given(boxes(), _COORDINATE, _COORDINATE)
def test_box_returns_when_shifted_there_and_back(box: Box, dx: int, dy: int) -> None:
    assert box.shifted(dx, dy).shifted(-dx, -dy) == box


@given(boxes(), st.floats(0.001, 10))
def test_box_stays_a_box_when_scaled_to_less_than_a_pixel(box: Box, factor: float) -> None:
    scaled = box.scaled(factor)
    assert scaled.width >= 1
    assert abs(scaled.width - box.width * factor) <= 1
