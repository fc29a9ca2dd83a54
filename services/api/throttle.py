"""Guessing made slow: attempts are counted by what they guess at and where they come from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fastapi import Request

from usher.domain.errors import TooManyRequests
from usher.domain.identifiers import new_id
from usher.storage.access import SignInFailures
from usher.wire import utc_now

_WINDOW = timedelta(minutes=15)


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
