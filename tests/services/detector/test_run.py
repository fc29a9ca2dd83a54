"""`usher detect` over cameras that are real servers, as it runs unattended."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from services.detector.sources import VideoFile
from tests.running import free_port
from usher.vision.images import RgbImage
from usher.wire import CameraOrders, CameraRegions

from .conftest import KEY, FakeApi
from .stream_servers import PASSWORD, RtspServer, StreamServer, serving

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def frames(test_data: Path) -> list[RgbImage]:
    """Two people, seen from the front at first."""
    clip = test_data / "videos" / "head-pose-face-detection-female-and-male.gif"
    opened = VideoFile(clip, started_at=datetime.now(UTC), max_fps=None)
    return [frame.image_rgb[:264] for frame in opened]  # RTSP's JPEG wants multiples of 8


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.05)


@contextmanager
def detecting(folder: Path, api: FakeApi, **config: object) -> Iterator[psutil.Popen]:
    file = folder / "cameras.json"
    file.write_text(json.dumps({"api_url": api.url, **config}))
    inherited = {name: value for name, value in os.environ.items() if "USHER" not in name}
    with (folder / "detect.log").open("wb") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "usher", "detect", "--config", str(file)],
            cwd=folder,
            env={**inherited, "USHER_API_KEY": KEY, "USHER_DATA": str(folder / "data")},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def of(camera_id: str, server: StreamServer) -> dict[str, object]:
    return {"camera_id": camera_id, "source": server.url, "min_face_px": 60, "max_fps": 8}


def states(api: FakeApi, camera_id: str) -> list[str]:
    """As they followed each other."""
    said = [state for camera, state in api.reports if camera == camera_id]
    return [state for place, state in enumerate(said) if place == 0 or said[place - 1] != state]


def fetched(url: str, **headers: str) -> str:
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return str(answer.read().decode())


def test_one_of_two_cameras_is_unplugged_and_comes_back(
    frames: list[RgbImage], tmp_path: Path, api: FakeApi
) -> None:
    def crops_of(camera_id: str) -> int:
        return sum(metadata.camera_id == camera_id for metadata, _ in api.stored.values())

    with serving(frames, fps=10, kind=RtspServer) as yard, serving(frames, fps=10) as door:
        cameras = [of("yard", yard), of("door", door)]
        with detecting(tmp_path, api, cameras=cameras) as process:
            until(lambda: crops_of("yard") and crops_of("door"))
            yard.stop()
            until(lambda: states(api, "yard")[-1] in {"connecting", "gone"})
            before = crops_of("yard")
            until(lambda: states(api, "yard")[-1] == "gone")
            yard.start()
            until(lambda: states(api, "yard")[-1] == "live")
            until(lambda: crops_of("yard") > before)
            assert states(api, "door")[-1] == "live"
            assert "gone" not in states(api, "door")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == 0
    log = (tmp_path / "detect.log").read_text()
    assert states(api, "yard")[-1] == states(api, "door")[-1] == "stopped"
    assert PASSWORD not in log
    (finished,) = [json.loads(line) for line in log.splitlines() if '"finished"' in line]
    kept = finished["uploaded"] + finished["refused"] + finished["dropped"] + finished["waiting"]
    assert finished["crops"] == kept


def test_camera_looks_where_it_was_drawn_from_one_report_to_the_next(
    frames: list[RgbImage], tmp_path: Path, api: FakeApi
) -> None:
    everywhere = CameraRegions(exclude=[[(0, 0), (1, 0), (1, 1), (0, 1)]])
    with serving(frames, fps=10) as door:
        with detecting(tmp_path, api, cameras=[of("door", door)]):
            until(lambda: api.stored)
            assert set(api.regions_reported) == {None}
            api.orders = CameraOrders(regions=everywhere)
            until(lambda: everywhere.digest in api.regions_reported)
            time.sleep(3)  # what was being followed by then goes out
            seen = len(api.stored)
            until(lambda: api.regions_reported.count(everywhere.digest) >= 2)
            assert len(api.stored) == seen
        api.orders = None
        with detecting(tmp_path, api, cameras=[of("door", door)]):
            until(lambda: api.regions_reported.count(everywhere.digest) >= 3)
            api.orders = CameraOrders(regions=None)
            until(lambda: len(api.stored) > seen)


def test_figures_and_the_preview_are_for_this_machine_alone(
    frames: list[RgbImage], tmp_path: Path, api: FakeApi
) -> None:
    metrics, preview = free_port(), free_port()
    with serving(frames, fps=10) as door:
        options = {"metrics_port": metrics, "preview_port": preview}
        with detecting(tmp_path, api, cameras=[of("door", door)], **options) as process:
            figures_url = f"http://127.0.0.1:{metrics}/metrics"
            until(lambda: api.stored and 'state="live"} 1.0' in fetched(figures_url))
            figures = fetched(figures_url)
            listening = {
                connection.laddr.ip
                for connection in process.net_connections("inet")
                if connection.status == psutil.CONN_LISTEN
            }
            page = fetched(f"http://127.0.0.1:{preview}/")
            with urllib.request.urlopen(
                f"http://127.0.0.1:{preview}/cameras/door", timeout=10
            ) as stream:
                start = stream.read(4000)
            with pytest.raises(urllib.error.HTTPError, match="403"):
                fetched(f"http://127.0.0.1:{preview}/", Host="pictures.example")
            with pytest.raises(urllib.error.HTTPError, match="404"):
                fetched(f"http://127.0.0.1:{preview}/cameras/yard")
    assert listening == {"127.0.0.1"}
    assert re.search(r'usher_detector_tracks_total\{camera="door"\} [1-9]', figures)
    assert 'usher_camera_state{camera="door",state="live"} 1.0' in figures
    assert re.search(r'usher_spool_crops_total\{outcome="produced"\} [1-9]', figures)
    assert PASSWORD not in figures + page
    assert "/cameras/door" in page
    assert b"Content-Type: image/jpeg" in start and b"\xff\xd8\xff" in start


def test_a_camera_that_is_away_at_the_start_is_waited_for(
    frames: list[RgbImage], tmp_path: Path, api: FakeApi
) -> None:
    with serving(frames, fps=10) as door:
        door.stop()
        with detecting(tmp_path, api, cameras=[of("door", door)]) as process:
            until(lambda: states(api, "door")[-1:] == ["gone"])
            door.start()
            until(lambda: api.stored)
            assert process.poll() is None


def test_a_file_that_ends_does_not_end_a_camera(
    frames: list[RgbImage], tmp_path: Path, api: FakeApi, test_data: Path
) -> None:
    clip = test_data / "videos" / "head-pose-face-detection-female.gif"
    visit = {"camera_id": "visit", "source": str(clip), "min_face_px": 60}
    with (
        serving(frames, fps=10) as door,
        detecting(tmp_path, api, cameras=[visit, of("door", door)]) as process,
    ):
        until(lambda: states(api, "visit")[-1:] == ["finished"])
        until(lambda: any(one.camera_id == "door" for one, _ in api.stored.values()))
        assert process.poll() is None


_READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro /
! touch /tmp/writable 2>/dev/null
shift
exec "$@"
"""


def _may_mount() -> bool:
    probe = ["unshare", "--mount", "mount", "--make-rprivate", "/"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def test_the_file_system_may_be_read_only_but_for_the_data_directory(
    tmp_path: Path, api: FakeApi, test_data: Path
) -> None:
    if not _may_mount():
        pytest.skip("this user may not make a file system read-only")
    data = tmp_path / "data"
    data.mkdir()
    clip = test_data / "videos" / "head-pose-face-detection-female.gif"
    inherited = {name: value for name, value in os.environ.items() if "USHER" not in name}
    within = ["unshare", "--mount", "sh", "-c", _READ_ONLY, "sh", str(data)]
    detect = [sys.executable, "-m", "usher", "detect", "--source", str(clip), "--api", api.url]
    ended = subprocess.run(
        [*within, *detect, "--camera-id", "desk", "--detector", "mtcnn", "--min-face-px", "60"],
        env={**inherited, "USHER_API_KEY": KEY, "USHER_DATA": str(data), "HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert api.stored
    assert {path.name for path in data.iterdir()} == {"spool"}
