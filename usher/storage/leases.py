"""Leases: who may do a piece of work now, by the database's clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument

from usher.domain.errors import LeaseLost
from usher.storage.database import Database, Session
from usher.storage.documents import Document

ASSIGN = "assign"
"""The lease under which one worker at a time says who is who."""

FREE = {"$expr": {"$lte": ["$available_at", "$$NOW"]}}
"""Selects what nobody holds now: its lease or its back-off has run out."""

AT_ONCE = datetime.fromtimestamp(0, UTC)
"""The `available_at` of what is new. A service's own clock might run ahead of the server's."""


def available_in(seconds: float | Document) -> Document:
    """The `available_at` of what is held for so many seconds from now (update pipelines only).

    `$$NOW` is the server's clock, so workers with clocks of their own agree.
    """
    amount = {"$multiply": [seconds, 1000]} if isinstance(seconds, dict) else int(seconds * 1000)
    return {
        "$dateAdd": {
            "startDate": "$$NOW",
            "unit": "millisecond",
            "amount": {"$toLong": amount},
        }
    }


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do something alone for a while.

    `token` grows with every change of hands, so that a holder who was away is recognised.
    """

    name: str
    owner: str
    token: int


class Leases:
    """Named leases in MongoDB."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._leases = database["leases"]

    async def acquire(
        self, name: str, owner: str, *, lease_s: float, by_force: bool = False
    ) -> Lease | None:
        """Take or keep the lease, or None while somebody else holds it, unless `by_force`.

        What a holder before left open is ended first: otherwise a transaction of a worker that was
        killed would keep its documents locked for a minute, the lease's own among them.
        `usher.storage.schema` makes the documents of all leases.
        """
        return await self._keep(name, owner, lease_s) or await self._take(
            name, owner, lease_s, by_force=by_force
        )

    async def _keep(self, name: str, owner: str, lease_s: float) -> Lease | None:
        """Extend the lease where it is the owner's: what is asked for most, in one round trip."""
        document = await self._leases.find_one_and_update(
            {"_id": name, "owner": owner},
            [{"$set": {"available_at": available_in(lease_s)}}],
            return_document=ReturnDocument.AFTER,
        )
        return Lease(name, owner, document["token"]) if document else None

    async def _take(self, name: str, owner: str, lease_s: float, *, by_force: bool) -> Lease | None:
        available: Document = {"_id": name}
        if not by_force:
            available["$or"] = [{"owner": owner}, FREE]
        before = await self._leases.find_one(available)
        if before is None:
            return None
        if before["owner"] not in (owner, None) and before.get("session"):
            await self._database.command(
                "killSessions", [before["session"]], codec_options=self._database.codec_options
            )
        changes_hands = {"$ne": ["$owner", owner]}
        document = await self._leases.find_one_and_update(
            available,
            [
                {
                    "$set": {
                        "token": {"$add": ["$token", {"$cond": [changes_hands, 1, 0]}]},
                        "owner": owner,
                        "available_at": available_in(lease_s),
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        return Lease(name, owner, document["token"]) if document else None

    async def holder(self, name: str) -> str | None:
        """The owner who holds a lease now; None where nobody does."""
        held = await self._leases.find_one(
            {"_id": name, "$expr": {"$gt": ["$available_at", "$$NOW"]}}, {"owner": 1}
        )
        return held["owner"] if held else None

    async def bind(self, lease: Lease, session: Session) -> None:
        """Note the session in which the holder writes: who takes the lease over ends it.

        Raises
        ------
        LeaseLost
            If the lease has changed hands.
        """
        session_id: Mapping[str, Any] = session.session_id
        result = await self._leases.update_one(
            {"_id": lease.name, "owner": lease.owner, "token": lease.token},
            {"$set": {"session": dict(session_id)}},
        )
        if not result.matched_count:
            raise LeaseLost(f"the lease {lease.name!r} has changed hands")

    async def hold(self, lease: Lease, *, lease_s: float, session: Session) -> None:
        """Extend the lease inside a transaction, which then commits only if it still is ours.

        Raises
        ------
        LeaseLost
            If it has changed hands.
        """
        result = await self._leases.update_one(
            {"_id": lease.name, "owner": lease.owner, "token": lease.token},
            [{"$set": {"available_at": available_in(lease_s)}}],
            session=session,
        )
        if not result.matched_count:
            raise LeaseLost(f"the lease {lease.name!r} has changed hands")

    async def release(self, lease: Lease, *, session: Session | None = None) -> None:
        """Give the lease back; harmless where it is lost."""
        await self._leases.update_one(
            {"_id": lease.name, "owner": lease.owner, "token": lease.token},
            [{"$set": {"owner": None, "available_at": "$$NOW"}}],
            session=session,
        )
