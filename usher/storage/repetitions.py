"""Requests that create something, and may be sent twice: what the first one made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo.errors import DuplicateKeyError

from usher.domain.errors import Conflict, IdempotencyConflict
from usher.storage.database import Database, Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A request that may be repeated: who sends it, to do what, under which key, with what.

    `content_sha256` tells a repeat from another request under the same key.
    """

    principal_id: str
    operation: str
    key: str
    content_sha256: str

    @property
    def id(self) -> str:
        """Of this sender, operation and key alone. No part of it can run into the next one."""
        parts = (self.principal_id, self.operation, self.key)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Repetitions:
    """Queries on the collection `repetitions`, which forgets after a day."""

    def __init__(self, database: Database) -> None:
        self._repetitions = database["repetitions"]

    async def made_by(self, once: Once) -> str | None:
        """What the first request made, as it was noted; None where this is the first one.

        Raises
        ------
        IdempotencyConflict
            If the key was used for another request.
        """
        document = await self._repetitions.find_one({"_id": once.id})
        if document is None:
            return None
        if document["content_sha256"] != once.content_sha256:
            raise IdempotencyConflict(
                "Idempotency-Key was used for another request: make a new one for each"
            )
        return str(document["made"])

    async def note(self, once: Once, made: str, session: Session) -> None:
        """Note what a request makes, by id, in the transaction that makes it.

        Raises
        ------
        Conflict
            If the same request is being answered, or was just now: nothing is made twice.
        """
        try:
            await self._repetitions.insert_one(
                {
                    "_id": once.id,
                    "content_sha256": once.content_sha256,
                    "made": made,
                    "at": datetime.now(UTC),
                },
                session=session,
            )
        except DuplicateKeyError as error:
            raise Conflict("the same request is being answered: ask again") from error
