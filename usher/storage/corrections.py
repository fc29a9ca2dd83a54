"""Who is who, as people say it: persons made, named, enrolled, merged, deleted; faces moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import ReturnDocument

from usher.domain.errors import Conflict, NotFound
from usher.domain.identifiers import new_person_id
from usher.domain.records import Detection, DetectionStatus, Face, Person, PersonKind
from usher.storage.database import Database, Session, in_transaction
from usher.storage.documents import (
    detection_from_document,
    milliseconds,
    person_from_document,
    to_document,
)
from usher.storage.people import People
from usher.storage.possessions import move_all_but_a_rest, remove_all_but_a_rest
from usher.storage.references import reference_of
from usher.storage.versions import raise_version
from usher.storage.visits import Arrival, Visits

_HOLDS_PERSONS = ("faces", "detections", "visits", "alerts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What went with a person, and the keys of the crops that must go too."""

    faces: int
    detections: int
    visits: int
    alerts: int
    crops: frozenset[str]


class Corrections:
    """What people change, each change in one transaction.

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
        self._visits = Visits(database, gap_s=visit_gap_s)

    async def create_person(self, person: Person) -> None:
        async def work(session: Session) -> None:
            await raise_version(self._database, session, persons=[person.id])
            await self._persons.insert_one(to_document(person), session=session)

        await in_transaction(self._database, work)

    async def update_person(self, person_id: str, changes: dict[str, Any]) -> Person:
        """Change fields of a person. Raises NotFound where there is none."""

        async def work(session: Session) -> Person:
            await raise_version(self._database, session, persons=[person_id])
            document = await self._persons.find_one_and_update(
                {"_id": person_id},
                {"$set": changes},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if document is None:
                raise NotFound(f"there is no person {person_id}")
            return person_from_document(document)

        return await in_transaction(self._database, work)

    async def add_face(self, face: Face) -> None:
        """Enrol a reference. Raises NotFound where its person does not exist."""

        async def work(session: Session) -> None:
            await raise_version(self._database, session, persons=[face.person_id])
            await self._people.get(face.person_id, session=session)
            await self._faces.insert_one(to_document(face), session=session)

        await in_transaction(self._database, work)

    async def remove_face(self, person_id: str, face_id: str) -> Face:
        """Forget a reference and give it back, for its crop's sake. Raises NotFound."""
        face = await self._people.face(person_id, face_id)

        async def work(session: Session) -> None:
            await raise_version(self._database, session, persons=[person_id])
            await self._faces.delete_one({"_id": face_id}, session=session)

        await in_transaction(self._database, work)
        return face

    async def merge(self, into: str, others: Sequence[str]) -> Person:
        """Fold other persons into one, who takes over a name where there is none yet.

        Of somebody with thousands of detections these are moved first, in steps: a merge that was
        broken off can be made again.

        Raises
        ------
        NotFound
            If one of them does not exist.
        Conflict
            If somebody is to be merged with themselves.
        """
        if into in others:
            raise Conflict("a person cannot be merged with themselves")
        for person_id in (into, *others):
            await self._people.get(person_id)
        await move_all_but_a_rest(self._database, others, into)

        async def work(session: Session) -> Person:
            await raise_version(self._database, session, persons=[into, *others])
            target = await self._people.get(into, session=session)
            folded = [await self._people.get(other, session=session) for other in others]
            theirs = {"person_id": {"$in": list(others)}}
            for name in _HOLDS_PERSONS:
                await self._database[name].update_many(
                    theirs, {"$set": {"person_id": into}}, session=session
                )
            await self._persons.delete_many({"_id": {"$in": list(others)}}, session=session)
            merged = _inheriting(target, folded)
            await self._persons.update_one(
                {"_id": into}, {"$set": to_document(merged)}, session=session
            )
            return merged

        return await in_transaction(self._database, work)

    async def delete_person(self, person_id: str) -> Removal:
        """Remove a person with everything that is about them.

        Of somebody with thousands of detections these go first, in steps, and the person last: a
        deletion that was broken off can be made again.

        Raises
        ------
        NotFound
            If there is no such person.
        """
        await self._people.get(person_id)
        crops, removed = await remove_all_but_a_rest(self._database, person_id)

        async def work(session: Session) -> Removal:
            await raise_version(self._database, session, persons=[person_id])
            await self._people.get(person_id, session=session)
            rest = await self._remove_rest(person_id, session)
            await self._persons.delete_one({"_id": person_id}, session=session)
            return rest

        rest = await in_transaction(self._database, work)
        detections, visits, alerts = removed
        return Removal(
            faces=rest.faces,
            detections=rest.detections + detections,
            visits=rest.visits + visits,
            alerts=rest.alerts + alerts,
            crops=rest.crops | crops,
        )

    async def _remove_rest(self, person_id: str, session: Session) -> Removal:
        theirs = {"person_id": person_id}
        crops: set[str] = set()
        for collection in (self._faces, self._detections):
            crops.update(await collection.distinct("crop", theirs, session=session))
        removed = {
            name: (await self._database[name].delete_many(theirs, session=session)).deleted_count
            for name in _HOLDS_PERSONS
        }
        return Removal(**removed, crops=frozenset(crops))

    async def correct(self, detection_id: str, person_id: str | None) -> Detection:
        """Give a detection to a person, or to nobody because it shows no face.

        The face stops being anybody else's reference, and becomes one of the person's where its
        quality allows it: a person has confirmed it.

        Raises
        ------
        NotFound
            If there is no such detection or person.
        """

        return await in_transaction(
            self._database, lambda session: self._correct(detection_id, person_id, session)
        )

    async def correct_to_new(self, detection_id: str) -> Detection:
        """Give a detection to a new stranger. Raises NotFound."""

        async def work(session: Session) -> Detection:
            person_id = new_person_id()
            await self._insert_stranger(person_id, milliseconds(datetime.now(UTC)), session)
            return await self._correct(detection_id, person_id, session)

        return await in_transaction(self._database, work)

    async def _correct(
        self, detection_id: str, person_id: str | None, session: Session
    ) -> Detection:
        document = await self._detections.find_one({"_id": detection_id}, session=session)
        if document is None:
            raise NotFound(f"there is no detection {detection_id}")
        detection = detection_from_document(document)
        touched = [id_ for id_ in (person_id, detection.person_id) if id_ is not None]
        await raise_version(self._database, session, persons=touched)
        await self._faces.delete_many({"detection_id": detection_id}, session=session)
        await self._visits.leave([detection], session)
        changes = {
            **await self._correction(detection, person_id, session),
            "confidence": None,
            "reason": None,
            "claim_token": None,
        }
        await self._detections.update_one({"_id": detection_id}, {"$set": changes}, session=session)
        return detection_from_document({**document, **changes})

    async def _correction(
        self, detection: Detection, person_id: str | None, session: Session
    ) -> dict[str, Any]:
        if person_id is None:
            status = DetectionStatus.NOT_A_FACE
            return {"status": status, "person_id": None, "visit_id": None}
        await self._people.get(person_id, session=session)
        if detection.embedding and detection.quality and detection.quality.acceptable:
            face = reference_of(detection, person_id)
            await self._faces.insert_one(to_document(face), session=session)
        (visit_id,) = await self._visits.join([Arrival(person_id, (detection,))], session)
        return {
            "status": DetectionStatus.CLASSIFIED,
            "person_id": person_id,
            "visit_id": visit_id,
        }

    async def _insert_stranger(self, person_id: str, when: datetime, session: Session) -> None:
        person = Person(id=person_id, kind=PersonKind.UNKNOWN, created_at=when)
        await self._persons.insert_one(to_document(person), session=session)


def _inheriting(target: Person, folded: Sequence[Person]) -> Person:
    """The target, with the first name among the others where it has none."""
    if target.name is not None:
        return target
    named = next((person for person in folded if person.name is not None), None)
    if named is None:
        return target
    return Person(
        id=target.id,
        kind=named.kind,
        created_at=target.created_at,
        name=named.name,
        notes=target.notes or named.notes,
    )
