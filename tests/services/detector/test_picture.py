"""Frozen, black, blurred and healthy pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, cycle, islice, pairwise, repeat
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.detector.picture import PictureHealth, sharpness_of
from services.detector.sources import Frame
from usher.domain.records import CameraState
from usher.vision.images import RgbImage

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RNG = np.random.default_rng(7)
NOISE = np.pad(RNG.normal(0, 1, (720, 1280)), 8, mode="wrap").astype(np.float32)
LIVE, FROZEN, BLACK, BLURRED = (
    CameraState.LIVE,
    CameraState.FROZEN,
    CameraState.BLACK,
    CameraState.BLURRED,
)
Change = Callable[[RgbImage], RgbImage]


class Looked:
    """A camera's picture over time."""

    def __init__(self) -> None:
        self.health = PictureHealth()
        self.second = 0.0

    def look(self, image_rgb: RgbImage, *, after_s: float = 1.0) -> CameraState:
        self.second += after_s
        return self.health.look(Frame(image_rgb, 0, NOON + timedelta(seconds=self.second)))

    def states(
        self, seconds: float, images: Iterator[RgbImage], *, every_s: float = 1.0
    ) -> list[CameraState]:
        count = round(seconds / every_s)
        return [self.look(image, after_s=every_s) for image in islice(images, count)]


def noisy(image_rgb: RgbImage, sigma: float = 3) -> RgbImage:
    height, width = image_rgb.shape[:2]
    across, down = (int(value) for value in RNG.integers(0, (1297 - width, 737 - height)))
    noise = NOISE[down : down + height, across : across + width, None] * sigma
    return np.clip(image_rgb + noise, 0, 255).astype(np.uint8)


def changing(image_rgb: RgbImage, sigma: float = 3) -> Iterator[RgbImage]:
    """The scene as a sensor sees it."""
    while True:
        yield noisy(image_rgb, sigma)


def scene() -> RgbImage:
    """A room: walls, furniture, edges of all kinds."""
    image = np.full((360, 640, 3), 120, np.uint8)
    for number in range(60):
        x, y = (int(value) for value in RNG.integers(0, (600, 320)))
        cv2.rectangle(image, (x, y), (x + 10 + number, y + 30), (40 + 3 * number,) * 3, -1)
    return image


@pytest.fixture
def looked() -> Looked:
    """A camera that has been well for a minute."""
    looked = Looked()
    assert set(looked.states(60, changing(SCENE))) == {LIVE}
    return looked


SCENE = scene()


# ---- Frozen -------------------------------------------------------------------------------------


def test_picture_is_frozen_when_no_pixel_changes_for_twenty_seconds(looked: Looked) -> None:
    last = noisy(SCENE)
    states = looked.states(40, cycle([last, last.copy()]))
    assert states[:20] == [LIVE] * 20
    assert set(states[20:]) == {FROZEN}


def test_frozen_picture_is_noticed_within_thirty_seconds_at_any_pace(looked: Looked) -> None:
    for every_s in (0.04, 0.5, 5):
        looked.look(noisy(SCENE))
        states = looked.states(30, cycle([SCENE]), every_s=every_s)
        assert (states[0], states[-1]) == (LIVE, FROZEN)


def test_picture_is_live_at_once_when_it_moves_again(looked: Looked) -> None:
    assert looked.states(40, cycle([SCENE]))[-1] is FROZEN
    moved = SCENE.copy()
    moved[200, 300] += 1
    assert looked.look(moved) is LIVE


def test_still_scene_of_an_encoder_is_live_when_key_frames_refresh_it(looked: Looked) -> None:
    """Between key frames, ten seconds apart, nothing of a still scene changes to the bit."""
    for _ in range(6):
        assert set(looked.states(10, cycle([noisy(SCENE, 0.3)]), every_s=0.5)) == {LIVE}


def test_picture_is_live_when_only_a_corner_changes(looked: Looked) -> None:
    """The clock that many cameras write into their picture."""
    clocks = []
    for number in range(10):
        clock = SCENE.copy()
        clock[3:9, 3:9] = 20 * number
        clocks.append(clock)
    assert set(looked.states(60, cycle(clocks))) == {LIVE}


def test_picture_is_live_when_the_clock_jumps_or_the_camera_was_away(looked: Looked) -> None:
    image = noisy(SCENE)
    for after_s in (0, -7200, 86_400, -86_400):
        assert looked.look(image, after_s=after_s) is LIVE
    assert looked.look(noisy(SCENE), after_s=3600) is LIVE


def test_picture_is_live_when_its_size_changes(looked: Looked) -> None:
    assert looked.states(40, cycle([SCENE]))[-1] is FROZEN
    assert looked.look(SCENE[:300, :400].copy()) is LIVE


# ---- Black --------------------------------------------------------------------------------------


def test_picture_is_black_after_five_seconds_and_live_again_in_two(looked: Looked) -> None:
    dark = np.full_like(SCENE, 6)
    states = looked.states(20, changing(dark, 2))
    assert states[:4] == [LIVE] * 4
    assert set(states[5:]) == {BLACK}
    assert looked.states(3, changing(SCENE))[-1] is LIVE


def test_picture_that_is_black_and_frozen_is_black(looked: Looked) -> None:
    assert looked.states(40, cycle([np.zeros_like(SCENE)]))[-1] is BLACK


def test_picture_of_a_night_with_a_lamp_is_live(looked: Looked) -> None:
    night = np.full_like(SCENE, 8)
    night[40:100, 500:560] = 220
    assert BLACK not in looked.states(60, changing(night, 2))


def test_dim_picture_that_is_about_black_does_not_flicker() -> None:
    looked = Looked()
    levels = chain(repeat(12, 10), cycle([17, 17, 24, 24, 24]))
    states = looked.states(120, (noisy(np.full_like(SCENE, level), 2) for level in levels))
    assert sum(before is not after for before, after in pairwise(states)) == 1
    assert states[-1] is BLACK


# ---- Blurred ------------------------------------------------------------------------------------


def covered(image_rgb: RgbImage) -> RgbImage:
    return np.full_like(image_rgb, 90)


def sprayed(image_rgb: RgbImage) -> RgbImage:
    return (cv2.GaussianBlur(image_rgb, (0, 0), 10) * 0.3 + 90).astype(np.uint8)


def out_of_focus(image_rgb: RgbImage) -> RgbImage:
    return cv2.GaussianBlur(image_rgb, (0, 0), 8).astype(np.uint8)


def dimmed(image_rgb: RgbImage) -> RgbImage:
    return (image_rgb * 0.33).astype(np.uint8)


def hazy(image_rgb: RgbImage) -> RgbImage:
    return (image_rgb * 0.6 + 50).astype(np.uint8)


@pytest.mark.parametrize("change", [covered, sprayed, out_of_focus])
def test_picture_is_blurred_after_a_while_and_live_again_when_it_is_sharp(
    looked: Looked, change: Change
) -> None:
    states = looked.states(30, changing(change(SCENE)))
    assert states[:14] == [LIVE] * 14
    assert set(states[16:]) == {BLURRED}
    assert looked.states(4, changing(SCENE))[-1] is LIVE


@pytest.mark.parametrize("change", [dimmed, hazy])
def test_picture_is_live_when_light_or_air_change(looked: Looked, change: Change) -> None:
    assert set(looked.states(60, changing(change(SCENE)))) == {LIVE}


def test_picture_is_live_when_somebody_stands_before_the_camera_for_a_moment(
    looked: Looked,
) -> None:
    assert set(looked.states(10, changing(covered(SCENE)))) == {LIVE}
    assert set(looked.states(30, changing(SCENE))) == {LIVE}


def test_plain_wall_is_not_blurred() -> None:
    assert set(Looked().states(120, changing(covered(SCENE)))) == {LIVE}


def test_picture_stays_blurred_for_hours_while_it_is_covered(looked: Looked) -> None:
    images = cycle(islice(changing(sprayed(SCENE)), 8))
    assert set(looked.states(2 * 3600, images, every_s=10)[3:]) == {BLURRED}


def test_camera_that_was_turned_to_a_plainer_scene_is_believed_within_a_day(
    looked: Looked,
) -> None:
    plain = sprayed(SCENE)
    assert looked.states(60, changing(plain))[-1] is BLURRED
    images = cycle(islice(changing(plain), 8))
    assert looked.states(86_400, images, every_s=10)[-1] is LIVE


def test_real_clips_are_live_and_blurred_when_they_are_covered(test_data: Path) -> None:
    for path in sorted((test_data / "videos").glob("*.gif")):
        frames = [cv2.resize(frame, (1280, 720)) for frame in _frames(path)][::6]
        real = [noisy(image) for image in frames]
        hidden = [noisy(sprayed(image)) for image in frames[:3]]
        looked = Looked()
        assert set(looked.states(60, cycle(real))) == {LIVE}, path.name
        assert looked.states(20, cycle(hidden))[-1] is BLURRED, path.name


def _frames(path: Path) -> list[RgbImage]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while capture.grab():
        frames.append(capture.retrieve()[1][..., ::-1].astype(np.uint8))
    capture.release()
    return frames


# ---- Any picture --------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 2000, 3), (2000, 1, 3), (90, 160, 3)])
def test_health_takes_pictures_of_any_size(shape: tuple[int, int, int]) -> None:
    looked = Looked()
    for _ in range(3):
        looked.look(RNG.integers(0, 255, shape).astype(np.uint8))


def test_sharpness_falls_with_blur_and_hardly_with_light() -> None:
    grey = cv2.cvtColor(SCENE[::4, ::4].copy(), cv2.COLOR_RGB2GRAY).astype(np.uint8)
    sharp = sharpness_of(grey)
    blurred = cv2.GaussianBlur(grey, (0, 0), 3).astype(np.uint8)
    assert sharpness_of(blurred) < 0.3 * sharp
    assert sharpness_of((grey // 2).astype(np.uint8)) == pytest.approx(sharp, rel=0.15)


def test_health_looks_at_few_frames_of_a_fast_camera(looked: Looked) -> None:
    """Of 30 frames a second 5 are looked at: the others are not even of a right shape."""
    nonsense = np.zeros((0, 0, 3), np.uint8)
    for _ in range(10):
        assert looked.look(noisy(SCENE), after_s=0.25) is LIVE
        for _ in range(5):
            assert looked.look(nonsense, after_s=0.03) is LIVE
