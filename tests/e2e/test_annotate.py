"""`usher annotate` as a user runs it: real clips, no server."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import pytest

WITHIN_S = 120.0
STAGE = Path("videos/short_hamilton_clip.mp4")
PAIR = Path("videos/head-pose-face-detection-female-and-male.gif")
WOMAN = Path("videos/head-pose-face-detection-female.gif")
MAN = Path("videos/head-pose-face-detection-male.gif")


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "usher", "annotate", *map(str, arguments)]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}


def annotate(*arguments: str | Path) -> dict[str, Any]:
    """Run `usher annotate … --json`; its summary."""
    result = subprocess.run(
        command(*arguments, "--json"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def frame_count(video: Path) -> int:
    capture = cv2.VideoCapture(str(video))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count


def test_annotate_names_who_is_in_the_folder(test_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "named.mp4"
    summary = annotate(test_data / STAGE, "-o", out, "--people", test_data / "enrol")
    assert frame_count(out) == summary["frames"] == frame_count(test_data / STAGE)
    known = {person["person"]: person for person in summary["people"] if person["is_known"]}
    assert set(known) == {"lin-manuel-miranda"}
    # He is on stage from 2.8 s to 7.1 s.
    miranda = known["lin-manuel-miranda"]
    assert miranda["last_s"] < 7.3
    assert miranda["frames"] > 0.5 * (7.1 - 2.8) * 29.97
    assert miranda["confidence"] in ("high", "medium")
    assert summary["recognitions"] == miranda["frames"]
    assert summary["fps"] > 0


def test_annotate_tells_strangers_apart_by_themselves(test_data: Path, tmp_path: Path) -> None:
    summary = annotate(test_data / PAIR, "-o", tmp_path / "pair.avi")
    assert [person["person"] for person in summary["people"]] == ["person 1", "person 2"]
    assert summary["strangers"] == 2
    assert summary["recognitions"] == 0
    assert summary["detections"] > summary["frames"]


def test_annotate_knows_people_from_a_video_of_each(test_data: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    people.mkdir()
    shutil.copy(test_data / WOMAN, people / "woman.gif")
    shutil.copy(test_data / MAN, people / "man.gif")
    summary = annotate(test_data / PAIR, "-o", tmp_path / "pair.mp4", "--people", people)
    assert {person["person"] for person in summary["people"]} == {"woman", "man"}


def test_annotate_says_what_it_left_out_of_the_folder(test_data: Path, tmp_path: Path) -> None:
    people = tmp_path / "people"
    shutil.copytree(test_data / "enrol", people)
    (people / "notes.txt").write_text("nothing to see")
    arguments = (test_data / WOMAN, "-o", tmp_path / "out.mp4", "--people", people)
    result = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=WITHIN_S, check=True
    )
    assert "notes.txt: neither a photograph" in result.stderr
    assert "person 1" in result.stdout
    assert "23 frames" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_annotate_leaves_no_half_of_a_video_when_interrupted(
    test_data: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "named.mp4"
    process = subprocess.Popen(
        command(test_data / STAGE, "-o", out),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + WITHIN_S
    while not list(tmp_path.iterdir()):
        assert process.poll() is None, "it ended before it began to write"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(number)
    assert process.wait(timeout=WITHIN_S) != 0
    assert list(tmp_path.iterdir()) == []


def test_annotate_says_why_when_nothing_in_the_folder_can_be_used(
    test_data: Path, tmp_path: Path
) -> None:
    people = tmp_path / "people"
    people.mkdir()
    shutil.copy(test_data / "groups/dogs.jpg", people / "Rex.jpg")
    out = tmp_path / "out.mp4"
    result = subprocess.run(
        command(test_data / WOMAN, "-o", out, "--people", people),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert result.returncode == 1
    assert "Rex.jpg" in result.stderr
    assert "Traceback" not in result.stderr
    assert not out.exists()
