"""The embedded server's directory: its lock, its secrets, its logs, and the port it had."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from usher.domain.errors import EmbeddedServerError

_POLL_S = 0.1


class ServerDirectory:
    """A directory that one server at a time uses, and only this user can read.

    Parameters
    ----------
    root
        Made if missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.data = self.root / "data"
        self.key_file = self.root / "keyfile"
        self.log = self.root / "mongod.log"
        self.printed = self.root / "mongod.out"
        self._password_file = self.root / "password"
        self._port_file = self.root / "port"
        self._lock: int | None = None

    async def acquire(self, timeout_s: float) -> int:
        """Take the directory for this process.

        A child that inherits the descriptor holds the lock as well, so the directory is free again
        when both have ended, whichever ends first and however.

        Parameters
        ----------
        timeout_s
            How long to wait for a mongod whose parent has ended already.

        Returns
        -------
        int
            The lock's file descriptor.

        Raises
        ------
        EmbeddedServerError
            If another process has it, or the directory cannot be made or written.
        """
        if self._lock is not None:
            return self._lock
        with self._explained():
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            lock = os.open(self.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            await self._until_locked(lock, timeout_s)
            with self._explained():
                os.ftruncate(lock, 0)
                os.pwrite(lock, str(os.getpid()).encode(), 0)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        return lock

    async def _until_locked(self, lock: int, timeout_s: float) -> None:
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout_s
        while not _try_lock(lock):
            holder = os.pread(lock, 20, 0).decode()
            # A mongod whose parent was killed is shutting down: that is worth waiting for.
            if _is_alive(holder) or clock.time() > deadline:
                raise EmbeddedServerError(
                    f"{self.root} is in use by another Usher (process {holder or 'unknown'}): "
                    "stop it, or choose another data directory"
                )
            await asyncio.sleep(_POLL_S)

    def release(self) -> None:
        """Give the directory up. Does nothing if it was not taken."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def prepare(self) -> tuple[str, str]:
        """Make what mongod needs here, and set the previous run's log aside.

        Returns
        -------
        tuple of str
            The key of the replica set, and the password of the services' account.

        Raises
        ------
        EmbeddedServerError
            If the directory cannot be written, or its disk is full.
        """
        with self._explained():
            self.data.mkdir(mode=0o700, exist_ok=True)
            self.printed.unlink(missing_ok=True)
            if self.log.exists():
                self.log.replace(self.log.with_suffix(".log.1"))
            return _secret(self.key_file), _secret(self._password_file)

    def is_in_use(self) -> bool:
        """Whether a process has the directory."""
        try:
            lock = os.open(self.root / "lock", os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not _try_lock(lock)
        finally:
            os.close(lock)

    @property
    def password(self) -> str | None:
        """The password of the services' account, where one has been made."""
        with contextlib.suppress(FileNotFoundError):
            return self._password_file.read_text().strip()
        return None

    @property
    def port(self) -> int | None:
        """The port that the server had last time."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self._port_file.read_text())
        return None

    def remember_port(self, port: int) -> None:
        """Write down the port for next time."""
        with self._explained():
            _write(self._port_file, str(port))

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if exc.errno in {errno.ENOSPC, errno.EDQUOT}:
                message = f"the disk that holds {self.root} is full: make room"
            else:
                message = (
                    f"{self.root} cannot be used ({exc.strerror}): "
                    "make this user the owner of everything in it"
                )
            raise EmbeddedServerError(f"{message}, or choose another data directory") from exc


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _secret(path: Path) -> str:
    """Read a secret, made at the first call: 256 bits in hexadecimal, which a key file may hold."""
    if not path.exists():
        _write(path, secrets.token_hex(32))
    path.chmod(0o600)  # mongod refuses a key that others can read
    return path.read_text().strip()


def _write(path: Path, text: str) -> None:
    """Write a file that only this user can read, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
