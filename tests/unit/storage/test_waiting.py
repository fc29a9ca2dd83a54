"""PyMongo's waiting for its topology, which every query does while no server is known."""

from __future__ import annotations

import asyncio

import pymongo.lock

import usher.storage  # noqa: F401 - what is tested comes with it


async def test_lock_is_free_after_a_cancellation_while_it_is_taken_back() -> None:
    """On Python 3.11 `asyncio.wait_for` would leave it locked for ever, or release another's."""
    lock = pymongo.lock._async_create_lock()
    condition = pymongo.lock._async_create_condition(lock)

    async def wait() -> None:
        async with lock:
            await pymongo.lock._async_cond_wait(condition, 0.01)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    async with lock:
        await asyncio.sleep(0.1)  # its time is over, and it wants the lock back
        waiting.cancel()
        await asyncio.sleep(0)
        assert lock.locked()
    await asyncio.wait({waiting}, timeout=10)
    assert waiting.done()
    async with asyncio.timeout(10), lock:
        pass


async def test_wait_ends_with_its_time_and_when_it_is_told() -> None:
    lock = pymongo.lock._async_create_lock()
    condition = pymongo.lock._async_create_condition(lock)
    async with lock:
        assert await pymongo.lock._async_cond_wait(condition, 0.01) is False

    async def tell() -> None:
        async with lock:
            condition.notify_all()

    async with lock:
        telling = asyncio.create_task(tell())
        assert await pymongo.lock._async_cond_wait(condition, 10) is True
    await telling
