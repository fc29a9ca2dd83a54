"""Persons and their references: made, named, enrolled, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from usher.domain.errors import Conflict, NotFound
from usher.domain.records import ChangeKind, Face, Person, PersonKind
from usher.storage.database import Database, Session, in_transaction
from usher.storage.distinctions import pairs_with, reconcile
from usher.storage.documents import Document, person_from_document, to_document
from usher.storage.journal import Entry, Journal
from usher.storage.people import People
from usher.storage.possessions import POSSESSIONS, remove_all_but_a_rest
from usher.storage.questions import settle_questions
from usher.storage.references import MAX_REFERENCES
from usher.storage.repetitions import Once, Repetitions
from usher.storage.versions import raise_version

_IDENTITY = ("name", "kind")
"""The fields of a person that say who they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What went with a person, and the keys of the crops that must go too."""

    faces: int
    detections: int
    visits: int
    alerts: int
    crops: frozenset[str]


class Registry:
    """Changes of persons and of their references, each in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._persons = database["persons"]
        self._faces = database["faces"]
        self._detections = database["detections"]
        self._people = People(database)
        self._journal = Journal(database)
        self._repetitions = Repetitions(database)

    async def create_person(self, person: Person, *, once: Once | None = None) -> None:
        """Add a person; Conflict where `once` was answered meanwhile."""

        async def work(session: Session) -> None:
            if once is not None:
                await self._repetitions.note(once, person.id, session)
            await raise_version(self._database, session, persons=[person.id])
            await self._persons.insert_one(to_document(person), session=session)

        await in_transaction(self._database, work)

    async def update_person(self, person_id: str, changes: Document, *, actor: str) -> Person:
        """Change fields of a person; name and kind go into the history.

        Raises
        ------
        NotFound
            If there is no such person.
        """

        async def work(session: Session) -> Person:
            before = await self._persons.find_one_and_update(
                {"_id": person_id}, {"$set": changes}, session=session
            )
            if before is None:
                raise NotFound(f"there is no person {person_id}")
            altered = [name for name in _IDENTITY if name in changes]
            if altered:
                entry = Entry(ChangeKind.UPDATE, actor=actor, persons=[person_id])
                entry.alters("persons", before, altered)
                if changes.get("kind", PersonKind.UNKNOWN) != PersonKind.UNKNOWN:
                    await settle_questions(self._database, person_id, entry, session)
                version = await raise_version(self._database, session, persons=[person_id])
                await self._journal.write(entry, version, session)
            return person_from_document({**before, **changes})

        return await in_transaction(self._database, work)

    async def add_face(self, face: Face) -> None:
        """Enrol a reference. Raises as `add_faces`."""
        await self.add_faces([face])

    async def add_faces(self, faces: Sequence[Face], *, once: Once | None = None) -> None:
        """Enrol references of one person: all of them or none.

        Raises
        ------
        NotFound
            If their person does not exist.
        Conflict
            If the person would have more references than there may be, or `once` was answered
            meanwhile.
        """
        person_id = faces[0].person_id
        theirs = {"person_id": person_id}

        async def work(session: Session) -> None:
            if once is not None:
                await self._repetitions.note(once, " ".join(face.id for face in faces), session)
            await raise_version(self._database, session, persons=[person_id])
            await self._people.get(person_id, session=session)
            room = MAX_REFERENCES - await self._faces.count_documents(theirs, session=session)
            if room < len(faces):
                raise Conflict(f"{MAX_REFERENCES} references are enough: remove one first")
            await self._faces.insert_many([to_document(face) for face in faces], session=session)

        await in_transaction(self._database, work)

    async def remove_face(self, person_id: str, face_id: str) -> Face:
        """Forget a reference and give it back, for its crop's sake. Raises NotFound."""
        face = await self._people.face(person_id, face_id)

        async def work(session: Session) -> None:
            await raise_version(self._database, session, persons=[person_id])
            await self._faces.delete_one({"_id": face_id}, session=session)

        await in_transaction(self._database, work)
        return face

    async def delete_person(self, person_id: str) -> Removal:
        """Remove a person with everything that is about them.

        Of somebody with thousands of detections these go first, in steps, and the person last: a
        deletion that was broken off can be made again. What is left are the entries of the history,
        which name nobody and cannot be undone any more.

        Raises
        ------
        NotFound
            If there is no such person.
        """
        await self._people.get(person_id)
        await self._journal.forget(person_id)
        await self._answer(person_id)
        crops, removed = await remove_all_but_a_rest(self._database, person_id)
        rest = await in_transaction(
            self._database, lambda session: self._delete(person_id, session)
        )
        detections, visits, alerts = removed
        return Removal(
            faces=rest.faces,
            detections=rest.detections + detections,
            visits=rest.visits + visits,
            alerts=rest.alerts + alerts,
            crops=rest.crops | crops,
        )

    async def _delete(self, person_id: str, session: Session) -> Removal:
        person = await self._people.get(person_id, session=session)
        touched = [person_id, *person.distinct_from]
        await raise_version(self._database, session, persons=touched)
        await self._journal.forget(person_id, session)
        await self._answer(person_id, session)
        await reconcile(self._database, pairs_with(person_id, person.distinct_from), session)
        rest = await self._remove_rest(person_id, session)
        await self._persons.delete_one({"_id": person_id}, session=session)
        return rest

    async def _answer(self, person_id: str, session: Session | None = None) -> None:
        """Nothing is said about somebody any more in other people's detections."""
        await self._detections.update_many(
            {"candidate_id": {"$eq": person_id, "$type": "string"}},
            {"$set": {"candidate_id": None}},
            session=session,
        )
        await self._detections.update_many(
            {"not_persons": person_id, "not_persons.0": {"$exists": True}},
            {"$pull": {"not_persons": person_id}},
            session=session,
        )

    async def _remove_rest(self, person_id: str, session: Session) -> Removal:
        theirs = {"person_id": person_id}
        crops: set[str] = set()
        ids: list[Any] = []
        for collection in (self._faces, self._detections):
            found = collection.find(theirs, {"crop": 1}, session=session)
            for document in await found.to_list():
                crops.add(document["crop"])
                ids.append(document["_id"])
        images = self._database["before_images"]
        await images.delete_many({"document_id": {"$in": ids}}, session=session)
        removed = {
            name: (await self._database[name].delete_many(theirs, session=session)).deleted_count
            for name in POSSESSIONS
        }
        return Removal(**removed, crops=frozenset(crops))
