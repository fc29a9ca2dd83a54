"""Who works now: classifiers and senders, as they say themselves every so often."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from usher.storage.database import Database

SAYS_SO_EVERY_S = 20.0
GONE_AFTER_S = 60
"""Whoever has said nothing for so long works no more."""

WorkerKind = Literal["classifier", "notifier"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """A process that works.

    Attributes
    ----------
    name
        The host of a classifier; what the key of a notifier is called.
    channels
        Of a notifier: what it sends by.
    """

    id: str
    kind: WorkerKind
    name: str
    channels: tuple[str, ...]
    seen_at: datetime


class Workers:
    """Queries on the collection `workers`; an index removes those that are gone."""

    def __init__(self, database: Database) -> None:
        self._workers = database["workers"]
        self._said_at_s: dict[str, float] = {}

    def is_due(self, worker_id: str) -> bool:
        """Whether it is time that a process is noted again: it may show itself far more often."""
        said_at_s = self._said_at_s.get(worker_id, -math.inf)
        return time.monotonic() - said_at_s >= SAYS_SO_EVERY_S

    async def works(
        self, worker_id: str, kind: WorkerKind, name: str, channels: Sequence[str] = ()
    ) -> None:
        """Note that a process works, by the server's clock."""
        said = {"kind": kind, "name": name, "channels": sorted(channels)}
        literal = {field: {"$literal": value} for field, value in said.items()}
        await self._workers.update_one(
            {"_id": worker_id}, [{"$set": {**literal, "seen_at": "$$NOW"}}], upsert=True
        )
        self._said_at_s[worker_id] = time.monotonic()

    async def ended(self, worker_id: str) -> None:
        """Note that a process works no more."""
        await self._workers.delete_one({"_id": worker_id})

    async def all(self) -> list[Working]:
        """Those that work now, by kind and name."""
        lately = {"$dateSubtract": {"startDate": "$$NOW", "unit": "second", "amount": GONE_AFTER_S}}
        found = self._workers.find({"$expr": {"$gte": ["$seen_at", lately]}})
        return [
            Working(
                id=row["_id"],
                kind=row["kind"],
                name=row["name"],
                channels=tuple(row["channels"]),
                seen_at=row["seen_at"],
            )
            for row in await found.sort([("kind", 1), ("name", 1), ("_id", 1)]).to_list()
        ]
