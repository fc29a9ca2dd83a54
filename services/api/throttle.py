"""Guessing and haste made slow.

Attempts are counted by what they guess at and where they come from, requests by who makes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request

from usher.domain.errors import TooManyRequests
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
