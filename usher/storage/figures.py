"""Counts for statistics and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from usher.domain.records import UNFINISHED, AlertStatus, DetectionStatus
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


async def figures(database: Database, *, since: datetime | None) -> Figures:
    """Count detections received, people seen and alerts sent since a moment, or ever."""
    detections = database["detections"]
    unfinished = {"status": {"$in": list(UNFINISHED)}}
    oldest = await detections.find_one(unfinished, {"received_at": 1}, sort=[("received_at", 1)])
    return Figures(
        by_status=await _by_status(database, since),
        persons=await _distinct_persons(database, since),
        new_persons=await _new_persons(database, since),
        alerts_sent=await database["alerts"].count_documents(
            {"status": AlertStatus.SENT, **_from("sent_at", since)}
        ),
        queue=await detections.count_documents(unfinished),
        alerts_unsent=await database["alerts"].count_documents({"status": AlertStatus.PENDING}),
        oldest_unfinished_at=oldest["received_at"] if oldest else None,
    )


async def _by_status(database: Database, since: datetime | None) -> dict[DetectionStatus, int]:
    """Counted one by one: an index holds each status together."""
    received = _from("received_at", since)
    counts = {
        status: await database["detections"].count_documents({"status": status, **received})
        for status in DetectionStatus
    }
    return {status: count for status, count in counts.items() if count}


async def _distinct_persons(database: Database, since: datetime | None) -> int:
    somebody: Document = {"person_id": {"$gt": ""}, **_from("received_at", since)}
    rows = await database["detections"].aggregate(
        [{"$match": somebody}, {"$group": {"_id": "$person_id"}}, {"$count": "n"}]
    )
    found = await rows.to_list()
    return int(found[0]["n"]) if found else 0


async def _new_persons(database: Database, since: datetime | None) -> int:
    """Ever: by the identifiers, which are text; counting without a question reads all documents."""
    created = _from("created_at", since) or {"_id": {"$gt": ""}}
    return await database["persons"].count_documents(created)


def _from(name: str, since: datetime | None) -> Document:
    return {name: {"$gte": since}} if since else {}
