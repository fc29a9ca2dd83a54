"""TRUST 11: killed 200 times while writing, the spool loses nothing that it has acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.detector.spool import Spool, SpoolLimits
from usher.domain.records import SpoolBooks

from .spool_nursery import make_upload, number_of

KILLS = 200
REPOSITORY = Path(__file__).parents[3]


class Nursery:
    """Lets one process after the other use a spool, and kills it."""

    def __init__(self, process: subprocess.Popen[str], file: Path) -> None:
        self._process = process
        self._file = file
        self.put: set[str] = set()
        self.sent: set[str] = set()

    def raise_and_kill(self, first: int, *, waits: bool, after_s: float) -> None:
        """Let a process put uploads from `first` on; kill it, if it waits after the first one."""
        assert self._process.stdin
        self._process.stdin.write(f"{self._file} {first}\n")
        self._process.stdin.flush()
        pid = int(self._read_until("born"))
        if waits:
            self._read_until("put")
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
        self._read_until("dead")

    def _read_until(self, wanted: str) -> str:
        assert self._process.stdout
        for line in self._process.stdout:
            event, _, value = line.strip().partition(" ")
            if event == "put":
                self.put.add(value)
            elif event == "sends":
                self.sent.add(value)
            if event == wanted:
                return value
        raise AssertionError("the nursery has ended")


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.services.detector.spool_nursery"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield Nursery(process, tmp_path / "spool" / "crops.db")
        assert process.stdin
        process.stdin.close()


def opened(file: Path, *, deliver: bool) -> tuple[SpoolBooks, set[str]]:
    """The books as the next process finds them, and the keys that wait; all of them are whole."""
    spool = Spool(file, SpoolLimits())
    books = spool.books()
    entries = list(iter(spool.take, None))
    for entry in entries:
        assert entry.upload == make_upload(number_of(entry.upload))
        if deliver:
            spool.delivered(entry)
    spool.close()
    return books, {entry.upload.key for entry in entries}


@pytest.mark.slow
def test_spool_loses_nothing_when_it_is_killed_while_it_writes(
    nursery: Nursery, tmp_path: Path
) -> None:
    file = tmp_path / "spool" / "crops.db"
    for kill in range(KILLS):
        first = kill * 1_000_000 // KILLS
        # Every fourth is killed while it opens the spool, or soon after.
        nursery.raise_and_kill(first, waits=kill % 4 > 0, after_s=kill % 23 / 1000)
        deliver = kill % 10 == 9
        books, waiting = opened(file, deliver=deliver)
        assert books.produced == books.delivered + books.pending
        assert (books.dropped, books.refused) == (0, 0)
        assert books.pending == len(waiting)
        assert nursery.put - nursery.sent <= waiting
        # Of each life at most one put and one delivery were done and not told of.
        assert len(nursery.put) <= books.produced <= len(nursery.put) + kill + 1
        assert len(nursery.sent) - kill - 1 <= books.delivered <= len(nursery.sent)
        if deliver:
            nursery.sent |= waiting
    assert len(nursery.put) > KILLS
    assert not list(file.parent.glob("*.corrupt-*"))
