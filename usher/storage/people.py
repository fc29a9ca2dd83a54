"""Persons and their faces: reading."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from usher.domain.errors import NotFound
from usher.domain.records import Face, Person, PersonKind
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.database import Database, Session
from usher.storage.documents import Document, face_from_document, person_from_document
from usher.storage.paging import newest_first

_A_TEXT: Document = {"$type": "string"}


@dataclass(frozen=True, slots=True)
class Tally:
    """What the other collections say of a person."""

    faces: int = 0
    detections: int = 0
    last_seen_at: datetime | None = None
    face_id: str | None = None


class People:
    """Queries on `persons` and `faces`."""

    def __init__(self, database: Database) -> None:
        self._persons = database["persons"]
        self._faces = database["faces"]
        self._detections = database["detections"]

    async def get(self, person_id: str, *, session: Session | None = None) -> Person:
        """Raises NotFound where there is none."""
        document = await self._persons.find_one({"_id": person_id}, session=session)
        if document is None:
            raise NotFound(f"there is no person {person_id}")
        return person_from_document(document)

    async def of_ids(self, person_ids: Sequence[str]) -> dict[str, Person]:
        """The persons of those ids that exist, by id."""
        found = await self._persons.find({"_id": {"$in": list(person_ids)}}).to_list()
        return {document["_id"]: person_from_document(document) for document in found}

    async def known(self) -> set[str]:
        """The ids of everybody who has a name."""
        return set(await self._persons.distinct("_id", {"kind": PersonKind.KNOWN}))

    async def known_of(self, classes: Sequence[str]) -> list[Person]:
        """Everybody who has a name and one of the classes, or any; by id."""
        query: Document = {"kind": PersonKind.KNOWN}
        if classes:
            query["class_name"] = {"$in": list(classes)}
        found = self._persons.find(query).sort("_id", 1)
        return [person_from_document(document) async for document in found]

    async def strangers(self) -> set[str]:
        """The ids of everybody who is unknown."""
        return set(await self._persons.distinct("_id", {"kind": PersonKind.UNKNOWN}))

    async def strangers_among(self, person_ids: Collection[str], session: Session) -> set[str]:
        """Those of the persons who are unknown. Raises NotFound where one does not exist."""
        if not person_ids:
            return set()
        query = {"_id": {"$in": sorted(person_ids)}}
        found = await self._persons.find(query, {"kind": 1}, session=session).to_list()
        if missing := set(person_ids) - {row["_id"] for row in found}:
            raise NotFound(f"there is no person {min(missing)}")
        return {row["_id"] for row in found if row["kind"] == PersonKind.UNKNOWN}

    async def page(
        self,
        *,
        kind: PersonKind | None,
        text: str | None,
        cursor: str | None,
        limit: int,
        class_name: str | None = None,
    ) -> tuple[list[Person], str | None]:
        """Persons, the newest first; `text` is part of a name in any case, or an id."""
        query: Document = {"kind": kind} if kind else {}
        if class_name is not None:
            query["class_name"] = {"$eq": class_name, **_A_TEXT}
        if text:
            named = {"name": {"$regex": re.escape(text), "$options": "i"}}
            query["$or"] = [named, {"_id": text}]
        documents, following = await newest_first(
            self._persons, query, by="created_at", cursor=cursor, limit=limit
        )
        return [person_from_document(document) for document in documents], following

    async def classes(self) -> list[str]:
        """Every class that somebody is of, by name."""
        return sorted(await self._persons.distinct("class_name", {"class_name": _A_TEXT}))

    async def seen(self, person_ids: Collection[str], scope: Scope) -> tuple[bool, bool]:
        """Whether any of those persons was seen by cameras of the scope, and by any other."""
        theirs = {"person_id": {"$in": sorted(person_ids)}}
        within = await self._detections.find_one({**theirs, **scope.query()}, {"_id": 1})
        if scope.cameras is None:
            return within is not None, False
        beyond = {**theirs, "camera_id": {"$nin": sorted(scope.cameras)}}
        elsewhere = await self._detections.find_one(beyond, {"_id": 1})
        return within is not None, elsewhere is not None

    async def tallies(
        self, person_ids: Sequence[str], scope: Scope = EVERYTHING
    ) -> dict[str, Tally]:
        """What is known of each of those persons from their faces and detections in a scope."""
        of_them = {"$match": {"person_id": {"$in": list(person_ids)}}}
        faces = await self._faces.aggregate(
            [
                of_them,
                *_faces_within(scope),
                {"$sort": {"created_at": 1, "_id": 1}},
                {"$group": {"_id": "$person_id", "n": {"$sum": 1}, "first": {"$first": "$_id"}}},
            ]
        )
        by_face = {row["_id"]: row async for row in faces}
        seen = await self._detections.aggregate(
            [
                {"$match": {**of_them["$match"], **scope.query()}},
                {
                    "$group": {
                        "_id": "$person_id",
                        "n": {"$sum": 1},
                        "last": {"$max": "$captured_at"},
                    }
                },
            ]
        )
        by_detection = {row["_id"]: row async for row in seen}
        return {
            person_id: _tally(by_face.get(person_id, {}), by_detection.get(person_id, {}))
            for person_id in person_ids
        }

    async def face(self, person_id: str, face_id: str, scope: Scope = EVERYTHING) -> Face:
        """Raises NotFound where that person has no such face in a scope."""
        query = {"_id": face_id, "person_id": person_id}
        found = await self._faces.aggregate([{"$match": query}, *_faces_within(scope)])
        documents = await found.to_list()
        if not documents:
            raise NotFound(f"person {person_id} has no face {face_id}")
        return face_from_document(documents[0])

    async def faces_of(self, person_id: str, scope: Scope = EVERYTHING) -> list[Face]:
        """The references of a person: enrolled ones, and those that cameras of the scope saw."""
        by_age = {"$sort": {"created_at": 1, "_id": 1}}
        found = await self._faces.aggregate(
            [{"$match": {"person_id": person_id}}, *_faces_within(scope), by_age]
        )
        return [face_from_document(document) for document in await found.to_list()]

    async def crops_in_use(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that some face holds."""
        return set(await self._faces.distinct("crop", {"crop": {"$in": list(keys)}}))


def _faces_within(scope: Scope) -> list[Document]:
    """Leaves out the references that a camera beyond the scope saw."""
    if scope.cameras is None:
        return []
    seen: Document = {
        "from": "detections",
        "localField": "detection_id",
        "foreignField": "_id",
        "pipeline": [{"$project": {"camera_id": 1}}],
        "as": "seen",
    }
    enrolled = {"origin": "enrolment"}
    return [{"$lookup": seen}, {"$match": {"$or": [enrolled, scope.query("seen.camera_id")]}}]


def _tally(faces: Document, detections: Document) -> Tally:
    return Tally(
        faces=faces.get("n", 0),
        detections=detections.get("n", 0),
        last_seen_at=detections.get("last"),
        face_id=faces.get("first"),
    )
