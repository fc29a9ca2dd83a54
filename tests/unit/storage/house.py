"""A place with a classifier and people who correct it, over a real database."""

from __future__ import annotations

from typing import Any

from tests.unit.storage.making import embedded
from usher.domain.records import Detection
from usher.storage.corrections import Corrections
from usher.storage.database import Database
from usher.storage.detections import Detections
from usher.storage.documents import Document
from usher.storage.history import History
from usher.storage.identity import Assignment, Identity
from usher.storage.leases import ASSIGN, Lease, Leases
from usher.storage.people import People
from usher.storage.references import References
from usher.storage.registry import Registry

GAP_S = 60.0
WRITTEN = ("detections", "persons", "faces", "visits", "alerts", "settings")


class House:
    """A database with a classifier at work, and what there is to look at."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.identity = Identity(database, visit_gap_s=GAP_S)
        self.registry = Registry(database)
        self.corrections = Corrections(database, visit_gap_s=GAP_S)
        self.history = History(database, visit_gap_s=GAP_S)
        self.detections = Detections(database)
        self.people = People(database)
        self.references = References(database)

    async def lease(self, owner: str = "worker") -> Lease:
        lease = await Leases(self.database).acquire(ASSIGN, owner, lease_s=30)
        assert lease is not None
        return lease

    async def commit(self, *assignments: Assignment, version: int | None = None) -> int:
        """Insert the detections that are new, and commit."""
        for assignment in assignments:
            await self.detections.insert(assignment.detection)
        return await self.identity.commit(
            assignments,
            lease=await self.lease(),
            lease_s=30,
            version=await self.identity.version() if version is None else version,
        )

    async def saw(self, person_id: str, second: float, **fields: Any) -> Detection:
        """A detection of somebody who is there already."""
        item = embedded(second, **fields)
        await self.commit(Assignment(detection=item, person_id=person_id))
        return await self.detections.get(item.id)

    async def stranger(self, person_id: str, second: float = 0, **fields: Any) -> Detection:
        """A detection that founds a stranger."""
        item = embedded(second, **fields)
        await self.commit(founding(item, person_id))
        return await self.detections.get(item.id)

    async def all(self, collection: str, **query: Any) -> list[Document]:
        return await self.database[collection].find(query).sort("_id").to_list()

    async def everything(self) -> dict[str, list[Document]]:
        return {name: await self.all(name) for name in WRITTEN}


def founding(item: Detection, person_id: str) -> Assignment:
    return Assignment(detection=item, person_id=person_id, founds=True, reference=True)
