"""Detections that change hands, with their references and visits, and without alerts.

Every method is a part of somebody else's transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import chain

from pymongo import DeleteOne, InsertOne, UpdateOne

from usher.domain.records import Detection, PersonKind
from usher.storage.database import Database, Session
from usher.storage.distinctions import pairs_with, reconcile
from usher.storage.documents import Document, plain, to_document
from usher.storage.journal import Entry
from usher.storage.references import reference_of
from usher.storage.visits import Arrival, Visits

_NOT_A_RECORDS = ("claim_token", "available_at")
"""Fields that a change clears and that nothing puts back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where a detection goes.

    Attributes
    ----------
    detection
        As it is in this transaction.
    person_id
        Whose it becomes, or stays; None for nobody's.
    changes
        What else becomes of it, field by field, as MongoDB keeps it.
    visit_id
        The visit that it rather joins than another one of theirs.
    reference
        Whether its face is to be a reference of theirs; None leaves it as it is.
    """

    detection: Detection
    person_id: str | None
    changes: Document = field(default_factory=dict)
    visit_id: str | None = None
    reference: bool | None = None


class Moves:
    """Moves detections between persons.

    Parameters
    ----------
    visit_gap_s
        Quiet seconds that end a visit.
    """

    def __init__(self, database: Database, *, visit_gap_s: float) -> None:
        self._database = database
        self._persons = database["persons"]
        self._detections = database["detections"]
        self._faces = database["faces"]
        self._visits = Visits(database, gap_s=visit_gap_s)

    async def make(self, moves: Sequence[Move], entry: Entry, session: Session) -> None:
        """Move detections, and keep in the entry what they and what they leave were before."""
        if not moves:
            return
        await self._move_references(moves, entry, session)
        changing = [move for move in moves if move.person_id != move.detection.person_id]
        visit_ids = await self._change_visits(changing, entry, session)
        updates = [_update(move, visit_ids, entry) for move in moves]
        await self._detections.bulk_write(updates, session=session)
        entry.detections += len(changing)

    async def visit_anew(
        self, detections: Sequence[Detection], entry: Entry, session: Session
    ) -> None:
        """Bring detections out of whatever visit they are in into one of their own person's."""
        moves = [Move(detection=item, person_id=item.person_id) for item in detections]
        visit_ids = await self._change_visits(moves, entry, session)
        updates = [_update(move, visit_ids, entry) for move in moves]
        if updates:
            await self._detections.bulk_write(updates, session=session)

    async def remove_emptied(self, person_ids: Collection[str], session: Session) -> list[Document]:
        """Remove those strangers of whom there is neither a detection nor a reference; who went."""
        theirs = {"person_id": {"$in": sorted(person_ids)}}
        left: set[str] = set()
        for collection in (self._detections, self._faces):
            left.update(await collection.distinct("person_id", theirs, session=session))
        emptied = {
            "_id": {"$in": sorted(set(person_ids) - left)},
            "kind": PersonKind.UNKNOWN.value,
        }
        found = await self._persons.find(emptied, session=session).to_list()
        pairs = (pairs_with(row["_id"], row.get("distinct_from", ())) for row in found)
        await reconcile(self._database, set(chain.from_iterable(pairs)), session)
        await self._persons.delete_many(emptied, session=session)
        return found

    async def _change_visits(
        self, moves: Sequence[Move], entry: Entry, session: Session
    ) -> dict[str, str | None]:
        """The new visits of detections that go from one person's to another's."""
        for name, document in await self._visits.leave([m.detection for m in moves], session):
            entry.removes(name, document)
        there = [move for move in moves if move.person_id is not None]
        arrivals = [
            Arrival(str(move.person_id), (move.detection,), move.visit_id) for move in there
        ]
        joined = await self._visits.join(arrivals, session)
        nowhere: dict[str, str | None] = {move.detection.id: None for move in moves}
        return nowhere | {
            move.detection.id: visit_id for move, visit_id in zip(there, joined, strict=True)
        }

    async def _move_references(self, moves: Sequence[Move], entry: Entry, session: Session) -> None:
        decided = {move.detection.id: move for move in moves if move.reference is not None}
        if not decided:
            return
        found = self._faces.find({"detection_id": {"$in": list(decided)}}, session=session)
        writes: list[InsertOne[Document] | UpdateOne | DeleteOne] = []
        kept = set()
        for face in await found.to_list():
            move = decided[face["detection_id"]]
            kept.add(move.detection.id)
            writes += _of_existing(face, move, entry)
        new = [move for id_, move in decided.items() if move.reference and id_ not in kept]
        writes += [_of_new(move, entry) for move in new if move.detection.embedding]
        if writes:
            await self._faces.bulk_write(writes, session=session)


def _of_existing(face: Document, move: Move, entry: Entry) -> list[UpdateOne | DeleteOne]:
    if not move.reference:
        entry.removes("faces", face)
        return [DeleteOne({"_id": face["_id"]})]
    if face["person_id"] == move.person_id:
        return []
    entry.alters("faces", face, ["person_id"])
    return [UpdateOne({"_id": face["_id"]}, {"$set": {"person_id": move.person_id}})]


def _of_new(move: Move, entry: Entry) -> InsertOne[Document]:
    face = to_document(reference_of(move.detection, str(move.person_id)))
    entry.makes("faces", face["_id"])
    return InsertOne(face)


def _update(move: Move, visit_ids: dict[str, str | None], entry: Entry) -> UpdateOne:
    changes = {**move.changes, "person_id": move.person_id}
    if move.detection.id in visit_ids:
        changes["visit_id"] = visit_ids[move.detection.id]
    was = {
        name: plain(getattr(move.detection, name)) for name in changes if name not in _NOT_A_RECORDS
    }
    entry.alters("detections", {"_id": move.detection.id, **was}, was)
    return UpdateOne({"_id": move.detection.id}, {"$set": changes})
