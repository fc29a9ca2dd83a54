"""A place with a classifier and people who correct it, over a real database."""

from __future__ import annotations

from typing import Any

from tests.unit.storage.making import embedded, person
from usher.domain.records import Detection, IdentityChange, PersonKind
from usher.storage.assignments import Assignment
from usher.storage.corrections import Corrections
from usher.storage.database import Database, in_transaction
from usher.storage.detections import Detections
from usher.storage.distinctions import distinguish
from usher.storage.documents import Document
from usher.storage.history import History
from usher.storage.identity import Identity
from usher.storage.leases import ASSIGN, Lease, Leases
from usher.storage.people import People
from usher.storage.references import References
from usher.storage.registry import Registry

GAP_S = 60.0
BOSS = "u-boss"
"""The id of an account."""
WRITTEN = (
    "detections",
    "persons",
    "faces",
    "visits",
    "alerts",
    "settings",
    "identity_changes",
    "before_images",
    "gallery_changes",
)


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

    async def commit(
        self, *assignments: Assignment, version: int | None = None, **more: Any
    ) -> int:
        """Insert the detections that are new, and commit."""
        for assignment in assignments:
            await self.detections.insert(assignment.detection)
        return await self.identity.commit(
            assignments,
            lease=await self.lease(),
            lease_s=30,
            version=await self.identity.version() if version is None else version,
            **more,
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

    async def known(self, name: str) -> str:
        """The id of somebody named, which is the name in lower case."""
        person_id = name.lower().replace(" ", "-")
        await self.registry.create_person(person(person_id, PersonKind.KNOWN, name=name))
        return person_id

    async def left_over(self, second: float = 0, **fields: Any) -> Detection:
        """A detection that could not be identified."""
        candidate_id = fields.pop("candidate_id", None)
        item = embedded(second, **fields)
        await self.commit(Assignment(detection=item, person_id=None, candidate_id=candidate_id))
        return await self.detections.get(item.id)

    async def redecide(self, *assignments: Assignment) -> int:
        return await self.identity.redecide(
            assignments,
            lease=await self.lease(),
            lease_s=30,
            version=await self.identity.version(),
        )

    async def merge_strangers(self, into: str, *others: str) -> int:
        return await self.identity.merge_strangers(
            into,
            others,
            lease=await self.lease(),
            lease_s=30,
            version=await self.identity.version(),
        )

    async def ask(self, candidate_id: str, *detection_ids: str) -> None:
        """Let detections wait for a person's answer."""
        await self.database["detections"].update_many(
            {"_id": {"$in": list(detection_ids)}}, {"$set": {"candidate_id": candidate_id}}
        )

    async def told_apart(self, *pairs: tuple[str, str]) -> None:
        """Somebody has said that the two of each pair are others."""
        await in_transaction(
            self.database, lambda session: distinguish(self.database, pairs, session)
        )

    async def changes(self, person_id: str | None = None) -> list[IdentityChange]:
        """The history, the newest first."""
        found, _ = await self.history.page(person_id=person_id, cursor=None, limit=200)
        return found

    async def undo_last(self) -> IdentityChange:
        """Take the newest change back that is not."""
        change = next(item for item in await self.changes() if item.undone_at is None)
        return await self.history.undo(change.id, actor=BOSS)

    async def who_is_who(self) -> dict[str, Any]:
        """All that a change of identities can change, but for the ids of visits."""
        detections = await self.all("detections")
        company: dict[str, set[str]] = {}
        for row in detections:
            company.setdefault(row["visit_id"], set()).add(row["_id"])
        visits = {row["_id"]: row for row in await self.all("visits")}
        assert {id_: row["detections"] for id_, row in visits.items()} == {
            id_: len(members) for id_, members in company.items() if id_ is not None
        }
        return {
            "detections": [_without(row, "visit_id", "claim_token") for row in detections],
            "persons": [_without(row, "touched") for row in await self.all("persons")],
            "faces": await self.all("faces"),
            "visits": sorted(
                (sorted(company[id_]), *(row[name] for name in _OF_A_VISIT))
                for id_, row in visits.items()
            ),
            "alerts": [_without(row, "visit_id") for row in await self.all("alerts")],
        }

    async def all(self, collection: str, **query: Any) -> list[Document]:
        return await self.database[collection].find(query).sort("_id").to_list()

    async def everything(self) -> dict[str, list[Document]]:
        return {name: await self.all(name) for name in WRITTEN}


def founding(item: Detection, person_id: str) -> Assignment:
    return Assignment(detection=item, person_id=person_id, founds=True, reference=True)


_OF_A_VISIT = ("person_id", "camera_id", "started_at", "last_at")


def _without(row: Document, *names: str) -> Document:
    kept = {name: value for name, value in row.items() if name not in names}
    for name in ("distinct_from", "not_persons"):
        if name in kept:
            kept[name] = sorted(kept[name])
    return kept
