"""What is older than it is to be kept: found, counted, and removed in steps.

Strangers who were not seen for so long go as whole persons (`Registry.delete_person`). Of everybody
else the old detections go, with the visits and alerts of that time; what somebody is recognised by
stays, with its picture.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from usher.domain.records import DetectionStatus, PersonKind
from usher.storage.database import Database
from usher.storage.documents import Document

_STEP = 1000
_NOBODYS = (DetectionStatus.UNIDENTIFIABLE, DetectionStatus.NOT_A_FACE, DetectionStatus.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutoffs:
    """What was captured before is not kept: of strangers and nobody, and of the others.

    None: it is kept until somebody deletes it.
    """

    strangers: datetime | None
    known: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """How much is not to be kept: whole strangers, and detections, theirs among them."""

    strangers: int
    detections: int


class Retention:
    """Queries on what is old."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._detections = database["detections"]
        self._persons = database["persons"]

    async def due(self, cutoffs: Cutoffs) -> Due:
        """Count what `strangers` and `remove_old` would remove now."""
        strangers = len(await self.strangers(cutoffs.strangers)) if cutoffs.strangers else 0
        counts = [
            await self._detections.count_documents(query) async for query in self._queries(cutoffs)
        ]
        return Due(strangers=strangers, detections=sum(counts))

    async def strangers(self, before: datetime) -> list[str]:
        """The ids of the strangers whom no camera has seen since."""
        unknown = {"kind": PersonKind.UNKNOWN, "created_at": {"$lt": before}}
        ids = await self._persons.distinct("_id", unknown)
        gone: list[str] = []
        for some in _batches(ids):
            seen_since = {"person_id": {"$in": some}, "captured_at": {"$gte": before}}
            still = set(await self._detections.distinct("person_id", seen_since))
            gone += [one for one in some if one not in still]
        return gone

    async def is_gone(self, person_id: str, before: datetime) -> bool:
        """Whether somebody still is a stranger whom no camera has seen since: many may have gone
        since they were listed, and this one may have been named or come back meanwhile."""
        unknown = {"_id": person_id, "kind": PersonKind.UNKNOWN}
        if await self._persons.find_one(unknown, {"_id": 1}) is None:
            return False
        seen_since = {"person_id": person_id, "captured_at": {"$gte": before}}
        return await self._detections.find_one(seen_since, {"_id": 1}) is None

    async def remove_old(self, cutoffs: Cutoffs) -> AsyncIterator[list[str]]:
        """Remove old detections, a step at a time; the crops that they held, of each step."""
        async for query in self._queries(cutoffs):
            while step := await self._detections.find(query, {"crop": 1}).limit(_STEP).to_list():
                await self._remove([document["_id"] for document in step])
                yield [document["crop"] for document in step]
        await self._forget_visits(cutoffs)

    async def _queries(self, cutoffs: Cutoffs) -> AsyncIterator[Document]:
        """What finds the old detections, each by an index."""
        if cutoffs.strangers:
            old = {"captured_at": {"$lt": cutoffs.strangers}}
            yield {"status": {"$in": list(_NOBODYS)}, "person_id": None, **old}
        async for ids, before in self._people(cutoffs):
            yield {"person_id": {"$in": ids}, "captured_at": {"$lt": before}}

    async def _people(self, cutoffs: Cutoffs) -> AsyncIterator[tuple[Sequence[str], datetime]]:
        for before, kinds in (
            (cutoffs.strangers, (PersonKind.UNKNOWN,)),
            (cutoffs.known, (PersonKind.KNOWN, PersonKind.IGNORED)),
        ):
            if before is not None:
                ids = await self._persons.distinct("_id", {"kind": {"$in": list(kinds)}})
                for some in _batches(ids):
                    yield some, before

    async def _remove(self, ids: Sequence[str]) -> None:
        these = {"$in": list(ids)}
        await self._database["before_images"].delete_many({"document_id": these})
        await self._database["faces"].update_many(
            {"detection_id": these}, {"$set": {"detection_id": None}}
        )
        await self._detections.delete_many({"_id": these})

    async def _forget_visits(self, cutoffs: Cutoffs) -> None:
        async for ids, before in self._people(cutoffs):
            theirs = {"person_id": {"$in": ids}}
            await self._database["visits"].delete_many({**theirs, "last_at": {"$lt": before}})
            await self._database["alerts"].delete_many({**theirs, "captured_at": {"$lt": before}})


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _STEP] for start in range(0, len(ids), _STEP))
