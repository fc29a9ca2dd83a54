"""What an operator changes while Usher runs: it stands in the database, for every service."""

from __future__ import annotations

import asyncio

import structlog
from pymongo.errors import PyMongoError

from usher.storage.database import Database, is_passing
from usher.storage.documents import Document
from usher.storage.serving import NOTICED_WITHIN_S

_ID: Document = {"_id": "operating"}

log = structlog.get_logger()


class Operating:
    """The document `settings/operating`. What was never set there is as the environment says."""

    def __init__(self, database: Database) -> None:
        self._settings = database["settings"]

    async def identity_budget(self, installed: float) -> float:
        """The share of strangers that may be called by a name; `installed` where nobody set it."""
        document = await self._settings.find_one(_ID) or {}
        return float(document.get("identity_budget", installed))

    async def set_identity_budget(self, share: float) -> None:
        """Set it. Services end, and are started again with it."""
        await self._settings.update_one(_ID, {"$set": {"identity_budget": share}}, upsert=True)

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
