"""Who is who, as the classifier decides it: under its lease, against one version of the gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from usher.domain.errors import LeaseLost, NotFound
from usher.domain.records import Confidence, Detection, DetectionStatus, Person, PersonKind
from usher.storage.database import Database, Session, transact
from usher.storage.distinctions import distinguish, pairs_with
from usher.storage.documents import (
    Document,
    detection_from_document,
    to_document,
)
from usher.storage.leases import Lease, Leases
from usher.storage.references import reference_of
from usher.storage.versions import gallery_version, raise_version
from usher.storage.visits import Arrival, Visits

_CHANGED_MEANWHILE = "a detection has changed meanwhile: decide again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What the classifier decided about one detection.

    Attributes
    ----------
    person_id
        Whose it is; None where it cannot be identified.
    founds
        Makes the person: a new stranger.
    reference
        Keeps the face as one of theirs. A reference that comes from a detection has its id.
    candidate_id
        Somebody known whom the detection probably shows, for a person to say.
    companions
        Earlier unidentifiable detections of the same track, which become the person's with it: of
        the same visit, and as references where `reference` says so.
    drops
        References that go because the person has enough.
    reason
        Why it is nobody's, in words.
    """

    detection: Detection
    person_id: str | None
    confidence: Confidence | None = None
    founds: bool = False
    reference: bool = False
    candidate_id: str | None = None
    companions: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Settled:
    """An assignment that makes somebody's, with what the database holds of its companions."""

    assignment: Assignment
    person_id: str
    detections: tuple[Detection, ...]

    @property
    def not_persons(self) -> set[str]:
        return set(chain.from_iterable(item.not_persons for item in self.detections))


class Identity:
    """What the classifier changes, each change in one transaction.

    Parameters
    ----------
    visit_gap_s
        Quiet seconds that end a visit.
    """

    def __init__(self, database: Database, *, visit_gap_s: float) -> None:
        self._database = database
        self._persons = database["persons"]
        self._faces = database["faces"]
        self._detections = database["detections"]
        self._leases = Leases(database)
        self._visits = Visits(database, gap_s=visit_gap_s)

    async def version(self) -> int:
        """The gallery's version now."""
        return await gallery_version(self._database)

    async def commit(
        self, assignments: Sequence[Assignment], *, lease: Lease, lease_s: float, version: int
    ) -> int:
        """Write decisions, their persons, visits and alert intents: all or nothing.

        Returns
        -------
        int
            The gallery's new version.

        Raises
        ------
        LeaseLost
            If the lease has changed hands, the gallery has another version than the decisions were
            made against, a detection or a companion is no longer as it was, or a new person's id is
            taken. Nothing is written.
        """

        async def work(session: Session) -> int:
            await self._leases.hold(lease, lease_s=lease_s, session=session)
            return await self._commit(assignments, version, session)

        async with self._database.client.start_session() as session:
            await self._leases.bind(lease, session)
            return await transact(session, work)

    async def _commit(
        self, assignments: Sequence[Assignment], version: int, session: Session
    ) -> int:
        settled = await self._settled(assignments, session)
        touched = set(chain.from_iterable(_touched(item) for item in settled))
        following = await raise_version(self._database, session, persons=touched, expected=version)
        strangers = await self._strangers(settled, session)
        visit_ids = await self._visits.join(
            [Arrival(item.person_id, item.detections) for item in settled],
            session,
            alert_of=strangers,
        )
        await self._change_references(settled, session)
        apart = (
            pairs_with(s.person_id, s.not_persons) for s in settled if s.person_id in strangers
        )
        await distinguish(self._database, set(chain.from_iterable(apart)), session)
        finished = [
            _finished(item, visit_id, strange=item.person_id in strangers)
            for item, visit_id in zip(settled, visit_ids, strict=True)
        ]
        nobodys = [_unidentifiable(item) for item in assignments if item.person_id is None]
        await self._finish([*chain.from_iterable(finished), *nobodys], session)
        return following

    async def _settled(self, assignments: Sequence[Assignment], session: Session) -> list[_Settled]:
        companions = await self._companions(assignments, session)
        return [
            _Settled(
                item,
                item.person_id,
                (item.detection, *(companions[id_] for id_ in item.companions)),
            )
            for item in assignments
            if item.person_id is not None
        ]

    async def _companions(
        self, assignments: Sequence[Assignment], session: Session
    ) -> Mapping[str, Detection]:
        ids = list(chain.from_iterable(item.companions for item in assignments))
        if not ids:
            return {}
        found = self._detections.find({"_id": {"$in": ids}, **_LEFT_OVER}, session=session)
        companions = {row["_id"]: detection_from_document(row) for row in await found.to_list()}
        if len(companions) < len(ids):
            raise LeaseLost(_CHANGED_MEANWHILE)
        return companions

    async def _strangers(self, settled: Sequence[_Settled], session: Session) -> set[str]:
        """Those of the persons who are unknown; the new ones are made."""
        new = {
            item.person_id: item.assignment.detection.received_at
            for item in settled
            if item.assignment.founds
        }
        await self._found([_stranger(id_, when) for id_, when in new.items()], session)
        there = {item.person_id for item in settled} - new.keys()
        found = self._persons.find({"_id": {"$in": sorted(there)}}, {"kind": 1}, session=session)
        kinds = {row["_id"]: row["kind"] for row in await found.to_list()} if there else {}
        if missing := there - kinds.keys():
            raise NotFound(f"there is no person {min(missing)}")
        return new.keys() | {id_ for id_, kind in kinds.items() if kind == PersonKind.UNKNOWN}

    async def _found(self, strangers: Sequence[Person], session: Session) -> None:
        if not strangers:
            return
        documents = [to_document(person) for person in strangers]
        try:
            await self._persons.insert_many(documents, session=session)
        except BulkWriteError as error:  # a conflict with another transaction is no such error
            raise LeaseLost("a new person's id is taken: decide again") from error

    async def _change_references(self, settled: Sequence[_Settled], session: Session) -> None:
        new = [
            to_document(reference_of(detection, item.person_id))
            for item in settled
            if item.assignment.reference
            for detection in item.detections
        ]
        if new:
            await self._faces.insert_many(new, session=session)
        dropped = list(chain.from_iterable(item.assignment.drops for item in settled))
        if dropped:
            await self._faces.delete_many({"_id": {"$in": dropped}}, session=session)

    async def _finish(self, updates: Sequence[UpdateOne], session: Session) -> None:
        if not updates:
            return
        result = await self._detections.bulk_write(updates, session=session)
        if result.matched_count < len(updates):
            raise LeaseLost(_CHANGED_MEANWHILE)


_LEFT_OVER: Document = {"status": DetectionStatus.UNIDENTIFIABLE, "confirmed": {"$ne": True}}
"""Selects what is nobody's and may become somebody's by itself."""


def _touched(settled: _Settled) -> set[str]:
    """Whose references, kind or distinctions an assignment may change."""
    item, others = settled.assignment, settled.not_persons
    changes = item.founds or item.reference or item.drops or others
    return {settled.person_id, *others} if changes else set()


def _stranger(person_id: str, when: datetime) -> Person:
    return Person(id=person_id, kind=PersonKind.UNKNOWN, created_at=when)


def _finished(settled: _Settled, visit_id: str, *, strange: bool) -> list[UpdateOne]:
    """The changes of an assigned detection and of its companions, who keep their candidates."""
    item = settled.assignment
    now = {
        "status": DetectionStatus.CLASSIFIED,
        "person_id": settled.person_id,
        "confidence": item.confidence,
        "visit_id": visit_id,
    }
    first = {"_id": item.detection.id, "status": DetectionStatus.EMBEDDED}
    others = now if strange else {**now, "candidate_id": None}
    return [
        UpdateOne(first, {"$set": {**now, "candidate_id": item.candidate_id}}),
        *(UpdateOne({"_id": id_, **_LEFT_OVER}, {"$set": others}) for id_ in item.companions),
    ]


def _unidentifiable(item: Assignment) -> UpdateOne:
    return UpdateOne(
        {"_id": item.detection.id, "status": DetectionStatus.EMBEDDED},
        {
            "$set": {
                "status": DetectionStatus.UNIDENTIFIABLE,
                "candidate_id": item.candidate_id,
                "reason": item.reason,
            }
        },
    )
