import numpy as np
import pytest
from numpy.typing import NDArray

from services.detector.motion import MotionGate
from usher.domain.geometry import Box

Picture = NDArray[np.uint8]


@pytest.fixture
def noise() -> np.random.Generator:
    return np.random.default_rng(5)


def room(noise: np.random.Generator, *, size: tuple[int, int] = (360, 640)) -> Picture:
    """A grey room as a cheap camera shows it: with noise."""
    height, width = size
    shade = np.linspace(60, 150, width)[None, :, None]
    return np.clip(shade + noise.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


def with_block(picture: Picture, box: Box) -> Picture:
    picture[box.y1 : box.y2, box.x1 : box.x2] = (230, 40, 40)
    return picture


def settled(noise: np.random.Generator) -> MotionGate:
    gate = MotionGate()
    for number in range(40):
        gate.look(room(noise), number / 10)
    return gate


def test_first_frame_moves_everywhere(noise: np.random.Generator) -> None:
    movement = MotionGate().look(room(noise), 0.0)
    assert movement.area == Box(0, 0, 640, 360)
    assert not movement.cut


def test_noise_is_no_movement(noise: np.random.Generator) -> None:
    gate = settled(noise)
    assert [gate.look(room(noise), 4 + n / 10).area for n in range(20)] == [None] * 20


def test_movement_is_found_where_it_is(noise: np.random.Generator) -> None:
    gate = settled(noise)
    block = Box(400, 100, 460, 220)
    area = gate.look(with_block(room(noise), block), 4.0).area
    assert area is not None
    assert area.x1 <= block.x1 and area.x2 >= block.x2
    assert area.y1 <= block.y1 and area.y2 >= block.y2
    assert area.x1 >= block.x1 - 40 and area.x2 <= block.x2 + 40


def test_what_stands_still_for_long_becomes_background(noise: np.random.Generator) -> None:
    gate = settled(noise)
    block = Box(400, 100, 460, 220)
    areas = [gate.look(with_block(room(noise), block), 4 + n / 2).area for n in range(120)]
    assert areas[0] is not None
    assert areas[-1] is None


def test_movement_does_not_count_where_it_is_masked(noise: np.random.Generator) -> None:
    gate = settled(noise)
    mask = np.full((36, 64), 255, np.uint8)
    mask[:, 32:] = 0
    right = with_block(room(noise), Box(400, 100, 460, 220))
    assert gate.look(right, 4.0, mask=mask).area is None
    left = with_block(room(noise), Box(100, 100, 160, 220))
    assert gate.look(left, 4.1, mask=mask).area is not None


def test_another_scene_is_a_cut(noise: np.random.Generator) -> None:
    gate = settled(noise)
    dark = np.clip(noise.normal(15, 4, (360, 640, 3)), 0, 255).astype(np.uint8)
    movement = gate.look(dark, 4.0)
    assert movement.cut
    assert movement.area == Box(0, 0, 640, 360)
    assert gate.look(dark, 4.1).area is None


def test_a_person_who_enters_is_no_cut(noise: np.random.Generator) -> None:
    gate = settled(noise)
    assert not gate.look(with_block(room(noise), Box(100, 0, 420, 360)), 4.0).cut


def test_another_size_of_frame_is_taken_as_a_new_scene(noise: np.random.Generator) -> None:
    gate = settled(noise)
    movement = gate.look(room(noise, size=(720, 1280)), 4.0)
    assert movement.area == Box(0, 0, 1280, 720)
    assert movement.cut


@pytest.mark.parametrize("size", [(1, 1), (16, 2000), (2000, 16)])
def test_any_shape_of_frame_is_looked_at(noise: np.random.Generator, size: tuple[int, int]) -> None:
    gate = MotionGate()
    gate.look(room(noise, size=size), 0.0)
    gate.look(room(noise, size=size), 0.1)


def test_a_clock_that_goes_back_does_no_harm(noise: np.random.Generator) -> None:
    gate = settled(noise)
    assert gate.look(room(noise), -100.0).area is None
    assert gate.look(room(noise), 5.0).area is None
