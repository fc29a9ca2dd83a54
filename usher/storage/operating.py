"""What an operator changes while Usher runs: it stands in the database, for every service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from pymongo.errors import PyMongoError

from usher.storage.database import Database, is_passing
from usher.storage.documents import Document
from usher.storage.serving import NOTICED_WITHIN_S

_ID: Document = {"_id": "operating"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Days for which what was seen is kept; None: until somebody deletes it."""

    strangers_days: int | None = None
    known_days: int | None = None


class Operating:
    """The document `settings/operating`. What was never set there is as the environment says."""

    def __init__(self, database: Database) -> None:
        self._settings = database["settings"]

    async def identity_budget(self, installed: float) -> float:
        """The share of strangers that may be called by a name; `installed` where nobody set it."""
        return float((await self._document()).get("identity_budget", installed))

    async def kept(self) -> Kept:
        """How long what was seen is kept."""
        document = await self._document()
        return Kept(
            strangers_days=document.get("strangers_kept_days"),
            known_days=document.get("known_kept_days"),
        )

    async def change(self, changes: Document) -> None:
        """Set `identity_budget`, `strangers_kept_days`, `known_kept_days`.

        Services end where the budget is another than theirs, and are started again with it.
        """
        await self._settings.update_one(_ID, {"$set": changes}, upsert=True)

    async def _document(self) -> Document:
        return await self._settings.find_one(_ID) or {}

    async def until_another_budget(self, budget: float) -> None:
        """Wait until another budget is set than that one, and log it."""
        while True:
            await asyncio.sleep(NOTICED_WITHIN_S)
            try:
                wanted = await self.identity_budget(budget)
            except PyMongoError as error:
                if not is_passing(error):
                    raise
                continue
            if wanted != budget:
                log.info("the budget was changed: ending, to be started again with it")
                return
