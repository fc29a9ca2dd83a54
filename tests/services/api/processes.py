"""The API as a process of its own, for tests that kill it, stop it, or weigh it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import time
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx2

from tests.running import free_port, running

_READY_WITHIN_S = 60.0


@dataclass(frozen=True)
class Place:
    """Where an API runs, again and again: its database, data, port and keys."""

    mongodb_uri: str
    data: Path
    port: int
    device_key: str
    notifier_key: str
    database: str

    @classmethod
    def new(cls, mongodb_uri: str, data: Path) -> Place:
        key = uuid.uuid4().hex
        return cls(mongodb_uri, data, free_port(), f"d{key}", f"n{key}", f"test_{key}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data / "api.log"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "USHER_MONGODB_URI": self.mongodb_uri,
            "USHER_MONGODB_DATABASE": self.database,
            "USHER_DATA": str(self.data),
            "USHER_PORT": str(self.port),
            "USHER_DETECTOR_KEY": self.device_key,
            "USHER_NOTIFIER_KEY": self.notifier_key,
        }

    def is_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=2).is_success
        except httpx2.TransportError:
            return False


def command(place: Place) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """`usher api`, as it is started by hand. It need not be ready yet, nor end well."""
    return running(["api"], os.environ | place.environment, place.data)


def wait_until_ready(place: Place, process: subprocess.Popen[bytes] | ForkServerProcess) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while not place.is_ready():
        ended = process.poll() if isinstance(process, subprocess.Popen) else process.exitcode
        assert ended is None, f"the API has ended: {place.log.read_text()}"
        assert time.monotonic() < deadline, "the API is not ready"
        time.sleep(0.05)


def fork(place: Place) -> ForkServerProcess:
    """The API, ready, in a process that shares loaded modules and models: half a second a start."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.services.api.preloaded"])
    process = context.Process(target=_serve, args=(place,), daemon=True)
    process.start()
    wait_until_ready(place, process)
    return process


def _serve(place: Place) -> None:
    from services.api import command, state  # noqa: PLC0415 - in the child, which has them
    from tests.services.api.preloaded import PIPELINE  # noqa: PLC0415
    from usher.settings import Settings, load_settings  # noqa: PLC0415

    with place.log.open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.update(place.environment)
    state.make_pipeline = lambda *_: PIPELINE
    asyncio.run(command.serve(load_settings(Settings)))
