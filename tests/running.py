"""The API and a classifier as real processes, for tests that need them running."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from usher.client import UsherClient
from usher.wire import BoxBody, DetectionMetadata, FramePlace

_READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 20.0

FRAME = FramePlace(box=BoxBody(x1=960, y1=270, x2=1056, y2=405), width=1920, height=1080)
"""Where each face that is uploaded lay: at the middle of the width, a quarter from the top."""


@dataclass(frozen=True)
class RunningSystem:
    """What a test needs to know of the system that runs for it."""

    url: str
    data: Path
    mongodb_uri: str
    database: str
    admin_username: str
    admin_password: str
    notifier_key: str
    device_key: str
    admin: UsherClient
    """A client that may read, name and ignore."""

    def upload(self, image_path: Path, camera_id: str) -> str:
        """Post a photograph as a camera would; the detection's id."""
        metadata = DetectionMetadata(
            camera_id=camera_id, captured_at=datetime.now(UTC), frame=FRAME
        )
        with UsherClient(self.url, self.device_key, timeout_s=60) as client:
            accepted = client.upload_detection(
                _small_enough(image_path), metadata, idempotency_key=uuid.uuid4().hex
            )
        return accepted.id


def _small_enough(image_path: Path) -> bytes:
    """The photograph as a JPEG below the API's cap for crops."""
    with Image.open(image_path) as image:
        image.thumbnail((1000, 1000))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


@contextmanager
def run_system(mongodb_uri: str, data: Path, *, classify: bool = True) -> Iterator[RunningSystem]:
    """Start the API, and a classifier, on a database of their own; stop them afterwards."""
    keys = {"USHER_NOTIFIER_KEY": f"n{uuid.uuid4().hex}", "USHER_DETECTOR_KEY": uuid.uuid4().hex}
    port = free_port()
    database = f"test_{uuid.uuid4().hex}"
    environment = {
        **os.environ,
        **keys,
        "USHER_MONGODB_URI": mongodb_uri,
        "USHER_MONGODB_DATABASE": database,
        "USHER_DATA": str(data),
    }
    with ExitStack() as stack:
        api = stack.enter_context(running(["api", "--port", str(port)], environment, data))
        if classify:
            stack.enter_context(running(["classify"], environment, data))
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, api)
        username, password = _first_login(data / "api.out")
        admin = UsherClient(url, keys["USHER_NOTIFIER_KEY"])
        stack.callback(admin.close)
        yield RunningSystem(
            url=url,
            data=data,
            mongodb_uri=mongodb_uri,
            database=database,
            admin_username=username,
            admin_password=password,
            notifier_key=keys["USHER_NOTIFIER_KEY"],
            device_key=keys["USHER_DETECTOR_KEY"],
            admin=admin,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    arguments: list[str], environment: Mapping[str, str], data: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """`usher` with these arguments, as it is started by hand; output and log go to `data`."""
    name = arguments[0]
    with (data / f"{name}.out").open("wb") as out, (data / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "usher", *arguments], env=environment, stdout=out, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _wait_until_ready(url: str, api: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    with UsherClient(url, timeout_s=2) as client:
        while not client.is_ready():
            assert api.poll() is None, "the API has ended"
            assert time.monotonic() < deadline, "the API is not ready"
            time.sleep(0.1)


def _first_login(output: Path) -> tuple[str, str]:
    found = re.search(r"First login .*: (\S+) / (\S+)", output.read_text())
    assert found, "the API printed no first login"
    return found[1], found[2]
