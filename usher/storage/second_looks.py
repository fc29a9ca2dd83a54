"""Up to which version of the gallery what was decided has been looked at again."""

from __future__ import annotations

from usher.storage.database import Database

_ID = "second-look"


class SecondLooks:
    """A mark in the collection `settings`."""

    def __init__(self, database: Database) -> None:
        self._settings = database["settings"]

    async def last(self) -> int:
        """The version that was looked at last; -1 where none was."""
        document = await self._settings.find_one({"_id": _ID})
        return int(document["version"]) if document else -1

    async def note(self, version: int) -> None:
        await self._settings.update_one({"_id": _ID}, {"$set": {"version": version}}, upsert=True)
