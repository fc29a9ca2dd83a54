"""The detection log, which is also the classifier's queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from usher.domain.errors import Conflict, NotFound
from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id
from usher.domain.records import UNFINISHED, Detection, DetectionStatus, Embedding, Track, Vector
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.database import Database
from usher.storage.documents import (
    Document,
    detection_from_document,
    plain,
    to_document,
    vector_from_bytes,
)
from usher.storage.leases import AT_ONCE, FREE, available_in
from usher.storage.paging import newest_first

MAX_ATTEMPTS = 5
_FIRST_BACKOFF_S = 1.0
_ALONE_FROM_ATTEMPTS = 2
"""A detection that was given up so often is tried alone: it may be what kills its workers."""
_CAPTURE = [("captured_at", 1), ("_id", 1)]
_BY_STATUS = [("status", 1), *_CAPTURE]
"""The index that gives what has a status in order of capture."""
_BY_TRACK = [("camera_id", 1), ("track_id", 1)]
_FINISHED = (DetectionStatus.CLASSIFIED, DetectionStatus.UNIDENTIFIABLE)
_FEW = 100
"""The detections of so many persons are looked up and sorted; of more, all are gone through."""
_BATCH = 2000
_OF_A_SIGHTING = dict.fromkeys(
    (
        "embedding.vector",
        "quality.acceptable",
        "quality.probability",
        "captured_at",
        "camera_id",
        "track_id",
        "person_id",
        "candidate_id",
        "confirmed",
        "not_persons",
    ),
    1,
)
_WITHOUT_VECTOR = {"embedding": 0}
_CLAIMABLE: Document = {"status": DetectionStatus.PENDING, **FREE}
_IN_THE_MAKING: Document = {
    "status": DetectionStatus.PENDING,
    "$or": [{"attempts": 0}, {"attempts": {"$lte": 2}, "claim_token": {"$ne": None}}],
}
"""Not tried yet, or in an attempt: the first, or the second where the first's worker has died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFilter:
    """What a list of detections is narrowed to; None leaves a field open.

    `acceptable` leaves those whose picture is, or is not, good enough to tell who it shows,
    `review` those that wait for a person's answer, `scope` those of its cameras.
    """

    camera_id: str | None = None
    person_id: str | None = None
    status: DetectionStatus | None = None
    acceptable: bool | None = None
    review: bool = False
    since: datetime | None = None
    until: datetime | None = None
    scope: Scope = EVERYTHING

    def query(self) -> Document:
        chosen = EVERYTHING if self.camera_id is None else Scope(frozenset({self.camera_id}))
        exact = {
            "person_id": self.person_id,
            "status": self.status,
            "quality.acceptable": self.acceptable,
        }
        query: Document = {name: value for name, value in exact.items() if value is not None}
        query |= (self.scope & chosen).query()
        if self.review:
            query["candidate_id"] = {"$type": "string"}
        bounds = {"$gte": self.since, "$lt": self.until}
        between = {name: value for name, value in bounds.items() if value is not None}
        return {**query, "captured_at": between} if between else query


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Described:
    """What was found out about a detection's face."""

    detection_id: str
    box: Box
    embedding: Embedding
    quality: FaceQuality


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sighting:
    """What consolidation needs of a finished detection.

    `vector` is float32 of the model's length, (128,) for dlib's network.
    """

    id: str
    vector: Vector
    acceptable: bool
    probability: float | None
    captured_at: datetime
    camera_id: str
    track_id: str | None
    person_id: str | None
    candidate_id: str | None
    confirmed: bool
    not_persons: tuple[str, ...]

    @property
    def track(self) -> Track | None:
        """As a detection's."""
        return None if self.track_id is None else (self.camera_id, self.track_id)


@dataclass(frozen=True, slots=True)
class Claim:
    """Detections that one worker holds, until its lease runs out."""

    token: str
    detections: tuple[Detection, ...]


class Detections:
    """Queries on the collection `detections`."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._detections = database["detections"]

    async def insert(self, detection: Detection) -> bool:
        """Add a detection; False where its device used the idempotency key before."""
        document = to_document(detection)
        try:
            await self._detections.insert_one(
                {**document, "available_at": AT_ONCE, "claim_token": None}
            )
        except DuplicateKeyError:
            return False
        return True

    async def by_idempotency_key(self, device_id: str, key: str) -> Detection | None:
        document = await self._detections.find_one(
            {"device_id": device_id, "idempotency_key": key}, _WITHOUT_VECTOR
        )
        return detection_from_document(document) if document else None

    async def get(self, detection_id: str, scope: Scope = EVERYTHING) -> Detection:
        """Raises NotFound where there is none of those cameras."""
        document = await self._detections.find_one({"_id": detection_id, **scope.query()})
        if document is None:
            raise NotFound(f"there is no detection {detection_id}")
        return detection_from_document(document)

    async def crop_of(self, detection_id: str, scope: Scope = EVERYTHING) -> str:
        """The key of its picture. Raises NotFound where there is no such detection in a scope."""
        query = {"_id": detection_id, **scope.query()}
        document = await self._detections.find_one(query, {"crop": 1})
        if document is None:
            raise NotFound(f"there is no detection {detection_id}")
        return str(document["crop"])

    async def page(
        self, selection: DetectionFilter, *, cursor: str | None, limit: int
    ) -> tuple[list[Detection], str | None]:
        """Without vectors: nobody who reads a list needs them."""
        documents, following = await newest_first(
            self._detections,
            selection.query(),
            by="captured_at",
            cursor=cursor,
            limit=limit,
            fields=_WITHOUT_VECTOR,
        )
        return [detection_from_document(document) for document in documents], following

    async def claim(self, *, limit: int, lease_s: float) -> Claim:
        """Take pending detections in order of capture; nobody else gets them for `lease_s`.

        The claim is empty where there is nothing to do. A detection whose workers have died in all
        of its attempts is set aside on the way: it may be what kills them.
        """
        token = new_id()
        while candidates := await self._candidates(limit):
            exhausted = [doc["_id"] for doc in candidates if doc["attempts"] >= MAX_ATTEMPTS]
            if exhausted:
                await self._set_aside_exhausted(exhausted)
                continue
            together = _to_go_together(candidates)
            if claimed := await self._take(together, token, lease_s):
                return Claim(token, claimed)
            # Another worker was quicker with all of them.
        return Claim(token, ())

    async def _candidates(self, limit: int) -> list[Document]:
        found = self._detections.find(_CLAIMABLE)
        return await found.sort([("captured_at", 1), ("_id", 1)]).limit(limit).to_list()

    async def _take(
        self, candidates: Sequence[Document], token: str, lease_s: float
    ) -> tuple[Detection, ...]:
        ids = [document["_id"] for document in candidates]
        result = await self._detections.update_many(
            {"_id": {"$in": ids}, **_CLAIMABLE},
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
        if result.matched_count == len(candidates):
            # All are ours: what a worker reads of them has not changed since.
            return tuple(
                detection_from_document({**document, "attempts": document["attempts"] + 1})
                for document in candidates
            )
        claimed = self._detections.find({"_id": {"$in": ids}, "claim_token": token})
        documents = await claimed.sort([("captured_at", 1), ("_id", 1)]).to_list()
        return tuple(detection_from_document(document) for document in documents)

    async def _set_aside_exhausted(self, ids: Sequence[str]) -> None:
        await self._detections.update_many(
            {"_id": {"$in": ids}, "attempts": {"$gte": MAX_ATTEMPTS}, **_CLAIMABLE},
            {
                "$set": {
                    "status": DetectionStatus.FAILED,
                    "claim_token": None,
                    "reason": f"the worker stopped in each of {MAX_ATTEMPTS} attempts",
                }
            },
        )

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

    async def finish_embedding(self, token: str, described: Sequence[Described]) -> int:
        """pending → embedded; how many were. Those whose claim was lost stay as they are."""
        updates = [
            UpdateOne(
                _held(item.detection_id, token),
                {
                    "$set": {
                        "status": DetectionStatus.EMBEDDED,
                        "claim_token": None,
                        "box": plain(item.box),
                        "embedding": plain(item.embedding),
                        "quality": plain(item.quality),
                        "reason": None,
                    }
                },
            )
            for item in described
        ]
        result = await self._detections.bulk_write(updates, ordered=False)
        return result.matched_count

    async def finish_without_face(self, detection_id: str, token: str, *, reason: str) -> bool:
        """pending → unidentifiable; False where the claim was lost."""
        result = await self._detections.update_one(
            _held(detection_id, token),
            {
                "$set": {
                    "status": DetectionStatus.UNIDENTIFIABLE,
                    "claim_token": None,
                    "reason": reason,
                }
            },
        )
        return result.matched_count == 1

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

    async def embed_again(self, detection_ids: Sequence[str]) -> None:
        """embedded → pending, for vectors that nothing here can be compared with."""
        await self._detections.update_many(
            {"_id": {"$in": list(detection_ids)}, "status": DetectionStatus.EMBEDDED},
            {
                "$set": {
                    "status": DetectionStatus.PENDING,
                    "attempts": 0,
                    "embedding": None,
                    "available_at": AT_ONCE,
                }
            },
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
        # One snapshot for both: nothing may pass from pending to embedded between them.
        async with self._client.start_session(snapshot=True) as session:
            first = await self._detections.find_one(
                _IN_THE_MAKING, {"captured_at": 1}, sort=[("captured_at", 1)], session=session
            )
            query: Document = {"status": DetectionStatus.EMBEDDED}
            if first is not None:
                query["captured_at"] = {"$lt": first["captured_at"]}
            found = self._detections.find(query, session=session)
            documents = await found.sort([("captured_at", 1), ("_id", 1)]).limit(limit).to_list()
        return [detection_from_document(document) for document in documents]

    async def of_ids(self, detection_ids: Sequence[str]) -> list[Detection]:
        """Those that exist, in order of capture."""
        found = self._detections.find({"_id": {"$in": list(detection_ids)}}).sort(_CAPTURE)
        return [detection_from_document(document) for document in await found.to_list()]

    def of_strangers(self, model: str, person_ids: Collection[str]) -> AsyncIterator[Sighting]:
        """Detections of those persons with a vector of that model, in order of capture.

        `People.strangers` tells who is a stranger.
        """
        theirs = {"person_id": {"$in": sorted(person_ids)}}
        by_capture = None if len(person_ids) <= _FEW else _BY_STATUS
        return self._sightings(model, DetectionStatus.CLASSIFIED, theirs, by_capture)

    def unidentifiable(self, model: str) -> AsyncIterator[Sighting]:
        """What is nobody's and has a vector of that model, in order of capture."""
        return self._sightings(model, DetectionStatus.UNIDENTIFIABLE, {}, _BY_STATUS)

    async def answered_tracks(self, model: str, person_ids: Collection[str]) -> set[Track]:
        """Tracks of which somebody has said that a shot shows one of those persons."""
        found = self._detections.find(
            {
                "person_id": {"$in": sorted(person_ids)},
                "confirmed": True,
                "track_id": {"$type": "string"},
                "embedding.model": model,
            },
            {"camera_id": 1, "track_id": 1},
        )
        return {(row["camera_id"], row["track_id"]) for row in await found.to_list()}

    async def shots_of(
        self, model: str, tracks: Collection[Track], *, limit: int
    ) -> dict[Track, list[Detection]]:
        """The finished shots of tracks with a vector of that model, in order of capture.

        Parameters
        ----------
        limit
            Of a track with more, so many are given: the best, and those that people have answered
            before all.
        """
        if not tracks:
            return {}
        cameras, names = (sorted(set(parts)) for parts in zip(*tracks, strict=True))
        best = {"confirmed": -1, "quality.probability": -1, **dict(_CAPTURE)}
        found = await self._detections.aggregate(
            [
                {
                    "$match": {
                        "camera_id": {"$in": cameras},
                        "track_id": {"$in": names},
                        "status": {"$in": list(_FINISHED)},
                        "embedding.model": model,
                    }
                },
                {
                    "$group": {
                        "_id": {"camera": "$camera_id", "track": "$track_id"},
                        "shots": {"$topN": {"n": limit, "sortBy": best, "output": "$$ROOT"}},
                    }
                },
            ],
            hint=dict(_BY_TRACK),
        )
        rows = {(row["_id"]["camera"], row["_id"]["track"]): row["shots"] async for row in found}
        # Cameras may use the same name for a track: what nobody asked for is left out.
        return {track: _in_order(rows[track]) for track in tracks if track in rows}

    async def _sightings(
        self,
        model: str,
        status: DetectionStatus,
        query: Document,
        index: list[tuple[str, int]] | None,
    ) -> AsyncIterator[Sighting]:
        """In batches: in memory there is one at a time."""
        found = self._detections.find(
            {"status": status, "embedding.model": model, **query}, _OF_A_SIGHTING, hint=index
        )
        async for document in found.sort(_CAPTURE).batch_size(_BATCH):
            yield _sighting(document)

    async def check_within(self, detection_ids: Sequence[str], scope: Scope) -> None:
        """Raises NotFound where one exists that is not of those cameras."""
        if scope.cameras is None:
            return
        beyond = {"_id": {"$in": list(detection_ids)}, "camera_id": {"$nin": sorted(scope.cameras)}}
        found = await self._detections.find_one(beyond, {"_id": 1})
        if found is not None:
            raise NotFound(f"there is no detection {found['_id']}")

    async def in_review(self, scope: Scope = EVERYTHING) -> int:
        """How many wait for a person to say whether they show their candidate."""
        waiting = {"candidate_id": {"$type": "string"}, **scope.query()}
        return await self._detections.count_documents(waiting)

    async def candidates_of(self, detection_ids: Sequence[str]) -> dict[str, str]:
        """Whom each of the detections probably shows, of those that wait for an answer to that."""
        query = {"_id": {"$in": list(detection_ids)}, "candidate_id": {"$type": "string"}}
        found = await self._detections.find(query, {"candidate_id": 1}).to_list()
        return {row["_id"]: row["candidate_id"] for row in found}

    async def waits_from_before(self, moment: datetime) -> bool:
        """Whether something that was captured before then is still to be classified."""
        query = {"status": {"$in": list(UNFINISHED)}, "captured_at": {"$lt": moment}}
        return await self._detections.find_one(query, {"_id": 1}) is not None

    async def unfinished(self) -> int:
        return await self._detections.count_documents({"status": {"$in": list(UNFINISHED)}})

    async def crops_in_use(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that some detection holds."""
        return set(await self._detections.distinct("crop", {"crop": {"$in": list(keys)}}))


def _in_order(documents: Sequence[Document]) -> list[Detection]:
    detections = map(detection_from_document, documents)
    return sorted(detections, key=lambda item: (item.captured_at, item.id))


def _sighting(document: Document) -> Sighting:
    quality = document.get("quality") or {}
    return Sighting(
        id=document["_id"],
        vector=vector_from_bytes(document["embedding"]["vector"]),
        acceptable=quality.get("acceptable", False),
        probability=quality.get("probability"),
        captured_at=document["captured_at"],
        camera_id=document["camera_id"],
        track_id=document.get("track_id"),
        person_id=document.get("person_id"),
        candidate_id=document.get("candidate_id"),
        confirmed=document.get("confirmed", False),
        not_persons=tuple(document.get("not_persons", ())),
    )


def _held(detection_id: str, token: str) -> Document:
    """Selects a detection while its claim is that of the token."""
    return {"_id": detection_id, "claim_token": token, "status": DetectionStatus.PENDING}


def _to_go_together(candidates: Sequence[Document]) -> Sequence[Document]:
    """The first candidates, up to one that has to go alone."""
    for index, candidate in enumerate(candidates):
        if candidate["attempts"] >= _ALONE_FROM_ATTEMPTS:
            return candidates[: max(index, 1)]
    return candidates
