from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from usher.commands.annotate import CODECS, Summary, check_paths, writing
from usher.commands.drawing import draw_sightings, label_of
from usher.commands.sightings import Sighting
from usher.domain.errors import InvalidInput, SourceError
from usher.domain.geometry import Box
from usher.domain.records import Confidence
from usher.vision.clips import Clip

BOX = Box(10, 20, 30, 40)


def make_clip(path: Path, *, frames: int = 6, width: int = 64, height: int = 48) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (width, height))
    for index in range(frames):
        writer.write(np.full((height, width, 3), 40 * index % 256, np.uint8))
    writer.release()
    return path


# ---- Summary ------------------------------------------------------------------------------------


def test_summary_counts_faces_and_says_when_each_person_was_seen() -> None:
    summary = Summary()
    ann = Sighting(BOX, "Ann", True, Confidence.LOW)
    summary.add(0.0, [ann, Sighting(BOX, "person 1")])
    summary.add(0.5, [Sighting(BOX, None)])
    summary.add(1.0, [Sighting(BOX, "Ann", True, Confidence.HIGH)])
    summary.add(1.5, [ann])
    assert (summary.frames, summary.detections, summary.recognitions) == (4, 5, 3)
    assert (summary.unclear, summary.strangers) == (1, 1)
    seen = summary.appearances["Ann"]
    assert (seen.frames, seen.first_s, seen.last_s) == (3, 0.0, 1.5)
    assert seen.confidence is Confidence.HIGH
    assert summary.appearances["person 1"].confidence is None


def test_summary_counts_a_person_once_a_frame() -> None:
    summary = Summary()
    summary.add(
        0.0,
        [
            Sighting(BOX, "Ann", True, Confidence.HIGH),
            Sighting(BOX, "Ann", True, Confidence.LOW),
        ],
    )
    assert summary.appearances["Ann"].frames == 1
    assert summary.appearances["Ann"].confidence is Confidence.HIGH


def test_summary_of_nothing_is_zero() -> None:
    summary = Summary()
    summary.add(0.0, [])
    assert (summary.frames, summary.detections, summary.strangers) == (1, 0, 0)


# ---- Paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CODECS)
def test_paths_are_accepted_for_every_codec(tmp_path: Path, suffix: str) -> None:
    check_paths(tmp_path / "in.mp4", tmp_path / f"out{suffix.upper()}")


@pytest.mark.parametrize(
    ("out", "problem"),
    [
        ("out.gif", "cannot be written"),
        ("out", "cannot be written"),
        ("missing/out.mp4", "there is no folder"),
        ("in.avi", "is the video itself"),
        ("link.avi", "is the video itself"),
        ("folder.mp4", "is a folder"),
    ],
)
def test_paths_that_cannot_end_well_are_refused(tmp_path: Path, out: str, problem: str) -> None:
    video = make_clip(tmp_path / "in.avi")
    (tmp_path / "link.avi").symlink_to(video)
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InvalidInput, match=problem):
        check_paths(video, tmp_path / out)


# ---- Clips and writing --------------------------------------------------------------------------


def test_clip_gives_its_frames_and_their_times(tmp_path: Path) -> None:
    with Clip(make_clip(tmp_path / "in.avi")) as clip:
        frames = list(clip.frames())
        assert (clip.fps, clip.length, clip.width, clip.height) == (10.0, 6, 64, 48)
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.at_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert frames[0].image_rgb.shape == (48, 64, 3)


def test_clip_skips_frames(tmp_path: Path) -> None:
    with Clip(make_clip(tmp_path / "in.avi")) as clip:
        assert [frame.index for frame in clip.frames(4)] == [0, 4]


@pytest.mark.parametrize("name", ["missing.mp4", "text.mp4", "empty.mp4"])
def test_clip_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with pytest.raises(SourceError, match=name):
        Clip(tmp_path / name)


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("size", [(64, 48), (65, 49)])
def test_written_video_has_every_frame_in_its_colours(
    tmp_path: Path, suffix: str, size: tuple[int, int]
) -> None:
    width, height = size
    out = tmp_path / f"out{suffix}"
    red_rgb = np.zeros((height, width, 3), np.uint8)
    red_rgb[..., 0] = 200
    source = make_clip(tmp_path / "in.avi", width=width, height=height)
    with Clip(source) as clip, writing(out, clip) as writer:
        for _ in range(5):
            writer.write(np.resize(red_rgb, (clip.height, clip.width, 3)))
    with Clip(out) as written:
        frames = list(written.frames())
        assert written.fps == pytest.approx(10)
    assert len(frames) == 5
    red, green, blue = frames[2].image_rgb.reshape(-1, 3).mean(axis=0)
    assert red > 150
    assert max(green, blue) < 50


def test_interrupted_writing_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    out.write_text("before")
    with (
        Clip(make_clip(tmp_path / "in.avi")) as clip,
        pytest.raises(KeyboardInterrupt),
        writing(out, clip) as writer,
    ):
        writer.write(np.zeros((48, 64, 3), np.uint8))
        raise KeyboardInterrupt
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.avi", "out.mp4"]


def test_out_is_not_there_before_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    with Clip(make_clip(tmp_path / "in.avi")) as clip, writing(out, clip) as writer:
        writer.write(np.zeros((48, 64, 3), np.uint8))
        assert not out.exists()
    assert out.stat().st_size > 0


# ---- Drawing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sighting", "label"),
    [
        (Sighting(BOX, "Ann", True, Confidence.HIGH), "Ann - high"),
        (Sighting(BOX, "person 1"), "person 1"),
        (Sighting(BOX, None), "unknown"),
        (Sighting(BOX, "José Łee", True, Confidence.LOW), "Jose ?ee - low"),
    ],
)
def test_label_says_who_and_how_sure(sighting: Sighting, label: str) -> None:
    assert label_of(sighting) == label


def test_drawing_marks_the_box_and_leaves_what_is_far_from_it() -> None:
    frame_rgb = np.zeros((300, 300, 3), np.uint8)
    draw_sightings(frame_rgb, [Sighting(Box(100, 100, 160, 160), "Ann", True)], 25.0)
    assert frame_rgb[100, 130].any()
    assert frame_rgb[130, 100].any()
    assert not frame_rgb[110:150, 110:150].any()
    assert not frame_rgb[250:, :].any()
    assert frame_rgb[:20, :60].any()


@pytest.mark.parametrize("box", [Box(-50, -50, 20, 20), Box(15, 15, 400, 400), Box(0, 0, 1, 1)])
@pytest.mark.parametrize("side", [1, 16, 301])
def test_drawing_goes_past_edges_without_harm(box: Box, side: int) -> None:
    frame_rgb = np.zeros((side, side, 3), np.uint8)
    draw_sightings(frame_rgb, [Sighting(box, "A rather long name indeed", True)], 1e6)
    assert frame_rgb.any()
