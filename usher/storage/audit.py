"""The audit trail: who did what to whom, when."""

from __future__ import annotations

from datetime import datetime

from usher.domain.identifiers import new_id
from usher.storage.database import Database


class Audit:
    """Appends to the collection `audit`. Entries hold identifiers, never names."""

    def __init__(self, database: Database) -> None:
        self._entries = database["audit"]

    async def add(self, actor: str, action: str, subject: str, *, now: datetime) -> None:
        """Note that `actor` did `action` to `subject`: identifiers all."""
        await self._entries.insert_one(
            {"_id": new_id(), "at": now, "actor": actor, "action": action, "subject": subject}
        )
