"""Detections that wait for a classifier, and what must be true of what it makes of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.services.classifier.pictures import BOX
from usher.domain.identifiers import new_id
from usher.domain.records import Detection, DetectionStatus
from usher.storage.crops import CropStore
from usher.storage.database import Database
from usher.storage.detections import Detections
from usher.storage.documents import Document, to_document
from usher.storage.leases import AT_ONCE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
APART_S = 0.5


class Backlog:
    """The detections of one database.

    Parameters
    ----------
    data
        The data directory, as the classifier's `--data`.
    """

    def __init__(self, database: Database, data: Path) -> None:
        self.database = database
        self.data = data
        self.crops = CropStore(data / "crops")
        self.detections = Detections(database)
        self._count = 0

    def new(self, jpeg: bytes | None, **fields: Any) -> Detection:
        """A detection half a second after the one before, not stored yet; without a picture for
        None."""
        self._count += 1
        given = {
            "id": new_id(),
            "camera_id": "door",
            "device_id": "device",
            "idempotency_key": new_id(),
            "content_sha256": "0" * 64,
            "captured_at": NOON + timedelta(seconds=APART_S * self._count),
            "received_at": NOON,
            "crop": new_id() if jpeg is None else self.crops.put(jpeg),
            "box": BOX,
        }
        return Detection(**{**given, **fields})

    async def add(self, *given: Detection) -> list[str]:
        await self.database["detections"].insert_many(
            {**to_document(item), "available_at": AT_ONCE, "claim_token": None} for item in given
        )
        return [item.id for item in given]

    async def fill(self, pictures: Sequence[bytes], count: int) -> list[str]:
        """So many detections that show the pictures in turn."""
        keys = [self.crops.put(jpeg) for jpeg in pictures]
        return await self.add(
            *(self.new(None, crop=keys[number % len(keys)]) for number in range(count))
        )

    async def all(self, collection: str = "detections", **query: Any) -> list[Document]:
        return await self.database[collection].find(query, {"embedding": 0}).to_list()

    async def everything(self) -> dict[str, list[Document]]:
        names = ("detections", "persons", "faces", "visits", "alerts")
        return {name: await self.database[name].find().sort("_id").to_list() for name in names}

    async def partition(self) -> set[frozenset[int]]:
        """Who belongs together, by place in the order of capture."""
        groups: dict[str, set[int]] = {}
        found = sorted(await self.all(), key=lambda row: row["captured_at"])
        for place, row in enumerate(found):
            groups.setdefault(row["person_id"], set()).add(place)
        return {frozenset(group) for group in groups.values()}

    async def until_done(self, *, within_s: float) -> float:
        """Wait until nothing is unfinished; the seconds that it took."""
        begun = time.monotonic()
        while unfinished := await self.detections.unfinished():
            assert time.monotonic() - begun < within_s, f"{unfinished} are unfinished"
            await asyncio.sleep(0.05)
        return time.monotonic() - begun

    async def assert_each_counted_once(self, count: int) -> None:
        """Every detection is classified, and stands in its person, visit and alert once."""
        detections = await self.all()
        assert Counter(row["status"] for row in detections) == {DetectionStatus.CLASSIFIED: count}
        counted = Counter(row["visit_id"] for row in detections)
        visits = {row["_id"]: row["detections"] for row in await self.all("visits")}
        assert visits == counted
        alerts = [row["visit_id"] for row in await self.all("alerts")]
        assert sorted(alerts) == sorted(visits)
        persons = {row["_id"] for row in await self.all("persons")}
        assert persons == {row["person_id"] for row in detections}
        references = [row["detection_id"] for row in await self.all("faces")]
        assert len(references) == len(set(references))
