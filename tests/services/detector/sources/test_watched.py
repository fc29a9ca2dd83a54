"""A folder that photographs are put into."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from PIL import Image

from services.detector.config import CameraConfig
from services.detector.sources import Frame, WatchedFolder, open_source
from usher.domain.records import CameraState

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Looked:
    """A source whose every wait between two looks is a turn of the test's.

    `turns` are called one after the other, one before each further look; then it is stopped.
    """

    def __init__(self, folder: Path, *, patience_s: float = 60) -> None:
        self.seconds = 0.0
        self.stop = _Turns(self)
        self.turns: list[Callable[[], object]] = []
        self.source = WatchedFolder(
            folder, stop=self.stop, patience_s=patience_s, clock=lambda: self.seconds
        )

    def frames(self, *turns: Callable[[], object]) -> list[Frame]:
        self.turns = list(turns)
        return list(self.source)


class _Turns(threading.Event):
    def __init__(self, looked: Looked) -> None:
        super().__init__()
        self._looked = looked

    def wait(self, timeout: float | None = None) -> bool:
        if self._looked.turns:
            self._looked.turns.pop(0)()
        else:
            self.set()
        return self.is_set()


def nothing() -> None:
    """A look at which nothing has changed."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "camera"
    folder.mkdir()
    return folder


@pytest.fixture
def logs() -> Iterator[list[structlog.typing.EventDict]]:
    with structlog.testing.capture_logs() as captured:
        yield list_of(captured)


def list_of(captured: object) -> list[structlog.typing.EventDict]:
    assert isinstance(captured, list)
    return captured


def put(path: Path, colour: str = "red", *, second: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), colour).save(path)
    written_at = NOON.timestamp() + second
    os.utime(path, (written_at, written_at))
    return path


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def colours(frames: list[Frame]) -> list[str]:
    return ["rgb"[int(frame.image_rgb[0, 0].argmax())] for frame in frames]


def test_watched_gives_each_photograph_once_in_the_order_of_their_times(folder: Path) -> None:
    put(folder / "a.jpg", "blue", second=2)
    put(folder / "b.png", "red", second=1)
    put(folder / "2026-03-01" / "c.webp", "lime", second=1.5)
    frames = Looked(folder).frames(nothing, nothing, nothing)
    assert colours(frames) == ["r", "g", "b"]
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.captured_at.timestamp() - NOON.timestamp() for frame in frames] == [1, 1.5, 2]
    assert below(folder) == {"seen/a.jpg", "seen/b.png", "seen/2026-03-01/c.webp"}


def test_watched_gives_none_twice_after_a_restart_but_the_one_that_was_broken_off(
    folder: Path,
) -> None:
    put(folder / "a.jpg", "red", second=1)
    put(folder / "b.jpg", "blue", second=2)
    first = Looked(folder)
    first.turns = [nothing]
    frames = iter(first.source)
    assert colours([next(frames), next(frames)]) == ["r", "b"]  # and b is not worked on to the end
    again = Looked(folder).frames(nothing)
    assert colours(again) == ["b"]
    assert Looked(folder).frames(nothing, nothing) == []


def test_watched_origin_is_the_same_in_each_run(folder: Path) -> None:
    put(folder / "a.jpg")
    first = Looked(folder)
    first.turns = [nothing]
    before = next(iter(first.source))
    (after,) = Looked(folder).frames(nothing)
    assert (before.origin, before.captured_at) == (after.origin, after.captured_at)
    assert before.origin is not None


def test_watched_waits_for_a_file_that_is_being_written(folder: Path) -> None:
    whole = put(folder.parent / "whole.jpg").read_bytes()
    growing = folder / "a.jpg"
    looked = Looked(folder)
    sizes = [0, 100, 200, 300]
    writing = [lambda size=size: growing.write_bytes(whole[:size]) for size in sizes]
    frames = looked.frames(*writing, lambda: growing.write_bytes(whole), nothing)
    assert len(frames) == 1
    assert below(folder) == {"seen/a.jpg"}


def test_watched_gives_nothing_that_it_has_seen_only_once(folder: Path) -> None:
    put(folder / "a.jpg")
    assert Looked(folder).frames() == []
    assert below(folder) == {"a.jpg"}


def test_watched_takes_a_file_whose_upload_paused(
    folder: Path, logs: list[structlog.typing.EventDict]
) -> None:
    whole = put(folder.parent / "whole.jpg").read_bytes()
    paused = folder / "a.jpg"
    frames = Looked(folder).frames(
        lambda: paused.write_bytes(whole[:300]),
        nothing,
        nothing,
        lambda: paused.write_bytes(whole),
        nothing,
    )
    assert len(frames) == 1
    assert not [record for record in logs if record["event"] == "photo_set_aside"]


@pytest.mark.parametrize("name", [".hidden.jpg", "a.jpg.part", "a.TMP", "a.jpg.filepart"])
def test_watched_leaves_hidden_and_unfinished_files_alone(folder: Path, name: str) -> None:
    put(folder.parent / "whole.jpg").rename(folder / name)
    assert Looked(folder).frames(nothing, nothing) == []
    assert below(folder) == {name}


def test_watched_takes_a_file_that_is_renamed_when_it_is_finished(folder: Path) -> None:
    unfinished = put(folder.parent / "whole.jpg").rename(folder / "a.jpg.part")
    looked = Looked(folder)
    frames = looked.frames(nothing, lambda: unfinished.rename(folder / "a.jpg"), nothing)
    assert len(frames) == 1


def test_watched_sets_aside_once_what_is_no_photograph(
    folder: Path, logs: list[structlog.typing.EventDict]
) -> None:
    (folder / "notes.txt").write_text("hello")
    (folder / "empty.jpg").touch()
    put(folder / "good.jpg")
    looked = Looked(folder, patience_s=60)

    def later() -> None:
        looked.seconds += 59

    frames = looked.frames(nothing, later, nothing)
    assert below(folder) == {"notes.txt", "empty.jpg", "seen/good.jpg"}
    looked.stop.clear()
    looked.frames(later, nothing, nothing)
    assert len(frames) == 1
    assert below(folder) == {"bad/notes.txt", "bad/empty.jpg", "seen/good.jpg"}
    aside = [record["file"] for record in logs if record["event"] == "photo_set_aside"]
    assert sorted(aside) == ["empty.jpg", "notes.txt"]


def test_watched_keeps_photographs_of_one_name_apart(folder: Path) -> None:
    looked = Looked(folder)
    frames = looked.frames(
        lambda: put(folder / "snapshot.jpg", "red", second=1),
        nothing,
        lambda: put(folder / "snapshot.jpg", "blue", second=2),
        nothing,
    )
    assert colours(frames) == ["r", "b"]
    assert len(below(folder / "seen")) == 2


def test_watched_does_not_put_away_a_photograph_that_came_while_it_worked(folder: Path) -> None:
    put(folder / "snapshot.jpg", "red", second=1)
    looked = Looked(folder)
    looked.turns = [nothing, nothing, nothing]
    frames = []
    for frame in looked.source:
        frames.append(frame)
        if len(frames) == 1:
            put(folder / "snapshot.jpg", "blue", second=2)
    assert colours(frames) == ["r", "b"]


def test_watched_gives_photographs_once_when_they_cannot_be_moved(
    folder: Path, logs: list[structlog.typing.EventDict]
) -> None:
    put(folder / "a.jpg")
    (folder / "seen").write_text("a file where the sub-folder should be")
    os.utime(folder / "seen", (0, 0))
    frames = Looked(folder).frames(nothing, nothing, nothing)
    assert len(frames) == 1
    (record,) = [record for record in logs if record["event"] == "photo_cannot_be_moved"]
    assert record["file"] == "a.jpg"


def test_watched_is_gone_with_its_folder_and_comes_back_with_it(folder: Path) -> None:
    moved = folder.with_name("away")
    looked = Looked(folder)
    states: list[tuple[CameraState, str | None]] = []

    def note() -> None:
        states.append((looked.source.state, looked.source.reason))

    def go() -> None:
        note()
        folder.rename(moved)

    def come_back() -> None:
        note()
        moved.rename(folder)
        put(folder / "a.jpg")

    frames = looked.frames(go, come_back, note, note)
    assert states[0] == (CameraState.LIVE, None)
    assert states[1][0] is CameraState.GONE
    assert "No such file" in str(states[1][1])
    assert states[2] == (CameraState.LIVE, None)
    assert len(frames) == 1


def test_watched_does_not_follow_links(folder: Path) -> None:
    (folder / "a.jpg").symlink_to(put(folder.parent / "secret.jpg"))
    (folder / "elsewhere").symlink_to(folder.parent)
    assert Looked(folder).frames(nothing, nothing) == []
    assert (folder.parent / "secret.jpg").exists()


def test_watched_photograph_bears_the_present_when_its_time_cannot_be_right(folder: Path) -> None:
    put(folder / "a.jpg")
    os.utime(folder / "a.jpg", (10**10, 10**10))
    (frame,) = Looked(folder).frames(nothing)
    assert abs((frame.captured_at - datetime.now(UTC)).total_seconds()) < 60


def test_watched_is_what_the_configuration_calls_it_and_ends_when_it_is_stopped(
    folder: Path,
) -> None:
    put(folder / "a.jpg")
    stop = threading.Event()
    config = CameraConfig(camera_id="gate", source=str(folder), reader="watched")
    source = open_source(config, started_at=NOON, stop=stop)
    frames = iter(source)
    assert (next(frames).index, source.is_live, source.length) == (0, False, None)
    stop.set()
    assert list(frames) == []
