"""Cameras."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from usher.domain.errors import NotFound
from usher.domain.records import Camera
from usher.storage.database import Database
from usher.storage.documents import camera_from_document


class Cameras:
    """Queries on the collection `cameras`."""

    def __init__(self, database: Database) -> None:
        self._cameras = database["cameras"]

    async def saw(self, camera_id: str, moment: datetime) -> None:
        """Note that a camera saw somebody then; one that is new becomes known."""
        await self._cameras.update_one(
            {"_id": camera_id},
            {
                "$max": {"last_seen_at": moment},
                "$setOnInsert": {"name": camera_id, "managers": []},
            },
            upsert=True,
        )

    async def all(self) -> list[Camera]:
        documents = await self._cameras.find().sort("_id", 1).to_list()
        return [camera_from_document(document) for document in documents]

    async def of_ids(self, camera_ids: Sequence[str]) -> dict[str, Camera]:
        """The cameras of those ids that exist, by id."""
        found = await self._cameras.find({"_id": {"$in": list(camera_ids)}}).to_list()
        return {document["_id"]: camera_from_document(document) for document in found}

    async def update(self, camera_id: str, changes: dict[str, Any]) -> Camera:
        """Raises NotFound where there is none."""
        document = await self._cameras.find_one_and_update(
            {"_id": camera_id}, {"$set": changes}, return_document=ReturnDocument.AFTER
        )
        if document is None:
            raise NotFound(f"there is no camera {camera_id}")
        return camera_from_document(document)
