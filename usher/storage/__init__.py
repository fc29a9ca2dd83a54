"""Documents, queries, transactions, leases, crops, and the embedded server."""

import asyncio
import sys
from collections.abc import Awaitable
from typing import TypeVar

import pymongo.lock

_Result = TypeVar("_Result")


async def _wait_for(awaitable: Awaitable[_Result], within_s: float | None) -> _Result:
    """`asyncio.wait_for` as it is from Python 3.12 on."""
    async with asyncio.timeout(within_s):
        return await awaitable


if sys.version_info < (3, 12):
    # PyMongo waits for its topology's condition with it. That of 3.11 does so in a task of its own:
    # a cancellation may be lost (python/cpython#86296), or break off that task's taking back of the
    # lock, which then stays locked for ever.
    setattr(pymongo.lock, "wait_for", _wait_for)  # noqa: B010 - it is not exported
