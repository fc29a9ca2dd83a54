"""Who is who, as people say it: this one, somebody else, one person, two persons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from usher.domain.errors import Conflict, NotFound
from usher.domain.identifiers import new_person_id
from usher.domain.records import ChangeKind, Detection, DetectionStatus, Person, PersonKind
from usher.storage.database import Database, Session, in_transaction
from usher.storage.distinctions import distinguish, pairs_with
from usher.storage.documents import Document, detection_from_document, milliseconds, to_document
from usher.storage.journal import Entry, Journal
from usher.storage.leases import AT_ONCE
from usher.storage.merging import Merge
from usher.storage.moves import Move, Moves
from usher.storage.people import People
from usher.storage.references import MAX_REFERENCES
from usher.storage.versions import raise_version

_SETTLED: Document = {
    "confirmed": True,
    "candidate_id": None,
    "confidence": None,
    "reason": None,
    "claim_token": None,
}
"""What is true of a detection when a person has said what it shows."""
_OPEN: Document = {**_SETTLED, "confirmed": False}
"""What is true of a detection when it is to be assigned anew."""
_EMBEDDED: Document = {"status": DetectionStatus.EMBEDDED.value}
_PENDING: Document = {
    "status": DetectionStatus.PENDING.value,
    "attempts": 0,
    "available_at": AT_ONCE,
}


class Corrections:
    """What people change, each change in one transaction and in the history.

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
        self._people = People(database)
        self._journal = Journal(database)
        self._moves = Moves(database, visit_gap_s=visit_gap_s)

    async def merge(self, into: str, others: Sequence[str], *, actor: str) -> Person:
        """Fold other persons into one, who takes over a name where there is none yet.

        That somebody has told them apart before is overruled.

        Raises
        ------
        NotFound
            If one of them does not exist.
        Conflict
            If somebody is to be merged with themselves.
        """
        merge = Merge(self._database, into, others, actor=actor)
        for person_id in (into, *others):
            await self._people.get(person_id)
        await merge.move_bulk()
        merged, _ = await in_transaction(self._database, merge.finish)
        return merged

    async def correct(self, detection_id: str, person_id: str | None, *, actor: str) -> Detection:
        """Give a detection to a person, or to nobody because it shows no face.

        The face stops being anybody else's reference, and becomes one of the person's where its
        quality allows it: a person has confirmed it.

        Raises
        ------
        NotFound
            If there is no such detection or person.
        """

        async def work(session: Session) -> Detection:
            person = await self._people.get(person_id, session=session) if person_id else None
            return await self._correct(detection_id, person, actor, session)

        return await in_transaction(self._database, work)

    async def correct_to_new(self, detection_id: str, *, actor: str) -> Detection:
        """Give a detection to a new stranger. Raises NotFound."""

        async def work(session: Session) -> Detection:
            return await self._correct(detection_id, _stranger(), actor, session, new=True)

        return await in_transaction(self._database, work)

    async def split(
        self, person_id: str, detection_ids: Sequence[str], into: str | None, *, actor: str
    ) -> Person:
        """Give detections of one person to another one, or to a new stranger; who it is now.

        The two are told apart from then on.

        Raises
        ------
        NotFound
            If a person or a detection does not exist.
        Conflict
            If a detection is not that person's, or would stay theirs.
        """
        if into == person_id:
            raise Conflict("these detections are that person's already")

        async def work(session: Session) -> Person:
            await self._people.get(person_id, session=session)
            target = await self._people.get(into, session=session) if into else _stranger()
            persons = [target.id, person_id]
            entry = Entry(ChangeKind.MOVE, actor=actor, persons=persons, into=target.id)
            version = await raise_version(self._database, session, persons=persons)
            detections = await self._theirs(person_id, detection_ids, session)
            if into is None:
                await self._insert(target, entry, session)
            await self._give(detections, target.id, entry, session)
            await self._tell_apart(target.id, [person_id], entry, session)
            await self._journal.write(entry, version, session)
            return target

        return await in_transaction(self._database, work)

    async def reject(self, detection_id: str, person_id: str, *, actor: str) -> Detection:
        """Note that a detection does not show a person, who was its candidate or whose it was.

        A candidate is one no longer; where the detection is a stranger's, the two are told apart. A
        detection that was the person's goes back to be assigned anew.

        Raises
        ------
        NotFound
            If there is no such detection.
        Conflict
            If nothing says that it shows the person.
        """

        async def work(session: Session) -> Detection:
            detection = await self._get(detection_id, session)
            if person_id == detection.candidate_id:
                await self._reject_candidate(detection, person_id, actor, session)
            elif person_id == detection.person_id:
                await self._take_away(detection, person_id, actor, session)
            else:
                raise Conflict(f"nothing says that detection {detection_id} shows {person_id}")
            return await self._get(detection_id, session)

        return await in_transaction(self._database, work)

    async def _correct(
        self,
        detection_id: str,
        person: Person | None,
        actor: str,
        session: Session,
        *,
        new: bool = False,
    ) -> Detection:
        detection = await self._get(detection_id, session)
        former = [detection.person_id] if detection.person_id else []
        into = person.id if person else None
        entry = Entry(
            ChangeKind.MOVE, actor=actor, persons=[*([into] if into else ()), *former], into=into
        )
        version = await raise_version(self._database, session, persons=entry.persons)
        if person and new:
            await self._insert(person, entry, session)
        await self._settle(detection, person, entry, session)
        if person and person.kind is PersonKind.UNKNOWN:
            others = [*detection.not_persons, *(former if new else ())]
            await self._tell_apart(person.id, others, entry, session)
        await self._journal.write(entry, version, session)
        return await self._get(detection_id, session)

    async def _settle(
        self, detection: Detection, person: Person | None, entry: Entry, session: Session
    ) -> None:
        if person:
            await self._give([detection], person.id, entry, session)
            return
        nothing = {**_SETTLED, "status": DetectionStatus.NOT_A_FACE.value}
        move = Move(detection=detection, person_id=None, changes=nothing, reference=False)
        await self._moves.make([move], entry, session)

    async def _give(
        self, detections: Sequence[Detection], person_id: str, entry: Entry, session: Session
    ) -> None:
        """Make detections a person's, and references too as far as there is room."""
        theirs = {"person_id": person_id}
        room = MAX_REFERENCES - await self._faces.count_documents(theirs, session=session)
        ids = {"detection_id": {"$in": [item.id for item in detections]}}
        kept = set(await self._faces.distinct("detection_id", ids, session=session))
        good = [item.id for item in detections if _is_good(item) and item.id not in kept]
        kept.update(good[: max(room - len(kept), 0)])
        moves = [_to(person_id, item, reference=item.id in kept) for item in detections]
        await self._moves.make(moves, entry, session)

    async def _tell_apart(
        self, person_id: str, others: Iterable[str], entry: Entry, session: Session
    ) -> None:
        pairs = pairs_with(person_id, others)
        entry.distinguished = await distinguish(self._database, pairs, session)

    async def _reject_candidate(
        self, detection: Detection, person_id: str, actor: str, session: Session
    ) -> None:
        stranger = await self._stranger_of(detection, session)
        touched = [person_id, *([stranger.id] if stranger else [])]
        entry = Entry(ChangeKind.REJECT, actor=actor, persons=touched, into=detection.person_id)
        version = await raise_version(self._database, session, persons=touched)
        await self._say_not(detection, person_id, entry, session)
        if stranger:
            await self._clear_candidate(stranger.id, person_id, entry, session)
            await self._tell_apart(stranger.id, [person_id], entry, session)
        await self._journal.write(entry, version, session)

    async def _take_away(
        self, detection: Detection, person_id: str, actor: str, session: Session
    ) -> None:
        entry = Entry(ChangeKind.REJECT, actor=actor, persons=[person_id])
        version = await raise_version(self._database, session, persons=[person_id])
        again = _EMBEDDED if detection.embedding else _PENDING
        changes = {**_OPEN, **again, "not_persons": _with(detection.not_persons, person_id)}
        move = Move(detection=detection, person_id=None, changes=changes, reference=False)
        await self._moves.make([move], entry, session)
        await self._journal.write(entry, version, session)

    async def _say_not(
        self, detection: Detection, person_id: str, entry: Entry, session: Session
    ) -> None:
        was = {"candidate_id": person_id, "not_persons": list(detection.not_persons)}
        entry.alters("detections", {"_id": detection.id, **was}, was)
        changes = {
            "candidate_id": None,
            "not_persons": _with(detection.not_persons, person_id),
        }
        await self._detections.update_one({"_id": detection.id}, {"$set": changes}, session=session)

    async def _clear_candidate(
        self, stranger_id: str, person_id: str, entry: Entry, session: Session
    ) -> None:
        asking = {"person_id": stranger_id, "candidate_id": person_id}
        found = self._detections.find(asking, {"candidate_id": 1}, session=session)
        for document in await found.to_list():
            entry.alters("detections", document, ["candidate_id"])
        await self._detections.update_many(
            asking, {"$set": {"candidate_id": None}}, session=session
        )

    async def _get(self, detection_id: str, session: Session) -> Detection:
        (detection,) = await self._all([detection_id], session)
        return detection

    async def _theirs(
        self, person_id: str, detection_ids: Sequence[str], session: Session
    ) -> list[Detection]:
        detections = await self._all(detection_ids, session)
        for detection in detections:
            if detection.person_id != person_id:
                raise Conflict(f"detection {detection.id} is not of person {person_id}")
        return detections

    async def _all(self, detection_ids: Sequence[str], session: Session) -> list[Detection]:
        """Detections in order of capture. Raises NotFound where one is missing."""
        ids = set(detection_ids)
        found = self._detections.find({"_id": {"$in": sorted(ids)}}, session=session)
        documents = await found.sort([("captured_at", 1), ("_id", 1)]).to_list()
        if missing := ids - {document["_id"] for document in documents}:
            raise NotFound(f"there is no detection {min(missing)}")
        return [detection_from_document(document) for document in documents]

    async def _stranger_of(self, detection: Detection, session: Session) -> Person | None:
        if detection.person_id is None:
            return None
        person = await self._people.get(detection.person_id, session=session)
        return person if person.kind is PersonKind.UNKNOWN else None

    async def _insert(self, person: Person, entry: Entry, session: Session) -> None:
        entry.makes("persons", person.id)
        await self._persons.insert_one(to_document(person), session=session)


def _stranger() -> Person:
    now = milliseconds(datetime.now(UTC))
    return Person(id=new_person_id(), kind=PersonKind.UNKNOWN, created_at=now)


def _is_good(detection: Detection) -> bool:
    """Whether a detection's face may be a reference."""
    quality = detection.quality
    return detection.embedding is not None and quality is not None and quality.acceptable


def _to(person_id: str, detection: Detection, *, reference: bool) -> Move:
    changes = {
        **_SETTLED,
        "status": DetectionStatus.CLASSIFIED.value,
        "not_persons": [other for other in detection.not_persons if other != person_id],
    }
    return Move(detection=detection, person_id=person_id, changes=changes, reference=reference)


def _with(not_persons: Sequence[str], person_id: str) -> list[str]:
    return list(dict.fromkeys((*not_persons, person_id)))
