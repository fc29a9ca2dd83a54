"""Server-sent events: changes in the database, passed on to every browser that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from usher.domain.records import DetectionStatus
from usher.storage.changes import Change, changes
from usher.storage.database import Database

_WATCHED = ("detections", "persons", "alerts", "cameras")
_ROOM = 1000
_UPDATED = "updateDescription.updatedFields"
_SHOWN_OF_CAMERAS = ("state", "name", "managers", "regions", "regions_taken")
_TELLING = {
    f"{_UPDATED}.status": {"$ne": DetectionStatus.EMBEDDED},
    f"{_UPDATED}.claim_token": {"$not": {"$type": "string"}},
    f"{_UPDATED}.other_embedding": {"$exists": False},
    "$or": [
        {"ns.coll": {"$ne": "cameras"}},
        {"operationType": {"$ne": "update"}},
        *({f"{_UPDATED}.{field}": {"$exists": True}} for field in _SHOWN_OF_CAMERAS),
    ],
}
"""Not that a worker claims something, nor that a vector is there, of whichever model: nobody sees a
difference. Nor that a camera is as it was: that comes every ten seconds."""


class Hub:
    """Fans changes out. A listener that cannot keep up is cut off and connects again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queues: set[asyncio.Queue[Change | None]] = set()
        self._closed = False

    async def run(self) -> None:
        """Pass changes on until cancelled."""
        async for change in changes(self._database, _WATCHED, only=_TELLING):
            for queue in tuple(self._queues):
                self._offer(queue, change)

    async def listen(self) -> AsyncGenerator[Change]:
        """Changes from now on. Ends when the hub closes or the listener falls behind."""
        queue: asyncio.Queue[Change | None] = asyncio.Queue(_ROOM)
        if self._closed:
            return
        self._queues.add(queue)
        try:
            while (change := await queue.get()) is not None:
                yield change
        finally:
            self._queues.discard(queue)

    def close(self) -> None:
        """End every listener, so that the server can stop."""
        self._closed = True
        for queue in tuple(self._queues):
            self._cut_off(queue)

    def _offer(self, queue: asyncio.Queue[Change | None], change: Change) -> None:
        try:
            queue.put_nowait(change)
        except asyncio.QueueFull:
            self._cut_off(queue)

    def _cut_off(self, queue: asyncio.Queue[Change | None]) -> None:
        self._queues.discard(queue)
        with suppress(asyncio.QueueEmpty):
            while True:
                queue.get_nowait()
        queue.put_nowait(None)
