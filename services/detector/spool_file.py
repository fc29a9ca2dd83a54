"""The spool's file: crops that wait and the books of them, in one SQLite database."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from pathlib import Path

from usher.domain.errors import ConfigurationError

_VERSION = 1
_BUSY_WAIT_S = 2.0
_KEPT_DAMAGED = 2
_PAGE_BYTES = 4096
_RESERVE_BYTES = 4 << 20

_PRAGMAS = (
    # The first transaction locks the file until it is closed; the kernel unlocks it after a kill.
    "locking_mode = EXCLUSIVE",
    # What a transaction frees is given back at its end. It counts before there are tables alone.
    "auto_vacuum = FULL",
    "journal_mode = WAL",
    # The journal is on the disk before a transaction has ended: a cut of power loses none.
    "synchronous = FULL",
    # The journal stays near 1 MB.
    "wal_autocheckpoint = 256",
    "journal_size_limit = 1048576",
)

_SCHEMA = (
    """
    CREATE TABLE entries (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,
        camera_id TEXT NOT NULL,
        put_s REAL NOT NULL,
        digest BLOB NOT NULL,
        metadata TEXT NOT NULL,
        image BLOB NOT NULL
    )
    """,
    "CREATE INDEX entries_put_s ON entries (put_s)",
    """
    CREATE TABLE refused (
        number INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        camera_id TEXT NOT NULL,
        put_s REAL NOT NULL,
        reason TEXT NOT NULL,
        metadata TEXT NOT NULL,
        image BLOB NOT NULL
    )
    """,
    """
    CREATE TABLE books (
        produced INTEGER NOT NULL,
        delivered INTEGER NOT NULL,
        dropped INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        lived_s REAL NOT NULL,
        saved_at_s REAL NOT NULL
    )
    """,
    "INSERT INTO books VALUES (0, 0, 0, 0, 0, 0)",
    f"PRAGMA user_version = {_VERSION}",
)

_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class _Foreign(sqlite3.DatabaseError):
    """The file is a sound database of something else."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it stands in the file. `digest` is what its content had when it was put."""

    number: int
    key: str
    metadata: str
    digest: bytes
    image: bytes

    @property
    def is_whole(self) -> bool:
        return self.digest == digest_of(self.key, self.metadata, self.image)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The line of counters.

    Attributes
    ----------
    produced, delivered, dropped, refused
        Of entries, since the file was made.
    lived_s
        The spool's own time: it starts at 0 and never goes back.
    saved_at_s
        What the wall clock showed when this was written.
    """

    produced: int
    delivered: int
    dropped: int
    refused: int
    lived_s: float
    saved_at_s: float


def digest_of(key: str, metadata: str, image: bytes) -> bytes:
    """SHA-256 over everything that is sent of an entry."""
    digest = hashlib.sha256(f"{key}\0{metadata}\0".encode())
    digest.update(image)
    return digest.digest()


def is_damage(error: Exception) -> bool:
    """Whether it says that the file is no sound spool."""
    return isinstance(error, _Foreign) or _code(error) in _DAMAGED


def is_full(error: Exception) -> bool:
    """Whether it says that the disk has no room; the file can be used as before."""
    return _code(error) == sqlite3.SQLITE_FULL


class SpoolFile:
    """A database that one process holds. Not for several threads at once.

    It is opened by the first transaction, and again after an error that may have left it in doubt.
    What asks or changes it is called within a transaction.

    Parameters
    ----------
    path
        Where it lies. Its folder is made, for the user alone, where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[bool]:
        """All or nothing of what is done within; True where the file was opened for it.

        Raises
        ------
        ConfigurationError
            If another process holds the file.
        sqlite3.Error, OSError
            If it cannot be read or written; then nothing was changed.
        """
        opened = self._open is None
        if self._open is None:
            self._open = self._connected()
        try:
            self._open.execute("BEGIN")
            yield opened
            self._open.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            if not is_full(error):
                self.close()
            raise
        except BaseException:
            self._roll_back()
            raise

    def close(self) -> None:
        """Let the file go. The next transaction opens it again."""
        if self._open is not None:
            with suppress(sqlite3.Error):
                self._open.close()
        self._open = None

    def move_aside(self) -> Path:
        """Rename the file, with its journal, to the first free `.corrupt-N`; what it is called now.

        Of those, the newest two are kept.

        Raises
        ------
        OSError
            If it cannot be renamed.
        """
        self.close()
        numbers = sorted(
            _number(path) for path in self.path.parent.glob(f"{self.path.name}.corrupt-*")
        )
        numbers = [number for number in numbers if number]
        aside = self._aside(max(numbers, default=0) + 1)
        journal = Path(f"{self.path}-wal")
        if journal.exists():
            journal.rename(f"{aside}-wal")
        self.path.rename(aside)
        for number in numbers[: 1 - _KEPT_DAMAGED]:
            self._aside(number).unlink(missing_ok=True)
            Path(f"{self._aside(number)}-wal").unlink(missing_ok=True)
        return aside

    def ledger(self) -> Ledger:
        row = self._execute("SELECT * FROM books").fetchone()
        return Ledger(*row)

    def save(self, ledger: Ledger) -> None:
        self._execute(
            "UPDATE books SET produced = ?, delivered = ?, dropped = ?, refused = ?, lived_s = ?, "
            "saved_at_s = ?",
            *astuple(ledger),
        )

    def count(self) -> int:
        """How many entries wait."""
        return int(self._execute("SELECT COUNT(*) FROM entries").fetchone()[0])

    def used_bytes(self) -> int:
        """The room that is taken, in whole pages: after the transaction, the file's size."""
        pages = self._execute("PRAGMA page_count").fetchone()[0]
        free = self._execute("PRAGMA freelist_count").fetchone()[0]
        return int(pages - free) * _PAGE_BYTES

    def spare_bytes(self) -> int:
        """How much the file may grow before the disk is as good as full.

        A reserve stays: on a disk without any room the journal could not be worked off, and so
        nothing be deleted either.
        """
        disk = os.statvfs(self.path.parent)
        return max(0, disk.f_bavail * disk.f_frsize - _RESERVE_BYTES)

    def work_off_journal(self) -> None:
        """Give back to the disk what was freed, if it can be done. Not within a transaction."""
        if self._open is not None:
            with suppress(sqlite3.Error):
                self._open.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @staticmethod
    def needed_bytes(metadata: str, image: bytes) -> int:
        """The most room that an entry takes: a last page is not full, and indexes grow by one."""
        return len(image) + len(metadata) + 3 * _PAGE_BYTES

    def insert(
        self, *, key: str, camera_id: str, put_s: float, metadata: str, image: bytes
    ) -> bool:
        """Add an entry behind all others; False where one with this key waits already."""
        digest = digest_of(key, metadata, image)
        done = self._execute(
            "INSERT INTO entries (key, camera_id, put_s, digest, metadata, image) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
            *(key, camera_id, put_s, digest, metadata, image),
        )
        return done.rowcount == 1

    def holds(self, key: str) -> bool:
        """Whether an entry with this key waits."""
        return self._execute("SELECT 1 FROM entries WHERE key = ?", key).fetchone() is not None

    def oldest(self, passed_over: Collection[int]) -> int | None:
        """The number of the oldest entry that is not passed over."""
        rows = self._execute(
            "SELECT number FROM entries ORDER BY number LIMIT ?", len(passed_over) + 1
        )
        return next((number for (number,) in rows if number not in passed_over), None)

    def put_before(self, lived_s: float) -> list[int]:
        """The numbers of the entries that were put before a moment of the spool's time."""
        rows = self._execute("SELECT number FROM entries WHERE put_s < ?", lived_s)
        return [number for (number,) in rows]

    def read_oldest(self, passed_over: Collection[int]) -> Row | None:
        """The oldest entry that is not passed over."""
        number = self.oldest(passed_over)
        if number is None:
            return None
        row = self._execute(
            "SELECT number, CAST(key AS BLOB), CAST(metadata AS BLOB), digest, image "
            "FROM entries WHERE number = ?",
            number,
        ).fetchone()
        # Text that was damaged may be no text any more; its digest then tells.
        number, key, metadata, digest, image = row
        return Row(number, _text(key), _text(metadata), digest, image)

    def remove(self, number: int, key: str | None = None) -> bool:
        """Delete an entry, if it is there; with a key, only if it bears that."""
        done = self._execute(
            "DELETE FROM entries WHERE number = ?1 AND key = coalesce(?2, key)", number, key
        )
        return done.rowcount == 1

    def set_aside(self, number: int, key: str | None, reason: str) -> bool:
        """Move an entry to the refused ones, if it is there; with a key, only if it bears that."""
        self._execute(
            "INSERT INTO refused SELECT number, key, camera_id, put_s, ?1, metadata, image "
            "FROM entries WHERE number = ?2 AND key = coalesce(?3, key)",
            *(reason, number, key),
        )
        return self.remove(number, key)

    def refusals(self) -> list[tuple[str, str]]:
        """Key and reason of the refused entries that are kept, the oldest first."""
        rows = self._execute("SELECT CAST(key AS BLOB), reason FROM refused ORDER BY number")
        return [(_text(key), reason) for key, reason in rows]

    def forget_refused(self, *, key: str) -> None:
        """Delete the refused entry with this key, if there is one."""
        self._execute("DELETE FROM refused WHERE key = ?", key)

    def forget_oldest_refused(self) -> bool:
        """Delete the refused entry that has been kept longest; False where there is none."""
        done = self._execute("DELETE FROM refused WHERE number = (SELECT min(number) FROM refused)")
        return done.rowcount == 1

    def forget_refused_before(self, lived_s: float) -> None:
        """Delete the refused entries that were put before a moment of the spool's time."""
        self._execute("DELETE FROM refused WHERE put_s < ?", lived_s)

    def _execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self._open is None:
            raise RuntimeError("the spool's file is used outside of a transaction")
        return self._open.execute(statement, values)

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            if self._open is not None:
                self._open.rollback()

    def _connected(self) -> sqlite3.Connection:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its journal the mode of the file: pictures of people, for this user alone.
        if not self.path.exists():
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_WAIT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection)
        except sqlite3.Error as error:
            connection.close()
            if _code(error) == sqlite3.SQLITE_BUSY:
                raise ConfigurationError(
                    f"another detector uses the spool {self.path}: stop it, or give this one "
                    "another folder (spool.folder)"
                ) from error
            raise
        return connection

    def _aside(self, number: int) -> Path:
        return Path(f"{self.path}.corrupt-{number}")


def _prepare(connection: sqlite3.Connection) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if version == 0 and tables == 0:
        for statement in _SCHEMA:
            connection.execute(statement)
    elif version != _VERSION:
        raise _Foreign(f"the file is a database, but no spool of version {_VERSION}")
    connection.execute("COMMIT")


def _code(error: Exception) -> int | None:
    """SQLite's primary code of an error: the lower byte of the extended one."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _number(aside: Path) -> int:
    """The N of `.corrupt-N`; 0 of another file."""
    number = aside.name.rpartition(".corrupt-")[2]
    return int(number) if number.isdecimal() else 0


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")
