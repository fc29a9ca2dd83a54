"""Frames from files, folders and live sources."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from services.detector.config import DetectorConfig
from services.detector.sources import Folder, Frame, LiveVideo, Source, VideoFile, open_source
from usher.domain.errors import SourceError
from usher.vision.images import encode_jpeg

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RED_RGB = np.full((48, 64, 3), (255, 0, 0), np.uint8)


def opened(source: str | Path, **options: Any) -> Source:
    config = DetectorConfig(camera_id="door", source=str(source), **options)
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
    ("max_fps", "step"), [(6, 5), (7, 4), (30, 1), (1000, 1), (1, 30), (0.1, 300)]
)
def test_video_gives_every_nth_frame(clip: Path, max_fps: float, step: int) -> None:
    assert indices(opened(clip, max_fps=max_fps)) == list(range(0, 30, step))


def test_video_frames_are_rgb_and_bear_times_of_the_file(clip: Path) -> None:
    frames = list(opened(clip, max_fps=6))
    assert np.abs(frames[0].image_rgb.astype(int) - RED_RGB).max() < 10
    assert [frame.captured_at for frame in frames] == [
        NOON + timedelta(seconds=index / 30) for index in range(0, 30, 5)
    ]
    assert not opened(clip).is_live
    assert opened(clip).length == 30


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
    assert indices(opened(test_data / "videos" / name, max_fps=1000)) == list(range(frames))


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
    frames = indices(VideoFile(clip, started_at=NOON, max_fps=1000))
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


# ---- Live ---------------------------------------------------------------------------------------


class FakeCamera:
    """A camera of which each frame's grey says its number, up to `frames` of them."""

    def __init__(self, frames: int, *, interval_s: float = 0.0) -> None:
        self.released = False
        self._frames = frames
        self._interval_s = interval_s
        self._index = -1

    def grab(self) -> bool:
        time.sleep(self._interval_s)
        self._index += 1
        return self._index < self._frames

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((2, 2, 3), self._index % 256, np.uint8)

    def release(self) -> None:
        self.released = True


def test_live_gives_the_newest_frame_when_it_is_read_slowly() -> None:
    camera = FakeCamera(300, interval_s=0.005)
    frames: list[Frame] = []
    with pytest.raises(SourceError, match="no more frames"):
        for frame in LiveVideo(camera, max_fps=1000, stop=threading.Event()):
            assert datetime.now(UTC) - frame.captured_at < timedelta(seconds=1)
            frames.append(frame)
            time.sleep(0.1)
    assert 2 <= len(frames) <= 100
    assert [frame.image_rgb[0, 0, 0] for frame in frames] == [frame.index % 256 for frame in frames]
    gaps = [after.index - before.index for before, after in itertools.pairwise(frames)]
    assert min(gaps) > 1
    assert camera.released


def test_live_gives_no_more_frames_a_second_than_it_may() -> None:
    stop = threading.Event()
    source = LiveVideo(FakeCamera(10_000, interval_s=0.002), max_fps=20, stop=stop)
    began = time.monotonic()
    assert len(list(itertools.islice(source, 6))) == 6
    assert time.monotonic() - began >= 0.25
    source.close()


def test_live_frames_have_no_origin() -> None:
    source = LiveVideo(FakeCamera(10_000, interval_s=0.002), max_fps=20, stop=threading.Event())
    assert next(iter(source)).origin is None
    assert source.is_live
    source.close()


def test_live_ends_quietly_when_it_is_stopped_while_no_frame_comes() -> None:
    stop = threading.Event()
    source = LiveVideo(FakeCamera(10, interval_s=2), max_fps=20, stop=stop)
    threading.Timer(0.2, stop.set).start()
    began = time.monotonic()
    assert list(source) == []
    assert time.monotonic() - began < 1.5


def test_live_source_error_says_what_to_do_and_hides_the_address() -> None:
    with pytest.raises(SourceError, match="camera 63 cannot be opened: check"):
        opened("63")
    with pytest.raises(SourceError, match="check its address") as caught:
        opened("rtsp://admin:secret@127.0.0.1:1/stream")
    assert "secret" not in str(caught.value)


class _Stream(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        jpeg = encode_jpeg(RED_RGB)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        try:
            while True:
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                time.sleep(0.03)
        except OSError:
            pass

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def stream_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Stream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/stream"
    server.shutdown()
    thread.join()
    server.server_close()


def test_live_reads_a_stream_over_http(stream_url: str) -> None:
    source = opened(stream_url, max_fps=50)
    frames = list(itertools.islice(source, 3))
    source.close()
    assert source.is_live
    assert np.abs(frames[2].image_rgb.astype(int) - RED_RGB).max() < 10
