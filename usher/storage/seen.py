"""Every detection that has a vector, for those who search among them in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import bson
from bson.codec_options import CodecOptions

from usher.domain.records import DetectionStatus, Vector
from usher.storage.database import Database
from usher.storage.documents import Document, vector_from_bytes

_BATCH = 5000
_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)
_FIELDS = {"embedding.vector": 1, "camera_id": 1, "captured_at": 1}
_BY_ARRIVAL = [("received_at", -1)]
_WAITING: Document = {
    "status": {"$in": [DetectionStatus.PENDING, DetectionStatus.FAILED]},
    "embedding": None,
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What a search needs of a detection; `vector` is float32, (128,) for dlib's network."""

    id: str
    vector: Vector
    camera_id: str
    captured_at: datetime


class SeenLog:
    """Queries on the vectors of the detection log."""

    def __init__(self, database: Database) -> None:
        self._detections = database["detections"]
        self._persons = database["persons"]

    async def newest(self, model: str, *, limit: int) -> AsyncIterator[list[Seen]]:
        """The detections with a vector of a model, the last to arrive first, in batches."""
        found = self._detections.find_raw_batches(
            {"embedding.model": model}, _FIELDS, sort=_BY_ARRIVAL, limit=limit, batch_size=_BATCH
        )
        async for batch in found:
            # PyMongo calls a batch a document, and gives the bytes of many.
            yield await asyncio.to_thread(_all_seen, cast(bytes, batch))

    async def arrived_since(self, moment: datetime) -> set[str]:
        """The ids of the detections that have arrived since."""
        found = self._detections.find({"received_at": {"$gte": moment}}, {"_id": 1})
        return {document["_id"] for document in await found.to_list()}

    async def waiting(self) -> set[str]:
        """The ids of those that may get a vector yet: they wait, or may be tried again."""
        found = self._detections.find(_WAITING, {"_id": 1})
        return {document["_id"] for document in await found.to_list()}

    async def of_ids(
        self, model: str, detection_ids: Collection[str]
    ) -> tuple[list[Seen], set[str]]:
        """Those of them that have a vector of the model by now, and those that may get one yet."""
        if not detection_ids:
            return [], set()
        these = {"_id": {"$in": sorted(detection_ids)}}
        found = self._detections.find({**these, "embedding.model": model}, _FIELDS)
        seen = [_seen(document) for document in await found.to_list()]
        rest = self._detections.find({**these, **_WAITING}, {"_id": 1})
        return seen, {document["_id"] for document in await rest.to_list()}

    async def present(self, detection_ids: Sequence[str]) -> set[str]:
        """Those of the ids that there still are."""
        found = self._detections.find({"_id": {"$in": list(detection_ids)}}, {"_id": 1})
        return {document["_id"] for document in await found.to_list()}

    async def statuses(self, detection_ids: Sequence[str]) -> dict[str, DetectionStatus]:
        """What has become of those of the ids that there still are."""
        found = self._detections.find({"_id": {"$in": list(detection_ids)}}, {"status": 1})
        return {
            document["_id"]: DetectionStatus(document["status"])
            for document in await found.to_list()
        }

    async def people(self) -> int:
        """About how many people there are, strangers among them."""
        return await self._persons.estimated_document_count()


def _all_seen(batch: bytes) -> list[Seen]:
    return [_seen(document) for document in bson.decode_all(batch, _AWARE)]


def _seen(document: Document) -> Seen:
    return Seen(
        id=document["_id"],
        vector=vector_from_bytes(document["embedding"]["vector"]),
        camera_id=document["camera_id"],
        captured_at=document["captured_at"],
    )
