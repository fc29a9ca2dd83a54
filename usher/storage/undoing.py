"""How a change of who is who is taken back: what it touched is put back, as it was before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import chain

from pymongo import DeleteOne, ReplaceOne, UpdateOne

from usher.domain.errors import Conflict
from usher.domain.records import ChangeKind, Detection
from usher.storage import possessions
from usher.storage.database import Database, Session, in_transaction
from usher.storage.distinctions import Pair, distinguish, pairs_with, reconcile
from usher.storage.documents import Document, detection_from_document
from usher.storage.journal import USHER, Entry
from usher.storage.moves import Move, Moves
from usher.storage.versions import concerns, raise_version
from usher.storage.visits import Visits

_IN_BULK = ("visits", "alerts", "detections")
"""In this order: a detection goes back into a visit that is there again."""

Write = UpdateOne | DeleteOne | ReplaceOne[Document]


class Undoing:
    """Takes one change back.

    That it may be, `usher.storage.history` says. Putting something back twice does no harm, so an
    undoing that was broken off is simply made again.

    Parameters
    ----------
    change
        The entry in the history, as MongoDB keeps it.
    visit_gap_s
        Quiet seconds that end a visit.
    """

    def __init__(self, database: Database, change: Document, *, visit_gap_s: float) -> None:
        self._database = database
        self._change = change
        self._images = database["before_images"]
        self._persons = database["persons"]
        self._detections = database["detections"]
        self._faces = database["faces"]
        self._moves = Moves(database, visit_gap_s=visit_gap_s)
        self._visits = Visits(database, gap_s=visit_gap_s)
        self._put_back_to: dict[str, str] = {}
        """The last before-image of each collection that has been put back in steps."""
        self._left: set[str] = set()
        """Persons whom detections have left on their way back."""

    async def put_back_bulk(self) -> None:
        """Put back detections, visits and alerts in steps, where there are thousands of them."""
        step, of_change = possessions.STEP, {"change_id": self._change["_id"]}
        if await self._images.count_documents(of_change, limit=step + 1) <= step:
            return
        await in_transaction(self._database, self._revive)
        for name in _IN_BULK:
            while images := await self._found(name, limit=step):
                await in_transaction(self._database, partial(self._put_back, name, images))
                self._put_back_to[name] = images[-1]["_id"]

    async def put_back_rest(self, version: int, session: Session) -> None:
        """Put back what is left, and clear away what only the change had brought about."""
        await self._put_back_persons(session)
        for name in _IN_BULK:
            await self._put_back(name, await self._found(name, session=session), session)
        await self._put_back_faces(session)
        await self._bring_home(session)
        told_apart = await self._put_back_pairs(session)
        await self._clear_away(session)
        await concerns(self._database, version, self._left | told_apart, session)

    # ---- Before-images ---------------------------------------------------------------------------

    async def _found(
        self, name: str, *, limit: int = 0, session: Session | None = None
    ) -> list[Document]:
        query = {
            "change_id": self._change["_id"],
            "collection": name,
            "_id": {"$gt": self._put_back_to.get(name, "")},
        }
        found = self._images.find(query, session=session).sort("_id").limit(limit)
        return await found.to_list()

    async def _ids(self, name: str, session: Session, **query: object) -> list[str]:
        """The ids of all documents of a collection that the change touched."""
        of_change = {"change_id": self._change["_id"], "collection": name, **query}
        return list(await self._images.distinct("document_id", of_change, session=session))

    # ---- Persons ---------------------------------------------------------------------------------

    async def _revive(self, session: Session) -> None:
        """Persons are there before anything becomes theirs."""
        await raise_version(self._database, session, persons=self._change["persons"])
        await self._put_back_persons(session)

    async def _put_back_persons(self, session: Session) -> None:
        images = await self._found("persons", session=session)
        writes = [_back(image, distinct_from=[]) for image in images if image["was"] is not None]
        if writes:
            await self._persons.bulk_write(writes, session=session)

    async def _put_back_pairs(self, session: Session) -> set[str]:
        """Undo who was told apart and who no more; whom it concerns.

        What Usher has done by itself, and a person takes back, is told apart: otherwise Usher would
        do it again.
        """
        into, others = self._change["into"], self._change["persons"][1:]
        by_itself = self._change["actor"] == USHER and into is not None
        again = pairs_with(into, others) if by_itself else set()
        new, old = _pairs(self._change["distinguished"]), _pairs(self._change["reconciled"])
        await reconcile(self._database, new, session)
        await distinguish(self._database, old | again, session)
        return set(chain.from_iterable(new | old))

    async def _clear_away(self, session: Session) -> None:
        """Remove visits in which nobody was seen, and strangers of whom nothing is left."""
        await self._visits.remove_empty(await self._ids("visits", session), session)
        made = await self._ids("persons", session, was=None)
        later = sorted(self._left.difference(self._change["persons"]))
        stands = {"persons": {"$in": later}, "undone_at": None}
        told_of = await self._database["identity_changes"].distinct(
            "persons", stands, session=session
        )
        await self._moves.remove_emptied({*made, *later} - set(told_of), session)

    # ---- Possessions -----------------------------------------------------------------------------

    async def _put_back(self, name: str, images: Sequence[Document], session: Session) -> None:
        """Put back documents of one collection."""
        if not images:
            return
        if name == "detections":
            await self._put_back_detections(images, session)
            return
        writes = [_back(image, detections=0) for image in images]
        await self._database[name].bulk_write(writes, session=session)

    async def _put_back_detections(self, images: Sequence[Document], session: Session) -> None:
        was = defaultdict[str, Document](dict)
        for image in images:
            was[image["document_id"]].update(image["was"])
        await self._hold(was.values(), session)
        found = self._detections.find({"_id": {"$in": list(was)}}, session=session)
        detections = [detection_from_document(document) for document in await found.to_list()]
        fields = {item.id: self._fields(item, was[item.id]) for item in detections}
        moving = await self._moving(detections, fields, session)
        moves = [_move_back(item, fields.pop(item.id)) for item in moving]
        await self._moves.make(moves, self._unwritten(), session)
        self._left.update(item.person_id for item in moving if item.person_id is not None)
        updates = [UpdateOne({"_id": id_}, {"$set": rest}) for id_, rest in fields.items() if rest]
        if updates:
            await self._detections.bulk_write(updates, session=session)

    async def _hold(self, was: Iterable[Document], session: Session) -> None:
        """Touch whose detections become again, so that nobody can remove them meanwhile."""
        ids = {document.get("person_id") for document in was} - {None}
        touched = await self._persons.update_many(
            {"_id": {"$in": sorted(map(str, ids))}}, {"$inc": {"touched": 1}}, session=session
        )
        if touched.matched_count < len(ids):
            raise Conflict("this change cannot be taken back: somebody of it is there no more")

    def _fields(self, detection: Detection, was: Document) -> Document:
        """What to put back of a detection: not what a person has said of it since."""
        if "person_id" in was and self._is_answered(detection):
            return {}
        fields = dict(was)
        if detection.confirmed and "confirmed" not in was:
            fields.pop("candidate_id", None)
        if "not_persons" in was:
            since = set(detection.not_persons).difference(self._change["persons"][:1])
            fields["not_persons"] = sorted(since.union(was["not_persons"] or ()))
        if self._change["kind"] == ChangeKind.REDECIDE and self._change["into"] is not None:
            fields["not_persons"] = sorted({*detection.not_persons, self._change["into"]})
        return fields

    def _is_answered(self, detection: Detection) -> bool:
        """Whether a person has said since whose a detection is."""
        into = self._change["into"]
        says_whose = into is not None or self._change["kind"] == ChangeKind.MOVE
        by_the_change = says_whose and detection.person_id == into
        return detection.confirmed and not by_the_change

    async def _moving(
        self, detections: Sequence[Detection], fields: Mapping[str, Document], session: Session
    ) -> list[Detection]:
        """Those that change visits; the others' visits are those of whose they become again."""
        changing = [item for item in detections if "person_id" in fields[item.id]]
        visit_ids = sorted({item.visit_id for item in changing if item.visit_id is not None})
        visits = self._database["visits"].find(
            {"_id": {"$in": visit_ids}}, {"person_id": 1}, session=session
        )
        owners = {visit["_id"]: visit["person_id"] for visit in await visits.to_list()}
        return [
            item
            for item in changing
            if "visit_id" in fields[item.id]
            or owners.get(item.visit_id) != fields[item.id]["person_id"]
        ]

    async def _put_back_faces(self, session: Session) -> None:
        images = await self._found("faces", session=session)
        writes = [_back_face(image) for image in images]
        if writes:
            await self._faces.bulk_write(writes, session=session)
        await self._drop_strange_faces(session)

    async def _drop_strange_faces(self, session: Session) -> None:
        """Remove what became somebody else's reference after the change."""
        moved = await self._ids("detections", session, **{"was.visit_id": {"$exists": True}})
        detections = self._detections.find(
            {"_id": {"$in": moved}}, {"person_id": 1}, session=session
        )
        owners = {row["_id"]: row["person_id"] for row in await detections.to_list()}
        faces = self._faces.find(
            {"detection_id": {"$in": moved}}, {"detection_id": 1, "person_id": 1}, session=session
        )
        strange = [
            face["_id"]
            for face in await faces.to_list()
            if face["person_id"] != owners.get(face["detection_id"])
        ]
        await self._faces.delete_many({"_id": {"$in": strange}}, session=session)

    async def _bring_home(self, session: Session) -> None:
        """Detections that joined a visit which has gone back get one of their own person's."""
        into = self._change["into"]
        visit_ids = await self._ids("visits", session)
        if into is None or not visit_ids:
            return
        others: Document = {"_id": {"$in": visit_ids}, "person_id": {"$ne": into}}
        gone = await self._database["visits"].distinct("_id", others, session=session)
        found = self._detections.find(
            {"person_id": into, "visit_id": {"$in": gone}}, session=session
        )
        strays = [detection_from_document(document) for document in await found.to_list()]
        await self._moves.visit_anew(strays, self._unwritten(), session)

    def _unwritten(self) -> Entry:
        """An entry for what an undoing moves, which is not written: it is no change of its own."""
        kind = ChangeKind(self._change["kind"])
        return Entry(kind, actor=USHER, persons=self._change["persons"])


def _move_back(detection: Detection, fields: Document) -> Move:
    changes = {**fields, "claim_token": None}
    person_id, visit_id = changes.pop("person_id"), changes.pop("visit_id", None)
    return Move(detection=detection, person_id=person_id, changes=changes, visit_id=visit_id)


def _back(image: Document, **afresh: object) -> Write:
    """Puts a document back; one that was removed is made again unless it is there, with fields
    afresh."""
    query, was = {"_id": image["document_id"]}, image["was"]
    if "_id" not in was:
        return UpdateOne(query, {"$set": was})
    fields = {name: afresh.get(name, value) for name, value in was.items() if name != "_id"}
    return UpdateOne(query, {"$setOnInsert": fields}, upsert=True)


def _back_face(image: Document) -> Write:
    query, was = {"_id": image["document_id"]}, image["was"]
    if was is None:
        return DeleteOne(query)
    if "_id" in was:
        return ReplaceOne(query, was, upsert=True)
    return UpdateOne(query, {"$set": was})


def _pairs(lists: Sequence[Sequence[str]]) -> set[Pair]:
    return {(a, b) for a, b in lists}
