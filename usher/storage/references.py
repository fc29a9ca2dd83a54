"""References as a whole, whoever's they are, for those who hold them in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import structlog

from usher.domain.errors import Conflict
from usher.domain.records import Detection, Face, Person, Vector
from usher.storage.database import Database
from usher.storage.documents import Document, person_from_document, vector_from_bytes
from usher.storage.versions import gallery_version

MAX_REFERENCES = 100
"""So many faces of a person are enough."""
OTHER_MODELS = (
    "references of another model are left out: `usher models prepare`, with the embedder that "
    "serves, makes them again from their pictures"
)
_PROJECTION = {
    "person_id": 1,
    "created_at": 1,
    "origin": 1,
    "detection_id": 1,
    "embedding.vector": 1,
}
_BATCH = 5000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What a gallery needs of a face: float32 vector of shape (128,) for dlib's network."""

    id: str
    vector: Vector
    created_at: datetime
    origin: Literal["enrolment", "detection"]
    detection_id: str | None


@dataclass(frozen=True, slots=True, eq=False)
class PersonWithFaces:
    """A person and their references, the oldest first; `id` breaks ties."""

    person: Person
    references: tuple[Reference, ...]


class References:
    """Follows who is compared with what, from version to version.

    Read the version first, then the persons: what changes in between is then read once more, never
    missed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._persons = database["persons"]
        self._faces = database["faces"]
        self._changes = database["gallery_changes"]

    async def version(self) -> int:
        """The gallery's version now."""
        return await gallery_version(self._database)

    async def changed_since(self, version: int) -> tuple[int, frozenset[str]] | None:
        """The version now, and who may have changed since an earlier one.

        Returns
        -------
        tuple or None
            None where not every change in between is known any more: read everything anew.
        """
        now = await gallery_version(self._database)
        if now == version:
            return now, frozenset()
        between = {"_id": {"$gt": version, "$lte": now}}
        changes = await self._changes.find(between, {"persons": 1}).to_list()
        if now < version or len(changes) < now - version:
            return None
        return now, frozenset(id_ for change in changes for id_ in change["persons"])

    async def persons_with_faces(
        self, model: str, person_ids: Collection[str] | None = None
    ) -> tuple[list[PersonWithFaces], frozenset[str]]:
        """Persons with their references of a model, as they are at one moment.

        Parameters
        ----------
        person_ids
            Whom; None for everybody.

        Returns
        -------
        tuple
            Those who exist, in order of their ids, also without a reference; and the ids asked for
            of those who do not.
        """
        asked = sorted(person_ids) if person_ids is not None else None
        async with self._database.client.start_session(snapshot=True) as session:
            found = self._persons.find(
                {} if asked is None else {"_id": {"$in": asked}}, session=session
            )
            documents = await found.sort("_id").to_list()
            query: Document = {"embedding.model": model}
            if asked is not None:
                query["person_id"] = {"$in": asked}
            faces = self._faces.find(query, _PROJECTION, session=session).batch_size(_BATCH)
            by_person = defaultdict[str, list[Reference]](list)
            while batch := await faces.to_list(_BATCH):
                for face in batch:
                    by_person[face["person_id"]].append(_reference(face))
        persons = [_with_faces(document, by_person) for document in documents]
        gone = frozenset(asked or ()) - {item.person.id for item in persons}
        return persons, gone


def reference_of(detection: Detection, person_id: str) -> Face:
    """A detection's face as a reference, with the detection's id.

    Raises
    ------
    Conflict
        If the detection has no vector yet.
    """
    if detection.embedding is None:
        raise Conflict(f"detection {detection.id} has no vector yet")
    return Face(
        id=detection.id,
        person_id=person_id,
        embedding=detection.embedding,
        crop=detection.crop,
        origin="detection",
        created_at=detection.captured_at,
        detection_id=detection.id,
        box=detection.box,
    )


async def warn_of_other_models(database: Database, model: str) -> None:
    """Log how many references no gallery of that model compares with, if there are any."""
    others = await database["faces"].count_documents({"embedding.model": {"$ne": model}})
    if others:
        log.warning(OTHER_MODELS, references=others, model=model)


def _reference(face: Document) -> Reference:
    return Reference(
        id=face["_id"],
        vector=vector_from_bytes(face["embedding"]["vector"]),
        created_at=face["created_at"],
        origin=face["origin"],
        detection_id=face["detection_id"],
    )


def _with_faces(document: Document, by_person: dict[str, list[Reference]]) -> PersonWithFaces:
    references = by_person.get(document["_id"], [])
    references.sort(key=lambda reference: (reference.created_at, reference.id))
    return PersonWithFaces(person_from_document(document), tuple(references))
