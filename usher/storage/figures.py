"""Counts for statistics and metrics."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass
from datetime import datetime

from usher.domain.records import UNFINISHED, AlertStatus, DetectionStatus
from usher.storage.database import Database
from usher.storage.documents import Document

_UNFINISHED: Document = {"status": {"$in": list(UNFINISHED)}}


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
    sent = {"status": AlertStatus.SENT, **_from("sent_at", since)}
    by_status, persons, new_persons, alerts_sent = await gather(
        _by_status(database, since),
        _distinct_persons(database, since),
        _new_persons(database, since),
        database["alerts"].count_documents(sent),
    )
    queue, alerts_unsent, oldest = await gather(
        database["detections"].count_documents(_UNFINISHED),
        database["alerts"].count_documents({"status": AlertStatus.PENDING}),
        _oldest_unfinished_at(database),
    )
    return Figures(
        by_status=by_status,
        persons=persons,
        new_persons=new_persons,
        alerts_sent=alerts_sent,
        queue=queue,
        alerts_unsent=alerts_unsent,
        oldest_unfinished_at=oldest,
    )


async def _by_status(database: Database, since: datetime | None) -> dict[DetectionStatus, int]:
    """Counted one by one: an index holds each status together."""
    detections, received = database["detections"], _from("received_at", since)
    counts = await gather(
        *(detections.count_documents({"status": one, **received}) for one in DetectionStatus)
    )
    return {one: count for one, count in zip(DetectionStatus, counts, strict=True) if count}


async def _oldest_unfinished_at(database: Database) -> datetime | None:
    oldest = await database["detections"].find_one(
        _UNFINISHED, {"received_at": 1}, sort=[("received_at", 1)]
    )
    return oldest["received_at"] if oldest else None


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
