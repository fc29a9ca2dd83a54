"""Counts for statistics and metrics."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass
from datetime import datetime

from usher.domain.records import UNFINISHED, AlertStatus, DetectionStatus
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.database import Database
from usher.storage.documents import Document

_UNFINISHED: Document = {"status": {"$in": list(UNFINISHED)}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """What waits now."""

    queue: int
    alerts_unsent: int
    oldest_unfinished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts since a moment."""

    by_status: dict[DetectionStatus, int]
    persons: int
    new_persons: int
    alerts_sent: int


async def figures(
    database: Database, *, since: datetime | None, scope: Scope = EVERYTHING
) -> Figures:
    """Count detections received, people seen and alerts sent since a moment, or ever.

    Of a scope that is not everything, new persons are those whom its cameras have seen.
    """
    theirs = scope.query()
    received = {**_from("received_at", since), **theirs}
    sent = {"status": AlertStatus.SENT, **_from("sent_at", since), **theirs}
    statuses, persons, new_persons, alerts_sent = await gather(
        by_status(database, received),
        _distinct_persons(database, received),
        _new_persons(database, since, scope),
        database["alerts"].count_documents(sent),
    )
    return Figures(
        by_status=statuses, persons=persons, new_persons=new_persons, alerts_sent=alerts_sent
    )


async def queues(database: Database, *, scope: Scope = EVERYTHING) -> Queues:
    """Count what waits to be identified and to be told."""
    theirs = scope.query()
    unfinished = {**_UNFINISHED, **theirs}
    queue, alerts_unsent, oldest = await gather(
        database["detections"].count_documents(unfinished),
        database["alerts"].count_documents({"status": AlertStatus.PENDING, **theirs}),
        _oldest_at(database, unfinished),
    )
    return Queues(queue=queue, alerts_unsent=alerts_unsent, oldest_unfinished_at=oldest)


async def by_status(database: Database, received: Document) -> dict[DetectionStatus, int]:
    """How many detections of a query there are of each status."""
    # Counted one by one: an index holds each status together.
    detections = database["detections"]
    counts = await gather(
        *(detections.count_documents({"status": one, **received}) for one in DetectionStatus)
    )
    return {one: count for one, count in zip(DetectionStatus, counts, strict=True) if count}


async def _oldest_at(database: Database, unfinished: Document) -> datetime | None:
    oldest = await database["detections"].find_one(
        unfinished, {"received_at": 1}, sort=[("received_at", 1)]
    )
    return oldest["received_at"] if oldest else None


async def _distinct_persons(database: Database, received: Document) -> int:
    return await _counted(database, _seen_persons(received))


async def _new_persons(database: Database, since: datetime | None, scope: Scope) -> int:
    """Ever: by the identifiers, which are text; counting without a question reads all documents."""
    created = _from("created_at", since) or {"_id": {"$gt": ""}}
    if scope.cameras is None:
        return await database["persons"].count_documents(created)
    new: Document = {
        "from": "persons",
        "localField": "_id",
        "foreignField": "_id",
        "pipeline": [{"$match": created}, {"$project": {"_id": 1}}],
        "as": "new",
    }
    seen = _seen_persons({**_from("received_at", since), **scope.query()})
    return await _counted(database, [*seen, {"$lookup": new}, {"$match": {"new": {"$ne": []}}}])


def _seen_persons(received: Document) -> list[Document]:
    """The stages over detections that give each person once."""
    return [{"$match": {"person_id": {"$gt": ""}, **received}}, {"$group": {"_id": "$person_id"}}]


async def _counted(database: Database, stages: list[Document]) -> int:
    rows = await database["detections"].aggregate([*stages, {"$count": "n"}])
    found = await rows.to_list()
    return int(found[0]["n"]) if found else 0


def _from(name: str, since: datetime | None) -> Document:
    return {name: {"$gte": since}} if since else {}
