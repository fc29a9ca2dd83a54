"""Cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from pymongo import ReturnDocument

from usher.domain.errors import NotFound
from usher.domain.records import Camera, CameraRates, CameraState, SpoolBooks
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.database import Database
from usher.storage.documents import Document, camera_from_document, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a device says of one of its cameras. `width` and `height` are of its frames, in pixels.

    `has_frame` says that a picture came along, which is in the frame store.
    """

    device_id: str
    reported_at: datetime
    state: CameraState
    state_since: datetime
    reason: str | None = None
    rates: CameraRates | None = None
    spool: SpoolBooks | None = None
    width: int | None = None
    height: int | None = None
    has_frame: bool = False
    regions_taken: str | None = None


class Cameras:
    """Queries on the collection `cameras`."""

    def __init__(self, database: Database) -> None:
        self._cameras = database["cameras"]

    async def saw(self, camera_id: str, moment: datetime) -> None:
        """Note that a camera saw somebody then; one that is new becomes known."""
        await self._note(camera_id, {"$max": {"last_seen_at": moment}})

    async def report(self, camera_id: str, report: Report) -> Camera:
        """Note what a device says of a camera; one that is new becomes known."""
        said = {item.name: plain(getattr(report, item.name)) for item in fields(report)}
        if said.pop("has_frame"):
            said["frame_at"] = report.reported_at
        return await self._note(camera_id, {"$set": said})

    async def _note(self, camera_id: str, update: Document) -> Camera:
        new = {"name": camera_id, "managers": []}
        document = await self._cameras.find_one_and_update(
            {"_id": camera_id},
            {**update, "$setOnInsert": new},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return camera_from_document(document or {"_id": camera_id, **new})

    async def all(self, scope: Scope = EVERYTHING) -> list[Camera]:
        """The cameras of a scope that are known."""
        documents = await self._cameras.find(scope.query("_id")).sort("_id", 1).to_list()
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

    async def forget_frames_before(self, moment: datetime) -> None:
        """Forget that there are frames that came before then."""
        await self._cameras.update_many({"frame_at": {"$lt": moment}}, {"$unset": {"frame_at": ""}})

    async def delete(self, camera_id: str) -> None:
        """Raises NotFound where there is none."""
        result = await self._cameras.delete_one({"_id": camera_id})
        if not result.deleted_count:
            raise NotFound(f"there is no camera {camera_id}")
