"""The embedded MongoDB server: a real mongod, as a child process, on loopback.

Beside it: `mongod` (the program), `server_directory` (its files), `replica_set` (what it is made
into) and `leash` (how it ends with us). The reasons: `docs/decisions/0003-embedded-mongodb.md`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymongo
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from usher import leash
from usher.domain.errors import EmbeddedServerError, Unavailable
from usher.storage.mongod import check_version, environment, explain_exit, find_mongod
from usher.storage.replica_set import REPLICA_SET, SERVICE_USER, establish
from usher.storage.server_directory import ServerDirectory
from usher.tasks import cancel

__all__ = ["EmbeddedServer", "find_mongod", "uri_of_running"]

_LOG = logging.getLogger(__name__)

_PING_TIMEOUT_S = 5.0
_OPTIONS = (
    *("--replSet", REPLICA_SET),
    *("--bind_ip", "127.0.0.1"),
    "--nounixsocket",
    # Loopback needs no compression, and decompression has leaked memory (CVE-2025-14847).
    *("--networkMessageCompressors", "disabled"),
    "--noscripting",
    "--auth",
    # The first account is made with the key: no moment when anybody local could make it instead.
    *("--setParameter", "enableLocalhostAuthBypass=false"),
    *("--wiredTigerCacheSizeGB", "0.25"),
    # What was deleted stays in the oplog until it is overwritten: megabytes, where the default is
    # a twentieth of the disk. Change streams can resume as far back as it reaches.
    *("--oplogSize", "256"),
    # The log of slow operations would hold names and vectors: none is a day slow.
    *("--slowms", "86400000"),
    # 200 MB of figures that only MongoDB's support can read.
    *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    "--quiet",
)


class EmbeddedServer:
    """A mongod of our own: a replica set of one, with authentication, for this machine only.

    It ends with this process, also if this process is killed: on Linux, as long as the event loop
    runs in the main thread (see `usher.leash`).

        async with EmbeddedServer(Path("data/mongodb")) as server:
            client = AsyncMongoClient(server.uri)

    Parameters
    ----------
    directory
        Its own: data, key, password and logs. Made if missing.
    port
        Port on 127.0.0.1; 0: the one it had last time, or any free one.
    binary
        The program to run; without it, what `find_mongod` finds.
    start_timeout_s
        How long a start may take. After a crash it includes reading the journal.
    stop_timeout_s
        How long a clean shutdown may take before mongod is killed.
    """

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        binary: Path | None = None,
        start_timeout_s: float = 120.0,
        stop_timeout_s: float = 20.0,
    ) -> None:
        self._directory = ServerDirectory(directory)
        self._wanted_port = port
        self._binary = binary.absolute() if binary is not None else None
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self._password = ""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def uri(self) -> str:
        """Where and as whom the services connect. It holds the password: keep it out of logs.

        It names the replica set rather than ask for a direct connection, so that a client waits
        for the primary while the server restarts; with a direct one its writes would fail.

        Raises
        ------
        EmbeddedServerError
            Before the first start.
        """
        if not self._port:
            raise EmbeddedServerError("the embedded server has not been started")
        return _uri(self._port, self._password)

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the first start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The process id of mongod; None while it does not run."""
        if self._process is None or self._process.returncode is not None:
            return None
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """The log of this run. That of the run before is beside it, as `mongod.log.1`."""
        return self._directory.log

    async def start(self) -> None:
        """Start mongod and wait until it takes writes. Does nothing while it runs.

        Raises
        ------
        EmbeddedServerError
            If it cannot run; the message says why, and what to do about it.
        """
        if self.pid is not None:
            return
        binary = self._binary or find_mongod()
        await check_version(binary)
        lock = await self._directory.acquire(self._stop_timeout_s)
        try:
            key, self._password = self._directory.prepare()
            self._port = self._choose_port()
            self._process = await self._launch(binary, lock)
            await self._until_ready(self._process, key)
            self._directory.remember_port(self._port)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Shut mongod down cleanly; kill it if that takes too long. Does nothing if it ended."""
        if self._process is not None:
            await _end(self._process, self._stop_timeout_s)
        self._directory.release()

    async def wait(self) -> int:
        """Wait until mongod ends.

        Returns
        -------
        int
            Exit status; negative: the signal that ended it.

        Raises
        ------
        EmbeddedServerError
            Before the first start.
        """
        if self._process is None:
            raise EmbeddedServerError("the embedded server has not been started")
        return await self._process.wait()

    async def ping(self) -> None:
        """Check that the server lets the services in and is a primary.

        Raises
        ------
        Unavailable
            If it has not answered within five seconds.
        """
        if self.pid is None:
            raise Unavailable("the embedded MongoDB server does not run")
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(self.uri)
        try:
            async with client:
                with pymongo.timeout(_PING_TIMEOUT_S):
                    await client.admin.command("ping")
        except PyMongoError as exc:
            raise Unavailable("the embedded MongoDB server does not answer") from exc

    def diagnosis(self) -> EmbeddedServerError:
        """Say why mongod ended, from its exit status and its log: an error to raise or to log."""
        returncode = self._process.returncode if self._process is not None else None
        if returncode is None:
            return EmbeddedServerError("the embedded server has not ended")
        return EmbeddedServerError(
            explain_exit(returncode, self._directory.log, self._directory.printed, port=self._port)
        )

    def _choose_port(self) -> int:
        if self._wanted_port:
            _check_free(self._wanted_port)
            return self._wanted_port
        remembered = self._directory.port
        if remembered:
            with contextlib.suppress(EmbeddedServerError):
                _check_free(remembered)
                return remembered
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            return int(free.getsockname()[1])

    async def _launch(self, binary: Path, lock: int) -> asyncio.subprocess.Process:
        command = [
            *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
            *(str(binary), *_OPTIONS),
            *("--port", str(self._port)),
            *("--dbpath", str(self._directory.data)),
            *("--keyFile", str(self._directory.key_file)),
            *("--logpath", str(self._directory.log)),
        ]
        with self._directory.printed.open("wb") as printed:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                env=environment(),
                pass_fds=(lock,),
                # Ctrl-C in a terminal goes to the whole group; the database has to end last.
                start_new_session=True,
            )

    async def _until_ready(self, process: asyncio.subprocess.Process, key: str) -> None:
        ready = asyncio.create_task(establish(self._port, key=key, password=self._password))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait(
                {ready, ended},
                timeout=self._start_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            self._check_ready(ready, ended)
        finally:
            await cancel((ready, ended))

    def _check_ready(self, ready: asyncio.Task[None], ended: asyncio.Task[int]) -> None:
        if ended.done():
            raise self.diagnosis()
        if not ready.done():
            raise EmbeddedServerError(
                f"mongod was not ready within {self._start_timeout_s:g} s (log: {self.log_path})"
            )
        try:
            ready.result()
        except PyMongoError as exc:
            raise EmbeddedServerError(
                f"mongod could not be set up: {exc} (log: {self.log_path})"
            ) from exc


def uri_of_running(directory: Path) -> str | None:
    """The URI of the server that another process of this user runs in a directory, if one does.

    It holds the password: keep it out of logs.
    """
    server = ServerDirectory(directory)
    port, password = server.port, server.password
    if port is None or password is None or not server.is_in_use():
        return None
    return _uri(port, password)


def _uri(port: int, password: str) -> str:
    return (
        f"mongodb://{SERVICE_USER}:{password}@127.0.0.1:{port}"
        f"/?replicaSet={REPLICA_SET}&authSource=admin"
    )


async def _end(process: asyncio.subprocess.Process, timeout_s: float) -> None:
    _signal(process, signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), timeout_s)
    except TimeoutError:
        _LOG.warning("mongod did not shut down within %g s: killing it", timeout_s)
        _signal(process, signal.SIGKILL)
        await process.wait()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    if process.returncode is not None:
        return
    # Not `process.send_signal`: it may reap a child that has just ended, before asyncio's watcher
    # does, and the exit status is lost.
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as mongod does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise EmbeddedServerError(
                f"port {port} of 127.0.0.1 cannot be used ({exc.strerror}): stop the program that "
                "has it, or set USHER_MONGODB_PORT to another port (0 takes any free one)"
            ) from exc
