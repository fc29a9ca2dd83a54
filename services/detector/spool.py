"""Crops on disk until the API has them: durable, bounded, and accounted for."""

from __future__ import annotations

import errno
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import structlog
from pydantic import ValidationError

from services.detector.crops import Upload
from services.detector.spool_file import Ledger, Row, SpoolFile, is_damage, is_full
from usher.domain.errors import ConfigurationError
from usher.domain.records import SpoolBooks
from usher.wire import DetectionMetadata

log = structlog.get_logger()

SPOOL_FILE = "crops.db"
"""The spool's name in its folder."""

WhenFull = Literal["drop-oldest", "drop-newest"]

_DISK_FULL = "the disk is full: make room on it, or give the spool another folder (spool.folder)"
_SWEEP_S = 60.0
_LOG_S = 60.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much waits, at most.

    Attributes
    ----------
    max_bytes
        The file's size. SQLite's journal beside it takes 1 MB to 2 MB more.
    max_age_s
        Time in the spool, not since capture.
    when_full
        What gives way where there is no room: the oldest crop, or the one that comes.
    """

    max_bytes: int = 512_000_000
    max_age_s: float = 7 * _DAY_S
    when_full: WhenFull = "drop-oldest"


@dataclass(frozen=True, slots=True)
class Entry:
    """A crop that was taken from the spool, and the number that it has there."""

    number: int
    upload: Upload


@dataclass(frozen=True, slots=True)
class Clock:
    """What time it is: `monotonic_s` never jumps, `wall_s` may."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class _Settlement:
    """What became of an entry: refused for a reason, else delivered. None is any key."""

    key: str | None
    reason: str | None = None


class Spool:
    """Uploads that wait on disk, oldest first. Any number of threads may use it, one process.

    What `put` has taken is on the disk before it returns, and stays until the API has it or it is
    set aside, so a kill or a cut of power loses nothing and at worst sends an entry twice. Entries
    and books change in one transaction, so the books balance at every moment.

    **Age** is time in the spool, on a clock of its own. While the detector runs it advances with
    the monotonic clock, so that the wall clock may jump as it likes. Over the time between two runs
    nothing is known for sure (a small computer may start at any date): the wall clock's difference
    counts, from nothing to at most a day or half of `max_age_s`, whichever is less. So a clock
    that is wrong drops nothing that is younger than half of it, and keeps nothing longer than
    `max_age_s` of running time.

    **Refused** entries are kept to be looked at, until they reach the age, or room is needed: they
    give way before any entry that waits. Putting a refused key again is a new entry.

    **A disk without room** is as a full spool: the last 4 MB of it are left alone. **A disk that
    cannot be written** loses what is put meanwhile (it is counted), and nothing else; as soon as it
    can be written again, it is. **A file that is damaged** is moved
    aside and a new one begun; a single damaged entry is set aside.

    Parameters
    ----------
    file
        Where it lies; its folder is made.
    limits
        How much waits, at most.
    clock
        Another one, for tests.

    Raises
    ------
    ConfigurationError
        If another detector uses the file.
    """

    def __init__(self, file: Path, limits: SpoolLimits, clock: Clock | None = None) -> None:
        self.limits = limits
        self._clock = clock or Clock()
        self._file = SpoolFile(file)
        self._changed = threading.Condition(threading.RLock())
        self._closed = False
        # What the file says; `_owed` and `_lost` come on top until it can be written.
        self._counts = SpoolBooks()
        self._owed: dict[int, _Settlement] = {}
        self._lost = 0
        self._taken: set[int] = set()
        self._resting: dict[int, float] = {}
        self._age = _Age(self._clock, limits.max_age_s)
        self._next_sweep_s = -math.inf
        self._trouble = _Rarely(self._clock)
        self._drops = _Rarely(self._clock)
        self._began = False
        with self._changed:
            self._transact(lambda: None)
            self._began = True

    def put(self, upload: Upload) -> bool:
        """Take over one crop. It is on the disk when this returns True; else it was dropped.

        A key that waits already is not put twice: the entry that is there stays.
        """
        with self._changed:
            self._sweep()
            kept: list[bool] = []
            if not self._write(lambda: kept.append(self._insert(upload))):
                self._lost += 1
                return False
            if not kept[-1]:
                self._file.work_off_journal()
            self._changed.notify_all()
            return kept[-1]

    def take(self, timeout_s: float = 0.0) -> Entry | None:
        """The oldest entry that is not taken and does not rest; None if there is none in time.

        It is the caller's until `delivered`, `refuse` or `put_back`.
        """
        with self._changed:
            entry = self._oldest()
            if entry is None and timeout_s > 0 and not self._closed:
                self._changed.wait(timeout_s)
                entry = self._oldest()
            return entry

    def delivered(self, entry: Entry) -> None:
        """The API has it: it is deleted here."""
        self._settle(entry, _Settlement(entry.upload.key))

    def refuse(self, entry: Entry, reason: str) -> None:
        """No repetition mends it: it is set aside."""
        self._settle(entry, _Settlement(entry.upload.key, reason))

    def put_back(self, entry: Entry, *, rest_s: float = 0.0) -> None:
        """Nothing came of it: it is again as old as it was, and not taken for `rest_s`."""
        with self._changed:
            self._taken.discard(entry.number)
            if rest_s > 0:
                self._resting[entry.number] = self._clock.monotonic_s() + rest_s
            self._changed.notify_all()

    def wake(self) -> None:
        """Let no entry rest any longer."""
        with self._changed:
            self._resting.clear()
            self._changed.notify_all()

    def books(self) -> SpoolBooks:
        """What became of all that was put; cheap."""
        with self._changed:
            refused = sum(owed.reason is not None for owed in self._owed.values())
            counts = self._counts
            return replace(
                counts,
                produced=counts.produced + self._lost,
                delivered=counts.delivered + len(self._owed) - refused,
                dropped=counts.dropped + self._lost,
                refused=counts.refused + refused,
                pending=counts.pending - len(self._owed),
            )

    def refusals(self) -> list[tuple[str, str]]:
        """Key and reason of the refused entries that are still kept, the oldest first."""
        with self._changed:
            found: list[tuple[str, str]] = []
            self._transact(lambda: found.extend(self._file.refusals()))
            return found

    def close(self) -> None:
        """Let the file go. What waits stays in it; what is put later is dropped."""
        with self._changed:
            self._write(lambda: None)
            self._closed = True
            self._file.close()
            self._changed.notify_all()

    def _write(self, work: Callable[[], None]) -> bool:
        """Do `work` in one transaction with what is owed; False where nothing can be written."""
        if not self._transact(partial(self._pay_and_do, work)):
            return False
        self._owed.clear()
        self._lost = 0
        if self._trouble.ended():
            log.info("spool_is_written_again")
        return True

    def _pay_and_do(self, work: Callable[[], None]) -> None:
        for number, owed in self._owed.items():
            self._apply(number, owed)
        self._count(produced=self._lost, dropped=self._lost)
        work()
        self._counts = replace(self._counts, bytes=self._file.used_bytes())
        self._save()

    def _transact(self, work: Callable[[], None], *, again: bool = True) -> bool:
        """Do `work` in one transaction; False where it failed, and then nothing has changed."""
        if self._closed:
            return False
        try:
            self._attempt(work)
        except (sqlite3.Error, OSError) as error:
            if again and is_damage(error) and self._move_aside(error):
                return self._transact(work, again=False)
            return self._failed(f"{error}: {_advice(error)}")
        except ConfigurationError as error:
            if not self._began:
                raise
            return self._failed(str(error))
        return True

    def _attempt(self, work: Callable[[], None]) -> None:
        before = self._counts
        try:
            with self._file.transaction() as opened:
                if opened:
                    self._read_books()
                    before = self._counts
                work()
        except BaseException:
            self._counts = before
            raise

    def _failed(self, reason: str) -> bool:
        if (count := self._trouble.due()) is not None:
            log.error("spool_cannot_be_written", reason=reason, failures=count)
        return False

    def _move_aside(self, damage: Exception) -> bool:
        try:
            aside = self._file.move_aside()
        except OSError as error:
            return self._failed(f"it is damaged, and cannot be moved aside: {error}")
        log.error("spool_damaged", reason=str(damage), moved_to=str(aside))
        return True

    def _read_books(self) -> None:
        """Take over the file's books. If a known file is gone, what waited in it was dropped."""
        ledger, pending = self._file.ledger(), self._file.count()
        self._age.go_on_from(ledger)
        if ledger.produced == 0 and self._counts.produced:
            books = self.books()
            self._counts = replace(books, pending=0, dropped=books.dropped + books.pending)
            for held in (self._owed, self._taken, self._resting):
                held.clear()
            self._lost = 0
            self._save()
            return
        self._counts = SpoolBooks(
            produced=ledger.produced,
            delivered=ledger.delivered,
            dropped=ledger.dropped,
            refused=ledger.refused,
            pending=pending,
            bytes=self._file.used_bytes(),
        )

    def _save(self) -> None:
        counts = self._counts
        self._file.save(
            Ledger(
                counts.produced,
                counts.delivered,
                counts.dropped,
                counts.refused,
                lived_s=self._age.lived_s(),
                saved_at_s=self._clock.wall_s(),
            )
        )

    def _insert(self, upload: Upload) -> bool:
        if self._file.holds(upload.key):
            return True
        metadata = upload.metadata.model_dump_json(exclude_none=True)
        self._file.forget_refused(key=upload.key)
        if not self._make_room(SpoolFile.needed_bytes(metadata, upload.image)):
            self._count(produced=1, dropped=1)
            return False
        self._file.insert(
            key=upload.key,
            camera_id=upload.metadata.camera_id,
            put_s=self._age.lived_s(),
            metadata=metadata,
            image=upload.image,
        )
        self._count(produced=1, pending=1)
        return True

    def _make_room(self, needed: int) -> bool:
        """Whether there is room now. Refused entries go first, then the oldest, if it may."""
        grown = self._file.used_bytes() + self._file.spare_bytes()
        most, why = min((self.limits.max_bytes, "the spool is full"), (grown, _DISK_FULL))
        while self._file.used_bytes() + needed > most:
            if self._file.forget_oldest_refused():
                continue
            oldest = self._to_give_way(needed)
            if oldest is None:
                self._say_dropped(1, why)
                return False
            self._drop([oldest], why)
        return True

    def _to_give_way(self, needed: int) -> int | None:
        if self.limits.when_full == "drop-newest" or needed > self.limits.max_bytes // 2:
            return None
        return self._file.oldest(self._held())

    def _sweep(self) -> None:
        """Drop what is too old, and keep the spool's time; now and then."""
        if self._clock.monotonic_s() < self._next_sweep_s:
            return
        self._next_sweep_s = self._clock.monotonic_s() + min(_SWEEP_S, self.limits.max_age_s / 10)
        self._write(self._drop_outdated)

    def _drop_outdated(self) -> None:
        born_s = self._age.lived_s() - self.limits.max_age_s
        held = self._held()
        self._drop([n for n in self._file.put_before(born_s) if n not in held], "too old")
        self._file.forget_refused_before(born_s)

    def _drop(self, numbers: list[int], reason: str) -> None:
        for number in numbers:
            self._file.remove(number)
        self._count(dropped=len(numbers), pending=-len(numbers))
        self._say_dropped(len(numbers), reason)

    def _oldest(self) -> Entry | None:
        """Take the oldest whole entry; what is damaged is set aside."""
        self._sweep()
        while (row := self._read_oldest()) is not None:
            problem = _problem(row)
            if problem is None:
                self._taken.add(row.number)
                metadata = DetectionMetadata.model_validate_json(row.metadata)
                return Entry(row.number, Upload(row.image, metadata, row.key))
            log.error("crop_set_aside", key=row.key, reason=problem)
            # By its number alone: the key may be what is damaged.
            self._owed[row.number] = _Settlement(None, problem)
            self._write(lambda: None)
        return None

    def _read_oldest(self) -> Row | None:
        """Reading pays no debts: it goes on where nothing can be written."""
        if self._counts.pending <= len(self._held()):
            return None
        found: list[Row | None] = [None]
        self._transact(lambda: found.append(self._file.read_oldest(self._passed_over())))
        return found[-1]

    def _settle(self, entry: Entry, settlement: _Settlement) -> None:
        with self._changed:
            if entry.number not in self._taken:
                return  # of a file that has been moved aside since
            self._taken.discard(entry.number)
            self._owed[entry.number] = settlement
            self._write(lambda: None)
            self._changed.notify_all()

    def _apply(self, number: int, settlement: _Settlement) -> None:
        if settlement.reason is None:
            done = self._file.remove(number, settlement.key)
            self._count(delivered=done, pending=-done)
        else:
            done = self._file.set_aside(number, settlement.key, settlement.reason)
            self._count(refused=done, pending=-done)

    def _count(self, **changes: int) -> None:
        changed = {name: getattr(self._counts, name) + by for name, by in changes.items()}
        self._counts = replace(self._counts, **changed)

    def _held(self) -> set[int]:
        return self._taken | self._owed.keys()

    def _passed_over(self) -> set[int]:
        now_s = self._clock.monotonic_s()
        self._resting = {number: end for number, end in self._resting.items() if end > now_s}
        return self._held() | self._resting.keys()

    def _say_dropped(self, number: int, reason: str) -> None:
        if number and (count := self._drops.due(number)) is not None:
            log.warning("crops_dropped", crops=count, reason=reason)


class _Age:
    """The spool's own time; see `Spool`."""

    def __init__(self, clock: Clock, max_age_s: float) -> None:
        self._clock = clock
        self._most_between_runs_s = min(_DAY_S, max_age_s / 2)
        self._base_s: float | None = None
        self._began_s = clock.monotonic_s()

    def lived_s(self) -> float:
        return (self._base_s or 0.0) + self._clock.monotonic_s() - self._began_s

    def go_on_from(self, ledger: Ledger) -> None:
        """Begin where the file ends; once it has begun, opening the file again changes nothing."""
        if self._base_s is None:
            away_s = self._clock.wall_s() - ledger.saved_at_s if ledger.saved_at_s else 0.0
            self._base_s = ledger.lived_s + min(max(away_s, 0.0), self._most_between_runs_s)


class _Rarely:
    """Lets something that happens often be logged once a minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next_s = -math.inf
        self._count = 0

    def due(self, number: int = 1) -> int | None:
        """It has happened; how often since the last line, if it is time for one."""
        self._count += number
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            return None
        count, self._count = self._count, 0
        self._next_s = now_s + _LOG_S
        return count

    def ended(self) -> bool:
        """It happens no more; whether it did before."""
        did = self._next_s > -math.inf
        self._next_s, self._count = -math.inf, 0
        return did


def _problem(row: Row) -> str | None:
    """Why an entry cannot be sent, if it cannot."""
    if not row.is_whole:
        return "it was damaged on the disk"
    try:
        DetectionMetadata.model_validate_json(row.metadata)
    except ValidationError:
        return "its metadata is of another version"
    return None


def _advice(error: Exception) -> str:
    if is_full(error) or getattr(error, "errno", None) == errno.ENOSPC:
        return "make room on it, or give the spool another folder (spool.folder)"
    return "check that its folder can be written by this user, and that its disk is sound"
