"""What the classifier's tests share."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from services.classifier import consolidating
from tests.services.classifier.backlog import Backlog
from tests.services.classifier.pictures import picture
from tests.services.classifier.places import CROWD
from tests.unit.identity.people import centres, faces_of
from usher.identity.vectors import Vectors
from usher.storage.database import Database
from usher.storage.schema import prepare

Start = Callable[..., "Classifier"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes minutes runs where it is asked for: `pytest -m slow`."""
    if "slow" in config.option.markexpr:
        return
    for item in items:
        if "services/classifier" in item.nodeid and item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: ask for it with -m slow"))


@pytest.fixture
async def backlog(database: Database, tmp_path: Path) -> Backlog:
    """An empty backlog on a database and a data directory of its own."""
    await prepare(database)
    return Backlog(database, tmp_path)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided is looked at again without waiting for quiet."""
    monkeypatch.setattr(consolidating, "QUIET_S", 0.0)
    monkeypatch.setattr(consolidating, "REST", 0)


@pytest.fixture
def people() -> Vectors:
    """Of thirty people, eight faces each: float32, (30, 8, 32)."""
    random = np.random.default_rng(3)
    return faces_of(centres(CROWD, random), 8, random).reshape(CROWD, 8, -1)


@pytest.fixture(scope="session")
def colours() -> list[bytes]:
    """Pictures of 27 people."""
    levels = (0.0, 0.5, 1.0)
    return [picture(red, green, blue) for red in levels for green in levels for blue in levels]


class Classifier:
    """A classifier's process, and what it logs."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *arguments], env=environment, stdout=file, stderr=file
            )

    def says(self, words: str) -> bool:
        return words in self.log.read_text()

    def wait_until_it_says(self, words: str, *, within_s: float = 30) -> None:
        deadline = time.monotonic() + within_s
        while not self.says(words):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def start(mongodb_uri: str, backlog: Backlog) -> Iterator[Start]:
    """Starts classifiers on the backlog: the real one, `quick` with the seconds of a face, or
    another program."""
    started: list[Classifier] = []

    def start_one(
        *, quick: float | None = None, program: str | None = None, uri: str = mongodb_uri
    ) -> Classifier:
        arguments = ["-m", "usher", "classify"]
        if quick is not None:
            arguments = ["-m", "tests.services.classifier.quick", str(quick)]
        elif program is not None:
            arguments = ["-m", f"tests.services.classifier.{program}"]
        environment = {
            **os.environ,
            "USHER_MONGODB_URI": uri,
            "USHER_MONGODB_DATABASE": backlog.database.name,
            "USHER_DATA": str(backlog.data),
        }
        log = backlog.data / f"classifier-{len(started)}.log"
        started.append(Classifier(arguments, environment, log))
        return started[-1]

    yield start_one
    for classifier in started:
        classifier.stop()
