"""The history of who is who: what each change did, and what was there before it.

A change is an entry in `identity_changes`. What it touched is in `before_images`, as it was: so
much of a document as the change altered, or the whole of it (with its `_id`) where the change
removed it, or None where the change made it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from pymongo.errors import DuplicateKeyError

from usher.domain.errors import Conflict
from usher.domain.identifiers import new_id
from usher.domain.records import ChangeKind
from usher.storage.database import Database, Session
from usher.storage.distinctions import Pair
from usher.storage.documents import Document, milliseconds
from usher.storage.versions import concerns

USHER = "usher"
"""The actor of changes that Usher makes by itself."""
_DELETED = "somebody whom it touched has been deleted since"
_TAKEN_BACK = "this change was taken back while it was being made"


class Entry:
    """A change in the making, in one attempt at a transaction.

    Parameters
    ----------
    persons
        All whom it touches, first the one who stays or is meant.
    into
        Whose the detections become that it moves; None where they become nobody's.
    change_id
        That of an earlier part of the same change, where there is one.

    Attributes
    ----------
    distinguished, reconciled
        Who is told apart by this change, and who is no more.
    """

    def __init__(
        self,
        kind: ChangeKind,
        *,
        actor: str,
        persons: Iterable[str],
        into: str | None = None,
        change_id: str | None = None,
    ) -> None:
        self.id = change_id or new_id()
        self.kind = kind
        self.actor = actor
        self.persons = list(dict.fromkeys(persons))
        self.into = into
        self.detections = 0
        self.distinguished: Sequence[Pair] = ()
        self.reconciled: Sequence[Pair] = ()
        self.images: list[Document] = []

    @property
    def everybody(self) -> set[str]:
        """Whose references, kind or distinctions may change."""
        pairs = chain(self.distinguished, self.reconciled)
        return {*self.persons, *chain.from_iterable(pairs)}

    def alters(self, collection: str, document: Document, names: Iterable[str]) -> None:
        """Keep those fields of a document, which the change alters."""
        was = {name: document.get(name) for name in names}
        self._keep(collection, document["_id"], was)

    def removes(self, collection: str, document: Document) -> None:
        """Keep a document, which the change removes."""
        self._keep(collection, document["_id"], document)

    def makes(self, collection: str, document_id: str) -> None:
        """Keep that a document was not there before the change."""
        self._keep(collection, document_id, None)

    def _keep(self, collection: str, document_id: Any, was: Document | None) -> None:
        self.images.append(
            {
                "_id": new_id(),
                "change_id": self.id,
                "persons": self.persons,
                "collection": collection,
                "document_id": document_id,
                "was": was,
            }
        )


class Journal:
    """Writes the history, as a part of somebody else's transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes = database["identity_changes"]
        self._images = database["before_images"]

    async def unfinished(self, kind: ChangeKind, persons: Sequence[str]) -> str | None:
        """The change of those persons that was begun and broken off, if there is one."""
        query = {"persons": list(persons), "kind": kind, "unfinished": True, "undone_at": None}
        document = await self._changes.find_one(query, {"_id": 1})
        return str(document["_id"]) if document else None

    async def begin(self, entry: Entry, version: int, session: Session) -> None:
        """Write a change that takes several transactions, before the first, unless it is there."""
        document = {**_document(entry, version), "unfinished": True}
        await self._changes.update_one(
            {"_id": document.pop("_id")}, {"$setOnInsert": document}, upsert=True, session=session
        )

    async def go_on(self, entry: Entry, session: Session) -> None:
        """Write what one of those transactions has touched.

        Raises
        ------
        Conflict
            If the change has been undone meanwhile.
        """
        result = await self._changes.update_one(
            {"_id": entry.id, "undone_at": None},
            {"$inc": {"detections": entry.detections}},
            session=session,
        )
        if not result.matched_count:
            raise Conflict(_TAKEN_BACK)
        await self._keep(entry, session)

    async def write(self, entry: Entry, version: int, session: Session) -> None:
        """Write a change, or the last part of one.

        Raises
        ------
        Conflict
            If the change has been undone meanwhile.
        """
        document = _document(entry, version)
        moved = document.pop("detections")
        change_id = document.pop("_id")
        try:
            await self._changes.update_one(
                {"_id": change_id, "undone_at": None},
                {"$set": document, "$inc": {"detections": moved}, "$unset": {"unfinished": ""}},
                upsert=True,
                session=session,
            )
        except DuplicateKeyError as error:
            raise Conflict(_TAKEN_BACK) from error
        await self._keep(entry, session)
        if told := entry.everybody - set(entry.persons):
            await concerns(self._database, version, told, session)

    async def forget(self, person_id: str, session: Session | None = None) -> None:
        """Make final what touched somebody who is to be deleted, and forget what was before it.

        Concerns also those who have become part of them. Without a session it may be any number.
        """
        everybody = await self._part_of(person_id, session)
        theirs: Document = {"persons": {"$in": sorted(everybody)}}
        await self._changes.update_many(
            {**theirs, "final": None}, {"$set": {"final": _DELETED}}, session=session
        )
        await self._images.delete_many(theirs, session=session)

    async def _part_of(self, person_id: str, session: Session | None) -> set[str]:
        """A person, and whoever went into them and is no more."""
        everybody, new = {person_id}, {person_id}
        while new:
            into_them: Document = {"$in": sorted(new)}
            went = {"persons": into_them, "persons.0": into_them, "undone_at": None}
            touched = set(await self._changes.distinct("persons", went, session=session))
            query = {"_id": {"$in": sorted(touched)}}
            there = await self._database["persons"].distinct("_id", query, session=session)
            new = touched - set(there) - everybody
            everybody |= new
        return everybody

    async def _keep(self, entry: Entry, session: Session) -> None:
        if entry.images:
            await self._images.insert_many(entry.images, session=session)


def _document(entry: Entry, version: int) -> Document:
    """`version`, `into` and the pairs are for the undoing; nobody is shown them."""
    return {
        "_id": entry.id,
        "at": milliseconds(datetime.now(UTC)),
        "actor": entry.actor,
        "kind": entry.kind.value,
        "persons": entry.persons,
        "detections": entry.detections,
        "undone_at": None,
        "undone_by": None,
        "final": None,
        "version": version,
        "into": entry.into,
        "distinguished": [list(pair) for pair in entry.distinguished],
        "reconciled": [list(pair) for pair in entry.reconciled],
    }
