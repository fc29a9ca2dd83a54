"""The detection log, which is also the classifier's queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from usher.domain.errors import Conflict, NotFound
from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id
from usher.domain.records import UNFINISHED, Detection, DetectionStatus, Embedding
from usher.storage.database import Database
from usher.storage.documents import Document, detection_from_document, plain, to_document
from usher.storage.leases import FREE, available_in
from usher.storage.paging import newest_first

MAX_ATTEMPTS = 5
_FIRST_BACKOFF_S = 1.0
_ALONE_FROM_ATTEMPTS = 2
"""A detection that was given up so often is tried alone: it may be what kills its workers."""
_WITHOUT_VECTOR = {"embedding": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFilter:
    """What a list of detections is narrowed to; None leaves a field open."""

    camera_id: str | None = None
    person_id: str | None = None
    status: DetectionStatus | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> Document:
        exact = {"camera_id": self.camera_id, "person_id": self.person_id, "status": self.status}
        query: Document = {name: value for name, value in exact.items() if value is not None}
        bounds = {"$gte": self.since, "$lt": self.until}
        between = {name: value for name, value in bounds.items() if value is not None}
        return {**query, "captured_at": between} if between else query


@dataclass(frozen=True, slots=True)
class Claim:
    """Detections that one worker holds, until its lease runs out."""

    token: str
    detections: tuple[Detection, ...]


class Detections:
    """Queries on the collection `detections`."""

    def __init__(self, database: Database) -> None:
        self._detections = database["detections"]

    async def insert(self, detection: Detection) -> bool:
        """Add a detection; False where its device used the idempotency key before."""
        document = to_document(detection)
        try:
            await self._detections.insert_one(
                {**document, "available_at": detection.received_at, "claim_token": None}
            )
        except DuplicateKeyError:
            return False
        return True

    async def by_idempotency_key(self, device_id: str, key: str) -> Detection | None:
        document = await self._detections.find_one(
            {"device_id": device_id, "idempotency_key": key}, _WITHOUT_VECTOR
        )
        return detection_from_document(document) if document else None

    async def get(self, detection_id: str) -> Detection:
        """Raises NotFound where there is none."""
        document = await self._detections.find_one({"_id": detection_id})
        if document is None:
            raise NotFound(f"there is no detection {detection_id}")
        return detection_from_document(document)

    async def page(
        self, selection: DetectionFilter, *, cursor: str | None, limit: int
    ) -> tuple[list[Detection], str | None]:
        documents, following = await newest_first(
            self._detections, selection.query(), by="captured_at", cursor=cursor, limit=limit
        )
        return [detection_from_document(document) for document in documents], following

    async def claim(self, *, limit: int, lease_s: float) -> Claim:
        """Take pending detections in order of capture; nobody else gets them for `lease_s`."""
        await self._set_aside_exhausted()
        claimable = {"status": DetectionStatus.PENDING, **FREE}
        candidates = await (
            self._detections.find(claimable, {"attempts": 1})
            .sort([("captured_at", 1), ("_id", 1)])
            .limit(limit)
            .to_list()
        )
        token = new_id()
        if not candidates:
            return Claim(token, ())
        ids = [document["_id"] for document in _to_go_together(candidates)]
        await self._detections.update_many(
            {"_id": {"$in": ids}, **claimable},
            [
                {
                    "$set": {
                        "available_at": available_in(lease_s),
                        "claim_token": token,
                        "attempts": {"$add": ["$attempts", 1]},
                    }
                }
            ],
        )
        claimed = self._detections.find({"_id": {"$in": ids}, "claim_token": token})
        documents = await claimed.sort([("captured_at", 1), ("_id", 1)]).to_list()
        return Claim(token, tuple(detection_from_document(document) for document in documents))

    async def extend(self, claim: Claim, *, lease_s: float) -> None:
        """Keep what is still held of a claim for another `lease_s` seconds."""
        ids = [detection.id for detection in claim.detections]
        await self._detections.update_many(
            {"_id": {"$in": ids}, "claim_token": claim.token},
            [{"$set": {"available_at": available_in(lease_s)}}],
        )

    async def give_back(self, claim: Claim) -> None:
        """Let others have what is still held of a claim, as if it had not been taken."""
        ids = [detection.id for detection in claim.detections]
        await self._detections.update_many(
            {"_id": {"$in": ids}, "claim_token": claim.token},
            [
                {
                    "$set": {
                        "available_at": "$$NOW",
                        "claim_token": None,
                        "attempts": {"$subtract": ["$attempts", 1]},
                    }
                }
            ],
        )

    async def finish_embedding(
        self, detection_id: str, token: str, *, box: Box, embedding: Embedding, quality: FaceQuality
    ) -> bool:
        """pending → embedded; False where the claim was lost, and nothing is written."""
        return await self._settle(
            detection_id,
            token,
            {
                "status": DetectionStatus.EMBEDDED,
                "box": plain(box),
                "embedding": plain(embedding),
                "quality": plain(quality),
                "reason": None,
            },
        )

    async def finish_without_face(self, detection_id: str, token: str, *, reason: str) -> bool:
        """pending → unidentifiable; False where the claim was lost."""
        status = DetectionStatus.UNIDENTIFIABLE
        return await self._settle(detection_id, token, {"status": status, "reason": reason})

    async def fail(self, detection_id: str, token: str, *, reason: str) -> None:
        """Put a detection back with a growing pause, or set it aside after the last attempt."""
        pause_s = {"$multiply": [_FIRST_BACKOFF_S, {"$pow": [2, "$attempts"]}]}
        exhausted = {"$gte": ["$attempts", MAX_ATTEMPTS]}
        await self._detections.update_one(
            {"_id": detection_id, "claim_token": token},
            [
                {
                    "$set": {
                        "status": {
                            "$cond": [exhausted, DetectionStatus.FAILED, DetectionStatus.PENDING]
                        },
                        "available_at": available_in(pause_s),
                        "claim_token": None,
                        "reason": {"$literal": reason},
                    }
                }
            ],
        )

    async def set_aside(self, detection_id: str, *, reason: str) -> None:
        """embedded → failed, where nobody can be assigned for a reason that will not pass."""
        await self._detections.update_one(
            {"_id": detection_id, "status": DetectionStatus.EMBEDDED},
            {"$set": {"status": DetectionStatus.FAILED, "reason": reason}},
        )

    async def retry(self, detection_id: str) -> Detection:
        """failed → pending, with all attempts before it.

        Raises
        ------
        Conflict
            If it has not failed.
        """
        document = await self._detections.find_one_and_update(
            {"_id": detection_id, "status": DetectionStatus.FAILED},
            [
                {
                    "$set": {
                        "status": DetectionStatus.PENDING,
                        "attempts": 0,
                        "reason": None,
                        "available_at": "$$NOW",
                    }
                }
            ],
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            await self.get(detection_id)
            raise Conflict("only a detection that has failed can be tried again")
        return detection_from_document(document)

    async def assignable(self, *, limit: int) -> list[Detection]:
        """Embedded detections in order of capture, up to the first that is still in the making.

        Holding back what was captured after a detection that another worker is embedding makes
        the order, and so the people, independent of the number of workers. A detection that has
        failed once holds nobody back.
        """
        in_the_making = {"status": DetectionStatus.PENDING, "attempts": {"$lte": 1}}
        first = await self._detections.find_one(
            in_the_making, {"captured_at": 1}, sort=[("captured_at", 1)]
        )
        query: Document = {"status": DetectionStatus.EMBEDDED}
        if first is not None:
            query["captured_at"] = {"$lt": first["captured_at"]}
        found = self._detections.find(query).sort([("captured_at", 1), ("_id", 1)]).limit(limit)
        return [detection_from_document(document) for document in await found.to_list()]

    async def unfinished(self) -> int:
        return await self._detections.count_documents({"status": {"$in": list(UNFINISHED)}})

    async def crops_in_use(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that some detection holds."""
        return set(await self._detections.distinct("crop", {"crop": {"$in": list(keys)}}))

    async def _set_aside_exhausted(self) -> None:
        """A detection whose workers died every time is set aside: it may be what kills them."""
        await self._detections.update_many(
            {"status": DetectionStatus.PENDING, "attempts": {"$gte": MAX_ATTEMPTS}, **FREE},
            {
                "$set": {
                    "status": DetectionStatus.FAILED,
                    "claim_token": None,
                    "reason": f"the worker stopped in each of {MAX_ATTEMPTS} attempts",
                }
            },
        )

    async def _settle(self, detection_id: str, token: str, changes: Document) -> bool:
        result = await self._detections.update_one(
            {"_id": detection_id, "claim_token": token, "status": DetectionStatus.PENDING},
            {"$set": {**changes, "claim_token": None}},
        )
        return result.matched_count == 1


def _to_go_together(candidates: Sequence[Document]) -> Sequence[Document]:
    """The first candidates, up to one that has to go alone."""
    for index, candidate in enumerate(candidates):
        if candidate["attempts"] >= _ALONE_FROM_ATTEMPTS:
            return candidates[: max(index, 1)]
    return candidates
