import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.edge import Day, Played, brought_to, day, opened, uploads
from usher.vision.pipeline import make_pipeline

BOOKS = {"produced": 9, "delivered": 5, "dropped": 1, "refused": 1, "pending": 2, "bytes": 4096}
DAY = Day(
    minutes=1,
    frames=10,
    tracks=1,
    early_mb=100,
    end_mb=100,
    most_mb=100,
    books=BOOKS,
    most_pending=2,
    stored=5,
)


@pytest.fixture
def clip(test_data: Path) -> Path:
    return test_data / "videos" / "head-pose-face-detection-male.gif"


@pytest.mark.parametrize(
    ("spoilt", "is_balanced"),
    [
        (DAY, True),
        (replace(DAY, stored=4), False),  # the API lacks one that counts as delivered
        (replace(DAY, books={**BOOKS, "pending": 1}), False),  # one is nowhere
    ],
)
def test_books_are_told_from_such_that_do_not_balance(spoilt: Day, is_balanced: bool) -> None:
    assert spoilt.is_balanced == is_balanced


def test_clip_plays_in_real_time_and_leaves_out_what_nobody_takes(clip: Path) -> None:
    shown = []
    for frame in Played(clip):
        shown.append(frame.index)
        time.sleep(0.2)
    assert shown == sorted(set(shown))
    assert len(shown) < 40
    assert shown[-1] >= 58


def test_clip_is_brought_to_a_size_and_keeps_its_frames(clip: Path, tmp_path: Path) -> None:
    frames = list(opened(brought_to(clip, (640, 480), tmp_path)))
    assert {frame.image_rgb.shape for frame in frames} == {(480, 640, 3)}
    assert len(frames) == 62
    assert (frames[30].captured_at - frames[0].captured_at).total_seconds() == pytest.approx(1)


def test_everybody_is_kept_with_a_fraction_of_the_crops(clip: Path) -> None:
    found = uploads(clip, "hog", make_pipeline())
    assert (found.frames, found.every, found.tracks) == (62, 62, 1)
    assert found.people == found.kept == 1
    assert found.reduction >= 10
    assert found.crops_bytes < found.every_bytes / 10
    assert len(found.first_ms) == 1


def test_a_day_that_was_lived_through_is_balanced(clip: Path) -> None:
    lived = day(clip, minutes=0.15)
    assert lived.is_balanced
    assert lived.books["produced"] > 0
    assert lived.books["pending"] == lived.books["dropped"] == 0
