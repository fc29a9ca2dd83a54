"""Runs a program that ends when its parent ends, even if the parent is killed.

    python -I -S leash.py PARENT_PID PROGRAM ARGUMENT…

A program of its own, rather than a `preexec_fn`: code between fork and exec can deadlock where the
parent has threads. It replaces itself with PROGRAM, so the process id stays the one that was
started. It imports the standard library only, which keeps it at some 20 ms.

On Linux the kernel sends SIGTERM when the *thread* that started this process ends: start it from
a thread that lives as long as the parent should, in practice the main thread. Other systems have
no such promise; there the program outlives a killed parent.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_OPEN_FILES = 64_000  # what MongoDB asks for; the usual soft limits are 1,024 and 256


def _end_with_parent(parent_pid: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    # A parent that ended before the request was made sends no signal any more.
    if os.getppid() != parent_pid:
        sys.exit("the parent process has ended")


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main(parent_pid: str, *command: str) -> None:
    """Replace this process by `command`, tied to the life of `parent_pid`."""
    _end_with_parent(int(parent_pid))
    _raise_file_limit()
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(*sys.argv[1:])
