"""Vectors of two models side by side, of every face and detection that has one.

`embedding` is what serves. `other_embedding` was made by the model that is prepared to take over,
or by the one that served before; one without a vector says in `reason` why there is none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymongo import UpdateOne

from usher.domain.geometry import Box
from usher.domain.records import DetectionStatus, Embedding, PersonKind, Vector
from usher.storage.database import Collection, Database
from usher.storage.documents import (
    Document,
    embedding_from_document,
    vector_bytes,
    vector_from_bytes,
)

_STEP = 1000
_FINISHED = (
    DetectionStatus.CLASSIFIED,
    DetectionStatus.UNIDENTIFIABLE,
    DetectionStatus.NOT_A_FACE,
)
_DESCRIBED: Mapping[str, Document] = {
    "detections": {"status": {"$in": list(_FINISHED)}, "embedding": {"$ne": None}},
    "faces": {},
}
"""What has a vector to keep. The classifier makes again those of what it has yet to assign."""

REFERENCES = "faces"
KINDS = tuple(_DESCRIBED)
"""In the order of their preparation: a face may take over its detection's vector."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undescribed:
    """A face or detection without a vector of some model.

    `box` is in pixels of the crop; None where nobody has kept it. `embedding` is the vector where
    its detection has one already.
    """

    id: str
    crop: str
    box: Box | None
    embedding: Embedding | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How many have a vector of some model: of `total`, `ready` have, `failed` cannot have one.

    `beside` of those that are ready have it beside another that serves.
    """

    total: int = 0
    ready: int = 0
    failed: int = 0
    beside: int = 0

    @property
    def missing(self) -> int:
        """How many nobody has tried yet."""
        return self.total - self.ready - self.failed


@dataclass(frozen=True, slots=True, eq=False)
class SideBySide:
    """References of known persons, described by two models.

    Attributes
    ----------
    person_ids
        Whose each is.
    vectors
        By model: float32, (N, D), in the order of `person_ids`.
    """

    person_ids: Sequence[str]
    vectors: Mapping[str, NDArray[np.float32]]


class Embeddings:
    """Queries on the vectors in `faces` and `detections`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def standing(self, kind: str, model: str) -> Standing:
        """How far a model is with a kind: one of `KINDS`."""
        serves = {"$eq": ["$embedding.model", model]}
        tried = {"$and": [{"$not": serves}, {"$eq": ["$other_embedding.model", model]}]}
        empty = {"$eq": [{"$ifNull": ["$other_embedding.vector", None]}, None]}
        beside, failed = {"$and": [tried, {"$not": empty}]}, {"$and": [tried, empty]}
        rows = await self._database[kind].aggregate(
            [
                {"$match": _DESCRIBED[kind]},
                {
                    "$group": {
                        "_id": None,
                        "total": {"$sum": 1},
                        "ready": {"$sum": {"$cond": [{"$or": [serves, beside]}, 1, 0]}},
                        "failed": {"$sum": {"$cond": [failed, 1, 0]}},
                        "beside": {"$sum": {"$cond": [beside, 1, 0]}},
                    }
                },
                {"$unset": "_id"},
            ]
        )
        found = await rows.to_list()
        return Standing(**found[0]) if found else Standing()

    async def undescribed(
        self, kind: str, model: str, *, batch: int
    ) -> AsyncIterator[list[Undescribed]]:
        """What has no vector of a model and has not been tried, in batches.

        What comes while this is read may be left out.
        """
        query = {
            **_DESCRIBED[kind],
            "embedding.model": {"$ne": model},
            "other_embedding.model": {"$ne": model},
        }
        fields = {"crop": 1, "box": 1, "detection_id": 1}
        async for page in _pages(self._database[kind], query, fields, batch):
            sources = await self._detections_of(page)
            yield [_undescribed(document, sources, model) for document in page]

    async def _detections_of(self, faces: Sequence[Document]) -> dict[str, Document]:
        ids = [face["detection_id"] for face in faces if face.get("detection_id")]
        if not ids:
            return {}
        found = self._database["detections"].find(
            {"_id": {"$in": ids}}, {"box": 1, "embedding": 1, "other_embedding": 1}
        )
        return {document["_id"]: document for document in await found.to_list()}

    async def put_beside(self, kind: str, model: str, outcomes: Mapping[str, Vector | str]) -> None:
        """Keep vectors of a model beside those that serve, by id; a string says why none is."""
        await self._database[kind].bulk_write(
            [
                UpdateOne({"_id": key}, {"$set": {"other_embedding": _beside(model, outcome)}})
                for key, outcome in outcomes.items()
            ],
            ordered=False,
        )

    async def forget_failures(self, model: str) -> None:
        """Let what could not be described be tried again."""
        for kind in KINDS:
            await self._database[kind].update_many(
                {"other_embedding.model": model, "other_embedding.vector": None},
                {"$unset": {"other_embedding": 1}},
            )

    async def failures(self, kind: str, model: str) -> dict[str, int]:
        """Why what cannot be described cannot: how many for each reason."""
        rows = await self._database[kind].aggregate(
            [
                {"$match": {"other_embedding.model": model, "other_embedding.vector": None}},
                {"$group": {"_id": "$other_embedding.reason", "n": {"$sum": 1}}},
                {"$sort": {"n": -1, "_id": 1}},
            ]
        )
        return {row["_id"]: row["n"] async for row in rows}

    async def let_serve(self, kind: str, model: str) -> int:
        """Exchange the vectors of all of a kind that have one of that model beside; how many had.

        It goes in steps. Broken off, it is done again and goes on from where it was.
        """
        query = {
            "embedding.model": {"$ne": model},
            "other_embedding.model": model,
            "other_embedding.vector": {"$ne": None},
        }
        fields = {"embedding": 1, "other_embedding": 1}
        exchanged = 0
        async for page in _pages(self._database[kind], query, fields, _STEP):
            exchanges = [_exchange(document, query) for document in page]
            result = await self._database[kind].bulk_write(exchanges, ordered=False)
            exchanged += result.modified_count
        return exchanged

    async def side_by_side(self, serving: str, other: str) -> SideBySide:
        """References of known persons that both models have described."""
        known = await self._database["persons"].distinct("_id", {"kind": PersonKind.KNOWN})
        found = self._database["faces"].find(
            {
                "person_id": {"$in": known},
                "embedding.model": serving,
                "other_embedding.model": other,
                "other_embedding.vector": {"$ne": None},
            },
            {"person_id": 1, "embedding.vector": 1, "other_embedding.vector": 1},
        )
        faces = await found.to_list()
        fields = {serving: "embedding", other: "other_embedding"}
        return SideBySide(
            [face["person_id"] for face in faces],
            {model: _stacked([face[field] for face in faces]) for model, field in fields.items()},
        )


async def _pages(
    collection: Collection, query: Document, fields: Document, size: int
) -> AsyncIterator[list[Document]]:
    """All that match, by id: each page may change what it holds without disturbing the next."""
    after = ""
    while True:
        found = collection.find({**query, "_id": {"$gt": after}}, fields).hint([("_id", 1)])
        page = await found.sort("_id", 1).limit(size).to_list()
        if not page:
            return
        yield page
        after = page[-1]["_id"]


def _exchange(document: Document, query: Document) -> UpdateOne:
    """Exchanges both vectors, by value: a pipeline's update is told as a document replaced."""
    exchanged = {"embedding": document["other_embedding"], "other_embedding": document["embedding"]}
    return UpdateOne({"_id": document["_id"], **query}, {"$set": exchanged})


def _undescribed(document: Document, sources: Mapping[str, Document], model: str) -> Undescribed:
    source = sources.get(document.get("detection_id") or "", {})
    box = document.get("box") or source.get("box")
    return Undescribed(
        id=document["_id"],
        crop=document["crop"],
        box=Box(*box) if box else None,
        embedding=_of_model(source, model),
    )


def _of_model(document: Document, model: str) -> Embedding | None:
    for field in ("embedding", "other_embedding"):
        found: Any = document.get(field)
        if found and found["model"] == model and found["vector"] is not None:
            return embedding_from_document(found)
    return None


def _beside(model: str, outcome: Vector | str) -> Document:
    if isinstance(outcome, str):
        return {"model": model, "vector": None, "reason": outcome}
    return {"model": model, "vector": vector_bytes(outcome)}


def _stacked(embeddings: Sequence[Document]) -> NDArray[np.float32]:
    if not embeddings:
        return np.empty((0, 0), np.float32)
    return np.stack([vector_from_bytes(embedding["vector"]) for embedding in embeddings])
