"""Keeps processes running: starts them, watches them, starts them again, stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from usher import leash

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_HEALTHY_AFTER_S = 60.0
_LOG_MAX_BYTES = 20_000_000

Report = Callable[[str, str], None]
"""Takes a service's name and what there is to say of its state."""


class Running(Protocol):
    """Something that runs until it ends or is stopped."""

    async def start(self) -> None: ...

    async def wait(self) -> int: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Program:
    """How a process is started.

    Parameters
    ----------
    arguments
        Of this very interpreter.
    environment
        Added to ours.
    log
        Takes its standard error. One of more than 20 MB is put aside at a start.
    output
        File descriptor that takes its standard output; otherwise that goes into the log too.
    """

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    output: int | None = None


class Process:
    """One child process that ends with this one, even if this one is killed."""

    def __init__(self, program: Program, *, stop_timeout_s: float = 10.0) -> None:
        self._program = program
        self._stop_timeout_s = stop_timeout_s
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The id of the process, None where it does not run."""
        process = self._process
        return process.pid if process and process.returncode is None else None

    async def start(self) -> None:
        program = self._program
        _put_aside(program.log)
        command = [
            *(sys.executable, "-I", "-S", leash.__file__, str(os.getpid())),
            *(sys.executable, *program.arguments),
        ]
        with program.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log if program.output is None else program.output,
                stderr=log,
                env=os.environ | program.environment,
                # Ctrl-C in a terminal goes to a whole group; the order of stopping is ours.
                start_new_session=True,
            )

    async def wait(self) -> int:
        """Wait until it ends; the status is negative where a signal ended it."""
        if self._process is None:
            raise RuntimeError(f"{self._program.name} has not been started")
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, and make it end where it does not in time."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        _send(process, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._stop_timeout_s)
        except TimeoutError:
            _send(process, signal.SIGKILL)
            await process.wait()


class Service:
    """Something that should run until it is stopped; where it ends by itself it starts again.

    Parameters
    ----------
    ready
        Returns when the service does its work; by default at once.
    lasting
        Whether it should run for ever. Otherwise an exit status of 0 ends it for good, and one of
        1, an error that it foresaw, is final too.
    """

    def __init__(
        self,
        name: str,
        running: Running,
        report: Report,
        *,
        ready: Callable[[], Awaitable[None]] | None = None,
        lasting: bool = True,
    ) -> None:
        self.name = name
        self._running = running
        self._report = report
        self._ready = ready
        self._lasting = lasting
        self._watch: asyncio.Task[int] | None = None

    async def start(self) -> None:
        """Start it, and keep it running from now on. Returns when it is ready."""
        await self._start_once()
        self._watch = asyncio.create_task(self._keep_running(), name=self.name)

    async def finished(self) -> int:
        """Wait until a service that does not last has ended; its exit status."""
        if self._watch is None:
            raise RuntimeError(f"{self.name} has not been started")
        return await asyncio.shield(self._watch)

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._running.stop()
        self._report(self.name, "stopped")

    async def _start_once(self) -> None:
        await self._running.start()
        if self._ready is not None:
            await self._ready()
        self._report(self.name, "running")

    async def _keep_running(self) -> int:
        pause_s = _FIRST_PAUSE_S
        while True:
            begun = time.monotonic()
            status = await self._running.wait()
            if not self._lasting and status in (0, 1):
                self._report(self.name, "finished" if status == 0 else "failed")
                return status
            if time.monotonic() - begun > _HEALTHY_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            self._report(self.name, f"{_ending(status)}; starting again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            await self._start_again()

    async def _start_again(self) -> None:
        try:
            await self._start_once()
        except Exception as error:  # noqa: BLE001 - whatever it was, the next try comes
            self._report(self.name, f"does not start: {error}")


def _ending(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


def _put_aside(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if log.exists() and log.stat().st_size > _LOG_MAX_BYTES:
        log.replace(log.with_suffix(".log.1"))
