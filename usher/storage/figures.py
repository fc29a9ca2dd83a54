"""Counts for statistics and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from usher.domain.records import UNFINISHED, AlertStatus, DetectionStatus
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.database import Database
from usher.storage.documents import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts since a moment, and what is in the queues now."""

    by_status: dict[DetectionStatus, int]
    persons: int
    new_persons: int
    alerts_sent: int
    queue: int
    alerts_unsent: int
    oldest_unfinished_at: datetime | None


async def figures(
    database: Database, *, since: datetime | None, scope: Scope = EVERYTHING
) -> Figures:
    """Count detections received, people seen and alerts sent since a moment, or ever.

    Of a scope that is not everything, new persons are those whom its cameras have seen.
    """
    detections = database["detections"]
    theirs = scope.query()
    received: Document = {"received_at": {"$gte": since}, **theirs} if since else theirs
    created: Document = {"created_at": {"$gte": since}} if since else {}
    if theirs:
        created["_id"] = {"$in": await detections.distinct("person_id", received)}
    sent: Document = {"status": AlertStatus.SENT, **theirs}
    if since:
        sent["sent_at"] = {"$gte": since}
    unfinished: Document = {"status": {"$in": list(UNFINISHED)}, **theirs}
    oldest = await detections.find_one(unfinished, {"received_at": 1}, sort=[("received_at", 1)])
    return Figures(
        by_status=await _by_status(database, received),
        persons=await _distinct_persons(database, received),
        new_persons=await database["persons"].count_documents(created),
        alerts_sent=await database["alerts"].count_documents(sent),
        queue=await detections.count_documents(unfinished),
        alerts_unsent=await database["alerts"].count_documents(
            {"status": AlertStatus.PENDING, **theirs}
        ),
        oldest_unfinished_at=oldest["received_at"] if oldest else None,
    )


async def _by_status(database: Database, received: Document) -> dict[DetectionStatus, int]:
    rows = await database["detections"].aggregate(
        [{"$match": received}, {"$group": {"_id": "$status", "n": {"$sum": 1}}}]
    )
    return {DetectionStatus(row["_id"]): row["n"] async for row in rows}


async def _distinct_persons(database: Database, received: Document) -> int:
    rows = await database["detections"].aggregate(
        [
            {"$match": {**received, "person_id": {"$ne": None}}},
            {"$group": {"_id": "$person_id"}},
            {"$count": "n"},
        ]
    )
    found = await rows.to_list()
    return int(found[0]["n"]) if found else 0
