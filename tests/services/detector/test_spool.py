"""The spool: what it keeps, what it drops, and that the books balance whatever happens."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from structlog.testing import capture_logs

from services.detector.crops import Upload
from services.detector.spool import Clock, Entry, Spool, SpoolLimits
from usher.domain.errors import ConfigurationError
from usher.domain.records import SpoolBooks
from usher.wire import DetectionMetadata

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
MIB = 1 << 20
REPOSITORY = Path(__file__).parents[3]


@dataclass
class Hands:
    """A clock that is set by hand."""

    monotonic_s: float = 1000.0
    wall_s: float = NOON.timestamp()

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.monotonic_s, lambda: self.wall_s)

    def advance(self, seconds: float) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds


MakeSpool = Callable[..., Spool]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "crops.db"


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def spool_in(file: Path, hands: Hands) -> Iterator[MakeSpool]:
    """Opens the spool, with limits, and closes it after the test."""
    made: list[Spool] = []

    def make(**limits: object) -> Spool:
        made.append(Spool(file, SpoolLimits(**limits), hands.clock))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for spool in made:
        spool.close()


def upload(number: int, *, size: int = 2000, key: str | None = None) -> Upload:
    captured_at = NOON + timedelta(seconds=number)
    metadata = DetectionMetadata(camera_id="door", captured_at=captured_at)
    image = b"jpeg %d " % number
    return Upload(image * (size // len(image)), metadata, key or f"key-{number}")


def taken(spool: Spool) -> list[Entry]:
    """Everything that is there, oldest first."""
    entries = []
    while entry := spool.take():
        entries.append(entry)
    return entries


def keys(entries: list[Entry]) -> list[str]:
    return [entry.upload.key for entry in entries]


def check_balance(books: SpoolBooks) -> None:
    parts = (books.delivered, books.dropped, books.refused, books.pending)
    assert books.produced == sum(parts), books
    assert min(parts) >= 0, books


def size_of(file: Path) -> int:
    return sum(path.stat().st_size for path in file.parent.iterdir())


def events(logged: list[dict[str, object]], event: str) -> list[dict[str, object]]:
    return [line for line in logged if line["event"] == event]


# ---- What waits -------------------------------------------------------------------------------


def test_take_gives_what_was_put_oldest_first(spool_in: MakeSpool) -> None:
    spool = spool_in()
    given = [upload(number, size=number * 3000 + 100) for number in range(20)]
    assert all(spool.put(one) for one in given)
    assert [entry.upload for entry in taken(spool)] == given
    assert spool.books().pending == 20


def test_entry_is_nobody_elses_until_it_is_put_back(spool_in: MakeSpool) -> None:
    spool = spool_in()
    for number in range(3):
        spool.put(upload(number))
    first, second = spool.take(), spool.take()
    assert first and second
    spool.put_back(first)
    assert keys(taken(spool)) == ["key-0", "key-2"]


def test_entry_that_rests_lets_others_go_first(spool_in: MakeSpool, hands: Hands) -> None:
    spool = spool_in()
    for number in range(2):
        spool.put(upload(number))
    first = spool.take()
    assert first
    spool.put_back(first, rest_s=60)
    assert keys(taken(spool)) == ["key-1"]
    hands.advance(61)
    first = spool.take()
    assert first and first.upload.key == "key-0"
    spool.put_back(first, rest_s=60)
    spool.wake()
    assert keys(taken(spool)) == ["key-0"]


def test_spool_holds_everything_when_it_is_opened_again(spool_in: MakeSpool) -> None:
    spool = spool_in()
    for number in range(5):
        spool.put(upload(number))
    for outcome in (spool.delivered, lambda entry: spool.refuse(entry, "too large")):
        entry = spool.take()
        assert entry
        outcome(entry)
    spool.take()  # by somebody who is gone now
    before = spool.books()
    spool.close()
    spool = spool_in()
    assert spool.books() == before
    assert keys(taken(spool)) == ["key-2", "key-3", "key-4"]
    assert spool.refusals() == [("key-1", "too large")]


def test_books_count_a_key_that_waits_once_and_anew_when_it_was_answered_for(
    spool_in: MakeSpool,
) -> None:
    spool = spool_in()
    assert spool.put(upload(1, key="same"))
    assert spool.put(upload(2, key="same"))
    assert (spool.books().produced, spool.books().pending) == (1, 1)
    entry = spool.take()
    assert entry and entry.upload == upload(1, key="same")
    spool.delivered(entry)
    assert spool.put(upload(1, key="same"))
    entry = spool.take()
    assert entry
    spool.refuse(entry, "no")
    assert spool.put(upload(1, key="same"))
    assert spool.refusals() == []
    books = spool.books()
    assert (books.produced, books.delivered, books.refused, books.pending) == (3, 1, 1, 1)


def test_entry_is_settled_once_whoever_says_so_again(spool_in: MakeSpool) -> None:
    spool = spool_in()
    spool.put(upload(1))
    entry = spool.take()
    assert entry
    spool.delivered(entry)
    spool.delivered(entry)
    spool.refuse(entry, "no")
    assert (spool.books().delivered, spool.books().refused, spool.books().pending) == (1, 0, 0)


def test_take_waits_for_what_is_put_meanwhile(spool_in: MakeSpool) -> None:
    spool = spool_in()
    putter = threading.Timer(0.1, lambda: spool.put(upload(7)))
    putter.start()
    entry = spool.take(timeout_s=30)
    putter.join()
    assert entry and entry.upload == upload(7)


def test_threads_share_a_spool(spool_in: MakeSpool) -> None:
    spool = spool_in()
    seen: list[str] = []

    def put(camera: int) -> None:
        for number in range(25):
            spool.put(upload(number, key=f"{camera}-{number}"))

    def deliver() -> None:
        while spool.books().delivered < 100:
            if entry := spool.take(0.05):
                seen.append(entry.upload.key)
                spool.delivered(entry)
            check_balance(spool.books())

    threads = [threading.Thread(target=put, args=(camera,)) for camera in range(4)]
    threads += [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seen) == len(set(seen)) == 100
    assert spool.books().delivered == spool.books().produced == 100


def test_spool_is_for_this_user_alone(spool_in: MakeSpool, file: Path) -> None:
    spool_in().put(upload(1))
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in file.parent.iterdir()} == {0o600}


def test_second_detector_is_told_that_the_spool_is_in_use(
    spool_in: MakeSpool, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.detector.spool_file._BUSY_WAIT_S", 0.05)
    first = spool_in()
    with pytest.raises(
        ConfigurationError, match=r"another detector uses the spool .*spool\.folder"
    ):
        spool_in()
    script = (
        "import sys; from pathlib import Path; from services.detector.spool import *\n"
        "Spool(Path(sys.argv[1]), SpoolLimits())"
    )
    run = [sys.executable, "-c", script, str(file)]
    other = subprocess.run(run, capture_output=True, text=True, check=False)
    assert "ConfigurationError: another detector uses the spool" in other.stderr
    first.close()
    assert subprocess.run(run, check=False).returncode == 0


# ---- Limits -----------------------------------------------------------------------------------


def test_oldest_are_dropped_when_the_spool_is_full(spool_in: MakeSpool) -> None:
    spool = spool_in(max_bytes=MIB)
    with capture_logs() as logged:
        assert all(spool.put(upload(number, size=20_000)) for number in range(100))
    books = spool.books()
    check_balance(books)
    assert books.produced == 100
    assert 35 <= books.pending <= 52
    left = keys(taken(spool))
    assert left == [f"key-{number}" for number in range(100 - books.pending, 100)]
    assert [line["reason"] for line in events(logged, "crops_dropped")] == ["the spool is full"]


def test_newest_are_dropped_when_the_spool_is_full_and_told_so(spool_in: MakeSpool) -> None:
    spool = spool_in(max_bytes=MIB, when_full="drop-newest")
    kept = [spool.put(upload(number, size=20_000)) for number in range(100)]
    books = spool.books()
    check_balance(books)
    assert kept == [True] * books.pending + [False] * books.dropped
    assert 35 <= books.pending <= 52
    assert keys(taken(spool)) == [f"key-{number}" for number in range(books.pending)]


def test_entry_in_flight_is_not_dropped_to_make_room(spool_in: MakeSpool) -> None:
    spool = spool_in(max_bytes=MIB)
    spool.put(upload(0, size=20_000))
    entry = spool.take()
    assert entry
    for number in range(1, 80):
        spool.put(upload(number, size=20_000))
    spool.delivered(entry)
    assert spool.books().delivered == 1
    check_balance(spool.books())


def test_refused_entries_give_way_before_those_that_wait(spool_in: MakeSpool) -> None:
    spool = spool_in(max_bytes=MIB)
    for number in range(30):
        spool.put(upload(number, size=20_000))
    for entry in taken(spool):
        spool.refuse(entry, "no")
    assert len(spool.refusals()) == 30
    for number in range(30, 60):
        spool.put(upload(number, size=20_000))
    books = spool.books()
    assert (books.refused, books.pending, books.dropped) == (30, 30, 0)
    kept = [key for key, _ in spool.refusals()]
    assert 5 < len(kept) < 30
    assert kept == [f"key-{number}" for number in range(30 - len(kept), 30)]


@pytest.mark.parametrize(
    ("when_full", "size"),
    [("drop-oldest", 700), ("drop-oldest", 9_000), ("drop-oldest", 60_000), ("drop-newest", 9_000)],
)
def test_files_stay_near_the_limit_whatever_goes_through(
    spool_in: MakeSpool, file: Path, when_full: str, size: int
) -> None:
    limit = max(200_000, 8 * size)
    spool = spool_in(max_bytes=limit, when_full=when_full)
    for number in range(3 * limit // max(size, 3000)):
        spool.put(upload(number, size=size))
        if number % 3 == 0 and (entry := spool.take()):
            spool.delivered(entry)
        assert spool.books().bytes <= limit
        assert file.stat().st_size <= limit
    assert size_of(file) <= limit + 2 * MIB
    books = spool.books()
    assert size == 700 or books.dropped > 0
    assert books.pending * size >= 0.4 * min(limit, (books.produced - books.delivered) * size)


def test_files_shrink_when_the_spool_empties(spool_in: MakeSpool, file: Path) -> None:
    spool = spool_in()
    for number in range(100):
        spool.put(upload(number, size=60_000))
    full = spool.books().bytes
    assert full > 6_000_000
    for entry in taken(spool):
        spool.delivered(entry)
    assert spool.books().bytes < 100_000
    spool.close()
    assert size_of(file) < 100_000


def test_crop_that_can_never_fit_is_dropped_alone(spool_in: MakeSpool) -> None:
    spool = spool_in(max_bytes=MIB)
    spool.put(upload(1))
    assert not spool.put(upload(2, size=MIB))
    assert spool.books().dropped == 1
    assert keys(taken(spool)) == ["key-1"]


def test_old_entries_are_dropped(spool_in: MakeSpool, hands: Hands) -> None:
    spool = spool_in(max_age_s=10 * HOUR_S)
    spool.put(upload(1))
    refused = spool.take()
    assert refused
    spool.refuse(refused, "no")
    spool.put(upload(2))
    hands.advance(6 * HOUR_S)
    spool.put(upload(3))
    hands.advance(5 * HOUR_S)
    with capture_logs() as logged:
        assert keys(taken(spool)) == ["key-3"]
    assert [line["reason"] for line in events(logged, "crops_dropped")] == ["too old"]
    books = spool.books()
    assert (books.produced, books.dropped, books.refused, books.pending) == (3, 1, 1, 1)
    assert spool.refusals() == []


def test_entry_is_as_old_as_its_time_in_the_spool_not_its_picture(spool_in: MakeSpool) -> None:
    spool = spool_in(max_age_s=HOUR_S)
    metadata = DetectionMetadata(camera_id="door", captured_at=NOON - timedelta(days=900))
    spool.put(Upload(b"jpeg", metadata, "old"))
    assert keys(taken(spool)) == ["old"]


@pytest.mark.parametrize("jump_s", [365 * DAY_S, -365 * DAY_S])
def test_age_is_unmoved_when_the_wall_clock_jumps(
    spool_in: MakeSpool, hands: Hands, jump_s: float
) -> None:
    spool = spool_in(max_age_s=7 * DAY_S)
    spool.put(upload(1))
    hands.wall_s += jump_s
    hands.advance(6.9 * DAY_S)
    assert (spool.put(upload(2)), spool.books().pending) == (True, 2)
    hands.advance(0.2 * DAY_S)
    assert keys(taken(spool)) == ["key-2"]


@pytest.mark.parametrize(
    ("away_s", "counted_s"),
    [
        (0.0, 0.0),
        (5 * HOUR_S, 5 * HOUR_S),
        (365 * DAY_S, DAY_S),  # or a clock that was wrong before
        (-365 * DAY_S, 0.0),  # a small computer that starts at any date
    ],
)
def test_age_counts_at_most_a_day_when_the_detector_was_away(
    spool_in: MakeSpool, hands: Hands, away_s: float, counted_s: float
) -> None:
    spool = spool_in(max_age_s=7 * DAY_S)
    spool.put(upload(1))
    spool.close()
    hands.monotonic_s = 3.0  # another boot
    hands.wall_s += away_s
    spool = spool_in(max_age_s=7 * DAY_S)
    hands.advance(7 * DAY_S - counted_s - 600)
    assert spool.put(upload(2))
    assert spool.books().pending == 2
    hands.advance(1200)
    assert keys(taken(spool)) == ["key-2"]


def test_age_counts_at_most_half_when_it_is_short(spool_in: MakeSpool, hands: Hands) -> None:
    spool = spool_in(max_age_s=HOUR_S)
    spool.put(upload(1))
    spool.close()
    hands.wall_s += 365 * DAY_S
    assert keys(taken(spool_in(max_age_s=HOUR_S))) == ["key-1"]


def test_age_goes_on_over_many_restarts(spool_in: MakeSpool, hands: Hands) -> None:
    spool = spool_in(max_age_s=DAY_S)
    spool.put(upload(1))
    for _ in range(23):
        spool.close()
        spool = spool_in(max_age_s=DAY_S)
        hands.advance(HOUR_S)
        spool.take(), spool.wake()
    assert spool.books().pending == 1
    spool.close()
    hands.advance(2 * HOUR_S)
    assert taken(spool_in(max_age_s=DAY_S)) == []


# ---- A disk that fails ------------------------------------------------------------------------


def connection_of(spool: Spool) -> sqlite3.Connection:
    connection = spool._file._open
    assert connection
    return connection


def test_put_drops_and_counts_when_the_disk_is_full_and_goes_on_when_it_is_not(
    spool_in: MakeSpool, hands: Hands, file: Path
) -> None:
    spool = spool_in()
    for number in range(4):
        assert spool.put(upload(number, size=20_000))
    pages = connection_of(spool).execute("PRAGMA page_count").fetchone()[0]
    connection_of(spool).execute(f"PRAGMA max_page_count = {pages}")
    with capture_logs() as logged:
        for number in range(4, 30):
            assert not spool.put(upload(number, size=20_000))
            hands.advance(10)
            check_balance(spool.books())
    books = spool.books()
    assert (books.produced, books.dropped, books.pending) == (30, 26, 4)
    lines = events(logged, "spool_cannot_be_written")
    assert 4 <= len(lines) <= 6
    assert all("disk is full: make room on it" in str(line["reason"]) for line in lines)
    # What waits is delivered all the same.
    entry = spool.take()
    assert entry and entry.upload.key == "key-0"
    with capture_logs() as logged:
        spool.delivered(entry)
        connection_of(spool).execute("PRAGMA max_page_count = 1000000")
        assert spool.put(upload(30))
        assert spool.put(upload(31))
    assert len(events(logged, "spool_is_written_again")) == 1
    spool.close()
    books = spool_in().books()
    assert (books.produced, books.delivered, books.dropped, books.pending) == (32, 1, 26, 5)


def test_crop_is_sent_once_when_its_delivery_cannot_be_written(spool_in: MakeSpool) -> None:
    spool = spool_in()
    for number in range(3):
        spool.put(upload(number))
    connection_of(spool).execute("PRAGMA query_only = ON")
    spool._file.close = lambda: None  # type: ignore[method-assign] - opened anew, it can be written
    first, second = spool.take(), spool.take()
    assert first and second
    with capture_logs() as logged:
        spool.delivered(first)
        spool.refuse(second, "no")
    assert "readonly" in str(events(logged, "spool_cannot_be_written")[0]["reason"])
    assert keys(taken(spool)) == ["key-2"]
    books = spool.books()
    check_balance(books)
    assert (books.delivered, books.refused, books.pending) == (1, 1, 1)
    connection_of(spool).execute("PRAGMA query_only = OFF")
    assert spool.put(upload(3))
    del spool._file.close  # type: ignore[method-assign]
    spool.close()
    spool = spool_in()
    assert (spool.books().delivered, spool.books().refused, spool.books().pending) == (1, 1, 2)
    assert spool.refusals() == [("key-1", "no")]


def test_spool_is_used_as_soon_as_its_folder_can_be_made(
    spool_in: MakeSpool, tmp_path: Path, hands: Hands
) -> None:
    in_the_way = tmp_path / "spool"
    in_the_way.write_text("a file where the folder goes")
    with capture_logs() as logged:
        spool = spool_in()
        assert not spool.put(upload(1))
        assert spool.take() is None
    assert len(events(logged, "spool_cannot_be_written")) == 1
    books = spool.books()
    assert (books.produced, books.dropped) == (1, 1)
    in_the_way.unlink()
    assert spool.put(upload(2))
    books = spool.books()
    assert (books.produced, books.dropped, books.pending) == (2, 1, 1)


def test_books_balance_when_files_cannot_grow(tmp_path: Path) -> None:
    """A limit on the size of files: every write beyond it fails, as on a disk that has no room."""
    script = """
import resource, sys
from pathlib import Path
from services.detector.spool import Spool, SpoolLimits
from tests.services.detector.test_spool import check_balance, keys, taken, upload

spool = Spool(Path(sys.argv[1]), SpoolLimits())
assert all(spool.put(upload(number)) for number in range(5))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
assert not any(spool.put(upload(number)) for number in range(5, 10))
check_balance(spool.books())
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert spool.put(upload(10))
check_balance(spool.books())
assert spool.books().dropped == 5
assert keys(taken(spool)) == ["key-0", "key-1", "key-2", "key-3", "key-4", "key-10"]
"""
    run = [sys.executable, "-c", script, str(tmp_path / "crops.db")]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert "spool_cannot_be_written" in done.stdout


def disk_of(size: int, file: Path) -> Callable[[Path], os.statvfs_result]:
    """What `os.statvfs` says of a disk of that size which holds the spool's folder and no more."""

    def statvfs(_: Path) -> os.statvfs_result:
        free = max(0, size - size_of(file)) // 4096
        return os.statvfs_result((4096, 4096, size // 4096, free, free, 0, 0, 0, 0, 255))

    return statvfs


@pytest.mark.parametrize("when_full", ["drop-oldest", "drop-newest"])
def test_disk_without_room_is_as_a_full_spool(
    spool_in: MakeSpool, file: Path, monkeypatch: pytest.MonkeyPatch, when_full: str
) -> None:
    file.parent.mkdir()
    monkeypatch.setattr(os, "statvfs", disk_of(6 * MIB, file))
    spool = spool_in(when_full=when_full)
    with capture_logs() as logged:
        kept = [spool.put(upload(number, size=20_000)) for number in range(200)]
        assert size_of(file) < 3.2 * MIB
    books = spool.books()
    check_balance(books)
    assert 25 < books.pending < 110
    left = [int(entry.upload.key.removeprefix("key-")) for entry in taken(spool)]
    if when_full == "drop-oldest":
        assert all(kept)
        assert left == list(range(200 - books.pending, 200))
    else:
        assert left == [number for number in range(200) if kept[number]]
        assert left[:25] == list(range(25))
    assert "make room on it" in str(events(logged, "crops_dropped")[0]["reason"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB, for whoever may mount one."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system takes root; other tests make SQLite meet its limits")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here; other tests make SQLite meet its limits")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def filled(spool: Spool, disk: Path) -> int:
    """Fill the disk to its last page behind the spool's back; how many crops it took before."""
    kept = 0
    while spool.put(upload(kept, size=20_000)) and not spool.books().dropped:
        kept += 1
    with (disk / "other").open("wb", buffering=0) as other, suppress(OSError):
        while True:
            other.write(bytes(4096))
    return kept


def test_detecting_goes_on_when_a_real_disk_is_full_and_then_read_only(
    small_disk: Path, hands: Hands
) -> None:
    spool = Spool(small_disk / "crops.db", SpoolLimits(when_full="drop-newest"), hands.clock)
    kept = filled(spool, small_disk)
    assert 20 < kept < 120
    for number in range(1000, 1100):
        spool.put(upload(number, size=20_000))
        check_balance(spool.books())
    sent = []
    while entry := spool.take():
        sent.append(entry.upload.key)
        spool.delivered(entry)
    assert sent == [f"key-{number}" for number in range(kept)]
    assert spool.books().delivered == kept
    (small_disk / "other").unlink()
    spool.put(upload(2000, size=20_000))  # for its journal to be worked off
    assert spool.put(upload(2001, size=20_000))
    spool.close()

    remount = ["mount", "-o", "remount,{}", str(small_disk)]
    subprocess.run([part.format("ro") for part in remount], check=True)
    with capture_logs() as logged:
        spool = Spool(small_disk / "crops.db", SpoolLimits(), hands.clock)
        assert not spool.put(upload(3000))
    assert "can be written by this user" in str(events(logged, "spool_cannot_be_written")[0])
    subprocess.run([part.format("rw") for part in remount], check=True)
    assert spool.put(upload(3001, size=20_000))
    check_balance(spool.books())
    assert keys(taken(spool))[-2:] == ["key-2001", "key-3001"]
    spool.close()


def test_spool_that_fills_its_disk_by_itself_goes_on(small_disk: Path, hands: Hands) -> None:
    spool = Spool(small_disk / "crops.db", SpoolLimits(), hands.clock)
    assert all(spool.put(upload(number, size=20_000)) for number in range(300))
    books = spool.books()
    check_balance(books)
    assert books.dropped > 100
    assert keys(taken(spool)) == [f"key-{number}" for number in range(300 - books.pending, 300)]
    spool.close()


# ---- A file that is damaged -------------------------------------------------------------------


def test_damaged_entry_is_set_aside_and_never_sent(spool_in: MakeSpool, file: Path) -> None:
    spool = spool_in()
    for number in range(10):
        spool.put(upload(number, size=9_000))
    spool.close()
    content = bytearray(file.read_bytes())
    place = content.rindex(b"jpeg 4 jpeg 4 ")
    content[place] ^= 0x40
    file.write_bytes(content)
    spool = spool_in()
    with capture_logs() as logged:
        entries = taken(spool)
    assert [entry.upload for entry in entries] == [
        upload(number, size=9_000) for number in range(10) if number != 4
    ]
    assert [line["key"] for line in events(logged, "crop_set_aside")] == ["key-4"]
    assert spool.refusals() == [("key-4", "it was damaged on the disk")]
    books = spool.books()
    assert (books.produced, books.refused, books.pending) == (10, 1, 9)


@pytest.mark.parametrize("column", ["key", "metadata"])
def test_entry_whose_text_is_no_text_any_more_stops_no_other(
    spool_in: MakeSpool, file: Path, column: str
) -> None:
    spool = spool_in()
    for number in range(3):
        spool.put(upload(number))
    spool.close()
    with sqlite3.connect(file) as database:
        damage = f"UPDATE entries SET {column} = CAST(X'FF41' AS TEXT) WHERE number = 1"  # noqa: S608
        database.execute(damage)
    database.close()
    spool = spool_in()
    assert [entry.upload.key for entry in taken(spool)] == ["key-1", "key-2"]
    books = spool.books()
    assert (books.refused, books.pending) == (1, 2)
    assert [reason for _, reason in spool.refusals()] == ["it was damaged on the disk"]


def test_entry_of_another_version_is_set_aside(spool_in: MakeSpool, file: Path) -> None:
    spool = spool_in()
    spool.put(upload(1))
    spool.put(upload(2))
    changed = upload(1)
    digest = spool._file.insert.__globals__["digest_of"](changed.key, '{"x": 1}', changed.image)
    connection_of(spool).execute(
        "UPDATE entries SET metadata = ?, digest = ? WHERE number = 1", ('{"x": 1}', digest)
    )
    assert keys(taken(spool)) == ["key-2"]
    assert spool.refusals() == [("key-1", "its metadata is of another version")]


@pytest.mark.parametrize("damage", ["garbage", "another database", "a header that lies"])
def test_damaged_file_is_moved_aside_when_it_is_opened(
    spool_in: MakeSpool, file: Path, damage: str
) -> None:
    spool = spool_in()
    spool.put(upload(1))
    spool.close()
    if damage == "garbage":
        file.write_bytes(b"\xff" * 30_000)
    elif damage == "another database":
        file.unlink()
        other = sqlite3.connect(file)
        other.execute("CREATE TABLE notes (text)")
        other.commit()
        other.close()
    else:
        content = bytearray(file.read_bytes())
        content[100:] = bytes(len(content) - 100)
        file.write_bytes(content)
    with capture_logs() as logged:
        spool = spool_in()
        assert spool.put(upload(2))
        assert keys(taken(spool)) == ["key-2"]
    assert len(events(logged, "spool_damaged")) == 1
    check_balance(spool.books())
    assert Path(f"{file}.corrupt-1").exists()


def test_two_damaged_files_are_kept(spool_in: MakeSpool, file: Path) -> None:
    for number in range(5):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"damage %d" % number * 1000)
        spool_in().close()
    asides = sorted(file.parent.glob("*.corrupt-*"))
    assert [path.name for path in asides] == ["crops.db.corrupt-4", "crops.db.corrupt-5"]
    assert asides[1].read_bytes().startswith(b"damage 4")


def test_books_go_on_when_the_file_turns_out_to_be_damaged(spool_in: MakeSpool, file: Path) -> None:
    spool = spool_in()
    for number in range(40):
        spool.put(upload(number, size=9_000))
    spool.close()
    with file.open("r+b") as opened:  # what a disk loses behind the database's back
        opened.truncate(file.stat().st_size // 2)
    spool = spool_in()
    sent = []
    for entry in iter(spool.take, None):
        sent.append(entry.upload)
        spool.delivered(entry)
        check_balance(spool.books())
    assert sent == [upload(number, size=9_000) for number in range(len(sent))]
    assert spool.put(upload(99))
    check_balance(spool.books())
    assert keys(taken(spool)) == ["key-99"]
    assert list(file.parent.glob("*.corrupt-1"))


# ---- Any order of events ----------------------------------------------------------------------


class SpoolMachine(RuleBasedStateMachine):
    """Against a list: what waits, in order, and what became of the rest."""

    folder: Path

    @initialize(when_full=st.sampled_from(["drop-oldest", "drop-newest"]))
    def open(self, when_full: str) -> None:
        self.file = self.folder / uuid.uuid4().hex / "crops.db"
        self.limits = SpoolLimits(200_000, when_full=when_full)  # type: ignore[arg-type]
        self.spool = Spool(self.file, self.limits)
        self.waiting: list[str] = []
        self.taken: list[Entry] = []
        self.produced = self.delivered = self.refused = self.dropped = 0

    @rule(number=st.integers(0, 30), size=st.integers(100, 40_000))
    def put(self, number: int, size: int) -> None:
        one = upload(number, size=size)
        is_new = one.key not in self.waiting
        before = self.spool.books()
        kept = self.spool.put(one)
        dropped = self.spool.books().dropped - before.dropped
        self.produced += is_new
        self.dropped += dropped
        if not is_new:
            assert kept and not dropped
        elif kept:
            self._lose_oldest(dropped)
            self.waiting.append(one.key)
        else:
            assert dropped >= 1
            self._lose_oldest(dropped - 1)

    def _lose_oldest(self, number: int) -> None:
        assert number == 0 or self.limits.when_full == "drop-oldest"
        held = keys(self.taken)
        free = [key for key in self.waiting if key not in held]
        for key in free[:number]:
            self.waiting.remove(key)

    @rule()
    def take(self) -> None:
        held = keys(self.taken)
        expected = next((key for key in self.waiting if key not in held), None)
        entry = self.spool.take()
        assert (entry.upload.key if entry else None) == expected
        if entry:
            self.taken.append(entry)

    @precondition(lambda self: self.taken)
    @rule(which=st.integers(0, 100), outcome=st.sampled_from(["deliver", "refuse", "back"]))
    def settle(self, which: int, outcome: str) -> None:
        entry = self.taken.pop(which % len(self.taken))
        if outcome == "back":
            self.spool.put_back(entry)
            return
        self.waiting.remove(entry.upload.key)
        if outcome == "deliver":
            self.spool.delivered(entry)
            self.delivered += 1
        else:
            self.spool.refuse(entry, "no")
            self.refused += 1

    @rule()
    def reopen(self) -> None:
        self.spool.close()
        self.spool = Spool(self.file, self.limits)
        self.taken = []

    @invariant()
    def books_balance(self) -> None:
        if not hasattr(self, "spool"):
            return
        books = self.spool.books()
        check_balance(books)
        assert books.bytes <= self.limits.max_bytes
        assert (books.produced, books.delivered, books.dropped, books.refused, books.pending) == (
            self.produced,
            self.delivered,
            self.dropped,
            self.refused,
            len(self.waiting),
        )

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.spool.close()


def test_books_and_order_hold_in_any_order_of_events(tmp_path: Path) -> None:
    machine = type("Machine", (SpoolMachine,), {"folder": tmp_path})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
