"""Guessing and haste made slow.

Attempts are counted by what they guess at and where they come from, requests by who makes them;
what takes much memory or time is done for a few at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import Request

from usher.domain.errors import TooManyRequests, Unavailable
from usher.domain.identifiers import new_id
from usher.storage.access import SignInFailures
from usher.wire import utc_now

_WINDOW = timedelta(minutes=15)
_PER_S = 200.0
_AT_ONCE = 2000.0
"""Far above what a panel that is scrolled, or a detector that catches up, asks for: whoever comes
to it runs in circles, and the others shall not wait for it."""


@dataclass(slots=True)
class _Bucket:
    """What somebody may still ask at once, as it was at a moment."""

    left: float
    at_s: float


class Rates:
    """How many requests each account, token or device may make of this process.

    Parameters
    ----------
    per_s
        How many a second, on and on.
    at_once
        How many after a pause.
    clock
        Seconds that only grow.
    """

    def __init__(
        self,
        *,
        per_s: float = _PER_S,
        at_once: float = _AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, principal_id: str) -> None:
        """Count a request.

        Raises
        ------
        TooManyRequests
            If there were too many. This one does not make the wait longer.
        """
        now_s = self._clock()
        bucket = self._buckets.setdefault(principal_id, _Bucket(self._at_once, now_s))
        grown = bucket.left + (now_s - bucket.at_s) * self._per_s
        bucket.left, bucket.at_s = min(grown, self._at_once), now_s
        if bucket.left < 1:
            raise TooManyRequests(
                "too many requests: wait a moment, and ask less often", retry_after_s=1
            )
        bucket.left -= 1


class Gate:
    """Lets in so many at once, has so many wait, and sends the others away.

    Parameters
    ----------
    most
        How many may be in.
    waiting
        How many may wait for one of them to leave.
    """

    def __init__(self, most: int, *, waiting: int) -> None:
        self._in = asyncio.Semaphore(most)
        self._may_wait = waiting
        self._waiting = 0

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Be in, as soon as there is room.

        Raises
        ------
        Unavailable
            If too many wait already.
        """
        if self._in.locked() and self._waiting >= self._may_wait:
            raise Unavailable("too much is asked at once: try again in a moment")
        self._waiting += 1
        try:
            await self._in.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._in.release()


@dataclass(frozen=True, slots=True)
class Gates:
    """What is worked on at once, by what it costs: one that waits has sent its headers, and of its
    body no more than fills a buffer."""

    uploads: Gate = field(default_factory=lambda: Gate(64, waiting=1000))
    photographs: Gate = field(default_factory=lambda: Gate(4, waiting=100))
    films: Gate = field(default_factory=lambda: Gate(1, waiting=10))


def address_of(request: Request) -> str:
    """Where a request comes from."""
    return f"address:{request.client.host if request.client else 'unknown'}"


async def count_attempt(failures: SignInFailures, limits: Sequence[tuple[list[str], int]]) -> str:
    """Take an attempt for a failure until it succeeds: those side by side count each other.

    Parameters
    ----------
    limits
        Keys, and how many may fail in fifteen minutes under any of those together.

    Returns
    -------
    str
        The attempt's own key: whoever succeeds has it forgotten.

    Raises
    ------
    TooManyRequests
        If there were more. This attempt does not make the wait longer.
    """
    attempt = f"attempt:{new_id()}"
    now = utc_now()
    await failures.add([*(key for keys, _ in limits for key in keys), attempt], now=now)
    for keys, most in limits:
        if await failures.count(keys, now=now, window=_WINDOW) > most:
            await failures.forget(attempt)
            wait_s = int(_WINDOW.total_seconds())
            raise TooManyRequests("too many failed attempts: wait a while", retry_after_s=wait_s)
    return attempt
