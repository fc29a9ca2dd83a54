"""Tasks that are cancelled for sure."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from usher import tasks


async def for_ever() -> None:
    await asyncio.Event().wait()


async def deaf_at_first() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await for_ever()
    await for_ever()


async def test_cancel_asks_again_when_a_cancellation_was_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_AGAIN_S", 0.01)
    started = [asyncio.create_task(one()) for one in (for_ever, deaf_at_first)]
    await asyncio.sleep(0)
    await tasks.cancel(started)
    assert all(task.cancelled() for task in started)


async def test_cancel_leaves_time_to_clean_up_and_keeps_what_was_raised() -> None:
    cleaned_up = False

    async def careful() -> None:
        nonlocal cleaned_up
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0.05)
            cleaned_up = True
            raise ValueError("raised while it cleaned up")

    task = asyncio.create_task(careful())
    await asyncio.sleep(0)
    await tasks.cancel([task])
    assert cleaned_up
    assert isinstance(task.exception(), ValueError)


async def test_cancel_takes_no_tasks() -> None:
    await tasks.cancel([])
