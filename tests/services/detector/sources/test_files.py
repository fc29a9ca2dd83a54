"""Frames from video files and folders."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from services.detector.config import CameraConfig
from services.detector.sources import Folder, Source, VideoFile, open_source
from usher.domain.errors import SourceError
from usher.domain.records import CameraState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RED_RGB = np.full((48, 64, 3), (255, 0, 0), np.uint8)


def opened(source: str | Path, **options: Any) -> Source:
    config = CameraConfig(camera_id="door", source=str(source), **options)
    return open_source(config, started_at=NOON, stop=threading.Event())


def indices(source: Source) -> list[int]:
    return [frame.index for frame in source]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """One second of red at 30 frames a second, 64 by 48."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 30, (64, 48))
    for _ in range(30):
        writer.write(RED_RGB[..., ::-1])
    writer.release()
    return path


# ---- Files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("max_fps", "step"), [(None, 1), (6, 5), (7, 4), (30, 1), (1000, 1), (1, 30), (0.1, 300)]
)
def test_video_gives_every_nth_frame(clip: Path, max_fps: float | None, step: int) -> None:
    assert indices(opened(clip, max_fps=max_fps)) == list(range(0, 30, step))


def test_video_frames_are_rgb_and_bear_times_of_the_file(clip: Path) -> None:
    frames = list(opened(clip, max_fps=6))
    assert np.abs(frames[0].image_rgb.astype(int) - RED_RGB).max() < 10
    assert [frame.captured_at for frame in frames] == [
        NOON + timedelta(seconds=index / 30) for index in range(0, 30, 5)
    ]
    assert not opened(clip).is_live
    assert opened(clip).length == 30
    assert (opened(clip).state, opened(clip).skipped) == (CameraState.LIVE, 0)


def test_video_gives_the_same_frames_each_time_also_as_a_copy(clip: Path) -> None:
    copy = Path(shutil.copy(clip, clip.with_name("copy.avi")))
    one, other = list(opened(clip)), list(opened(copy))
    assert [(frame.origin, frame.captured_at, frame.index) for frame in one] == [
        (frame.origin, frame.captured_at, frame.index) for frame in other
    ]
    assert all(np.array_equal(a.image_rgb, b.image_rgb) for a, b in zip(one, other, strict=True))


def test_video_origin_differs_when_the_content_does(clip: Path) -> None:
    before = next(iter(opened(clip))).origin
    with clip.open("ab") as file:
        file.write(b"!")
    assert next(iter(opened(clip))).origin != before


@pytest.mark.parametrize(
    ("name", "frames"),
    [("head-pose-face-detection-female.gif", 23), ("short_hamilton_clip.mp4", 275)],
)
def test_video_reads_gif_and_h264(test_data: Path, name: str, frames: int) -> None:
    assert indices(opened(test_data / "videos" / name)) == list(range(frames))


def test_video_source_error_says_what_to_do_when_it_is_missing_or_no_video(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="check the path"):
        opened(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(SourceError, match="convert it"):
        opened(tmp_path / "text.mp4")
    with pytest.raises(SourceError, match="check the path"):
        opened(tmp_path, reader="opencv")


def test_video_that_is_cut_off_gives_what_is_left(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    frames = indices(VideoFile(clip, started_at=NOON, max_fps=None))
    assert 0 < len(frames) < 30


# ---- Folders ------------------------------------------------------------------------------------


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, colour in (("b.jpg", "green"), ("a.png", "red"), ("c.webp", "blue")):
        Image.new("RGB", (40, 30), colour).save(folder / name)
    return folder


def test_folder_gives_photographs_by_name_one_second_apart(photographs: Path) -> None:
    frames = list(opened(photographs))
    assert [int(frame.image_rgb[0, 0].argmax()) for frame in frames] == [0, 1, 2]
    assert [frame.captured_at for frame in frames] == [
        NOON + timedelta(seconds=second) for second in range(3)
    ]
    assert len({frame.origin for frame in frames}) == 3


def test_folder_skips_what_is_no_photograph(photographs: Path) -> None:
    (photographs / "a.txt").write_text("hello")
    (photographs / "bb.jpg").write_bytes((photographs / "b.jpg").read_bytes()[:300])
    (photographs / ".hidden.png").write_bytes((photographs / "a.png").read_bytes())
    (photographs / "deeper").mkdir()
    source = opened(photographs)
    assert source.length == 5
    assert indices(source) == [0, 2, 4]


def test_folder_source_error_says_what_to_do_when_it_is_missing_or_empty(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="check the path"):
        opened(tmp_path / "none", reader="folder")
    with pytest.raises(SourceError, match="no photograph"):
        Folder(tmp_path, started_at=NOON)
