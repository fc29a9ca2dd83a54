"""The last pictures of cameras."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from usher.domain.errors import NotFound
from usher.storage.frames import FrameStore


@pytest.fixture
def store(tmp_path: Path) -> FrameStore:
    return FrameStore(tmp_path / "frames")


def files(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "frames").rglob("*"))


def test_frame_is_replaced_by_the_next_one(store: FrameStore, tmp_path: Path) -> None:
    store.put("door", b"first")
    store.put("yard", b"other")
    store.put("door", b"second")
    assert (store.get("door"), store.get("yard")) == (b"second", b"other")
    assert len(files(tmp_path)) == 2


def test_frame_is_not_found_when_it_was_never_put_or_was_deleted(store: FrameStore) -> None:
    store.put("door", b"first")
    store.delete("door")
    store.delete("door")
    for camera_id in ("door", "none"):
        with pytest.raises(NotFound):
            store.get(camera_id)


@pytest.mark.parametrize("camera_id", ["../../etc/passwd", "a/b", "Door", "\x00", "x" * 5000])
def test_camera_id_reaches_no_path_whatever_it_is(
    store: FrameStore, tmp_path: Path, camera_id: str
) -> None:
    store.put(camera_id, b"one")
    store.put(camera_id.lower(), b"two")
    (*found,) = files(tmp_path)
    assert len(found) == len({camera_id, camera_id.lower()})
    assert all(len(path.stem) == 64 and path.parent.name == "frames" for path in found)


def test_frame_is_whole_when_it_is_read_while_others_are_written(store: FrameStore) -> None:
    whole = [bytes([n]) * 200_000 for n in range(4)]
    store.put("door", whole[0])

    def write(jpeg: bytes) -> None:
        for _ in range(50):
            store.put("door", jpeg)

    writers = [threading.Thread(target=write, args=(jpeg,)) for jpeg in whole]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert store.get("door") in whole
    for writer in writers:
        writer.join()


def test_old_frames_go_with_what_a_crash_left_when_they_are_swept(
    store: FrameStore, tmp_path: Path
) -> None:
    store.put("door", b"old")
    (tmp_path / "frames" / "left.part").write_bytes(b"cut o")
    for path in files(tmp_path):
        os.utime(path, (time.time() - 100, time.time() - 100))
    store.put("yard", b"new")
    assert store.delete_older_than(60) == 2
    assert store.get("yard") == b"new"
    assert len(files(tmp_path)) == 1


def test_frame_leaves_no_trace_when_it_cannot_be_written(
    store: FrameStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, _: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        store.put("door", b"first")
    assert files(tmp_path) == []
