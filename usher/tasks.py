"""Tasks that are cancelled for sure."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

_AGAIN_S = 3.0


async def cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they have ended; what they raise is left in them.

    Once may not be enough: whatever waits with `asyncio.wait_for` loses, on Python 3.11, a
    cancellation that arrives together with what it waits for (python/cpython#86296). Not twice at
    once either: a second one breaks off what the first one has a task clean up.
    """
    tasks = list(tasks)
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Wait until one of them ends, and end the others; what that one raises is raised."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel(tasks)
    for task in done:
        task.result()
