"""The audit trail: who did what to whom, when, each entry sealed with the one before."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo.errors import DuplicateKeyError

from usher.domain.identifiers import new_id
from usher.domain.records import AuditEntry
from usher.storage.database import Database
from usher.storage.documents import (
    Document,
    audit_entry_from_document,
    milliseconds,
    to_document,
)
from usher.storage.paging import newest_first

NOBODY = "nobody"
"""The actor of what somebody did who had not signed in."""
UNKNOWN = "unknown"
"""The subject of what was tried on an account that there is not."""
_START = "0" * 64
"""What stands before the first entry."""
_NUMBERED = {"number": {"$type": "number"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What a list of entries is narrowed to; None leaves a field open.

    `action` is without what follows a colon: `person.merge` finds `person.merge:p-7k3qxz`.
    """

    actor: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> Document:
        exact = {"actor": self.actor, "kind": self.action}
        query: Document = {name: value for name, value in exact.items() if value is not None}
        bounds = {"$gte": self.since, "$lt": self.until}
        between = {name: value for name, value in bounds.items() if value is not None}
        return {**query, "at": between} if between else query


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the chain holds. `broken_at` is the number of the first entry that does not fit.

    `digest` is that of the last entry that fits. Noted elsewhere, it shows later whether entries
    were taken off the end, or all were made anew: the chain alone cannot.
    """

    entries: int
    digest: str
    broken_at: int | None = None


class Audit:
    """Appends to the collection `audit`, and reads it. Entries hold identifiers, never names."""

    def __init__(self, database: Database) -> None:
        self._entries = database["audit"]
        self._turn = asyncio.Lock()

    async def add(self, actor: str, action: str, subject: str, *, now: datetime) -> None:
        """Note that `actor` did `action` to `subject`: identifiers all.

        What follows a colon in the action says more about it.
        """
        async with self._turn:
            while not await self._append(actor, action, subject, milliseconds(now)):
                pass  # another process was quicker: the entry goes behind its

    async def page(
        self, selection: AuditFilter, *, cursor: str | None, limit: int
    ) -> tuple[list[AuditEntry], str | None]:
        """Entries, the newest first."""
        documents, following = await newest_first(
            self._entries, selection.query(), by="at", cursor=cursor, limit=limit
        )
        return [audit_entry_from_document(document) for document in documents], following

    async def verify(self) -> Verdict:
        """Go through the whole chain and reckon every seal anew."""
        digest, count = _START, 0
        async for document in self._entries.find(_NUMBERED).sort("number", 1):
            entry = audit_entry_from_document(document)
            if not _fits(entry, document["kind"], after=count, previous=digest):
                return Verdict(entries=count, digest=digest, broken_at=count + 1)
            digest, count = entry.digest or "", count + 1
        return Verdict(entries=count, digest=digest)

    async def holds(self, digest: str) -> bool:
        """Whether some entry is sealed with that digest."""
        return await self._entries.find_one({**_NUMBERED, "digest": digest}, {"_id": 1}) is not None

    async def _append(self, actor: str, action: str, subject: str, at: datetime) -> bool:
        last = await self._entries.find_one(_NUMBERED, sort=[("number", -1)])
        number = last["number"] + 1 if last else 1
        previous = last["digest"] if last else _START
        entry = AuditEntry(
            id=new_id(),
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            number=number,
            previous=previous,
            digest=_digest(number, at, actor, action, subject, previous),
        )
        try:
            await self._entries.insert_one({**to_document(entry), "kind": _kind(action)})
        except DuplicateKeyError:
            return False
        return True


def _kind(action: str) -> str:
    return action.partition(":")[0]


def _fits(entry: AuditEntry, kind: str, *, after: int, previous: str) -> bool:
    reckoned = _digest(after + 1, entry.at, entry.actor, entry.action, entry.subject, previous)
    stands = (entry.number, entry.previous, entry.digest, kind)
    return stands == (after + 1, previous, reckoned, _kind(entry.action))


def _digest(number: int, at: datetime, *texts: str) -> str:
    """SHA-256 over an entry's fields and the digest before, as a JSON array."""
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds")
    sealed = json.dumps([number, moment, *texts], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(sealed.encode()).hexdigest()
