"""When the threshold moved, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from usher.domain.identifiers import new_id
from usher.storage.database import Database
from usher.storage.documents import milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """A threshold from a moment on, among so many persons, and why."""

    at: datetime
    threshold: float
    persons: int
    reason: str


class Calibrations:
    """Appends to the collection `calibrations`."""

    def __init__(self, database: Database) -> None:
        self._entries = database["calibrations"]

    async def add(self, entry: Recalibration) -> None:
        await self._entries.insert_one(
            {
                "_id": new_id(),
                "at": milliseconds(entry.at),
                "threshold": entry.threshold,
                "persons": entry.persons,
                "reason": entry.reason,
            }
        )

    async def latest(self, limit: int) -> list[Recalibration]:
        """The newest first."""
        found = self._entries.find({}, {"_id": 0}).sort([("at", -1), ("_id", -1)]).limit(limit)
        return [Recalibration(**document) for document in await found.to_list()]
