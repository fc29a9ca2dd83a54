"""When the threshold moved, and why."""

from __future__ import annotations

from usher.domain.identifiers import new_id
from usher.storage.database import Database
from usher.storage.documents import Document


class Calibrations:
    """Appends to the collection `calibrations`."""

    def __init__(self, database: Database) -> None:
        self._calibrations = database["calibrations"]

    async def add(self, calibration: Document) -> None:
        """Keep a calibration: `at`, `threshold`, `persons`, `reason`, and whatever explains it."""
        await self._calibrations.insert_one({"_id": new_id(), **calibration})

    async def latest(self, limit: int) -> list[Document]:
        """The newest first."""
        found = self._calibrations.find({}, {"_id": 0}).sort([("at", -1), ("_id", -1)])
        return await found.limit(limit).to_list()
