"""Several persons who turn out to be one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from usher.domain.errors import Conflict, NotFound
from usher.domain.identifiers import new_id
from usher.domain.records import ChangeKind, Person, PersonKind
from usher.storage.database import Database, Session, in_transaction
from usher.storage.distinctions import distinguish, pairs_with, reconcile
from usher.storage.documents import Document
from usher.storage.journal import Entry, Journal
from usher.storage.people import People
from usher.storage.possessions import POSSESSIONS, give, has_bulk, move_all_but_a_rest
from usher.storage.questions import settle_questions
from usher.storage.versions import raise_version


class Merge:
    """Folds others into a person.

    Of somebody with thousands of detections these are moved first, in steps: a merge that was
    broken off can be made again, and goes on under the entry that it has in the history.

    Raises
    ------
    Conflict
        If somebody is to be merged with themselves.
    """

    def __init__(self, database: Database, into: str, others: Sequence[str], *, actor: str) -> None:
        if into in others:
            raise Conflict("a person cannot be merged with themselves")
        self._database = database
        self._journal = Journal(database)
        self._people = People(database)
        self._into = into
        self._others = sorted(set(others))
        self._actor = actor
        self._change_id = new_id()

    @property
    def _everybody(self) -> list[str]:
        return [self._into, *self._others]

    async def move_bulk(self, *, expected: int | None = None) -> int | None:
        """Move all but a rest. Raises LeaseLost where another version was expected.

        Returns
        -------
        int or None
            The version that the rest is to expect.
        """
        broken_off = await self._journal.unfinished(ChangeKind.MERGE, self._everybody)
        self._change_id = broken_off or self._change_id
        if not await has_bulk(self._database, self._others):
            return expected
        version = await in_transaction(
            self._database, lambda session: self._begin(session, expected)
        )
        await move_all_but_a_rest(self._database, self._others, self._into, self._entry())
        return version if expected is not None else None

    async def finish(self, session: Session, *, expected: int | None = None) -> tuple[Person, int]:
        """Move the rest and remove the others; who they are now, and the gallery's new version.

        Raises
        ------
        NotFound
            If one of them does not exist.
        """
        entry = self._entry()
        version = await raise_version(
            self._database, session, persons=self._everybody, expected=expected
        )
        documents = await self._documents(session)
        await self._move_rest(entry, session)
        await self._answer(entry, session)
        merged = await self._fold(documents, entry, session)
        if merged.kind is not PersonKind.UNKNOWN:
            await settle_questions(self._database, self._into, entry, session)
        await self._journal.write(entry, version, session)
        return merged, version

    async def _begin(self, session: Session, expected: int | None) -> int:
        version = await raise_version(
            self._database, session, persons=self._everybody, expected=expected
        )
        await self._journal.begin(self._entry(), version, session)
        return version

    def _entry(self) -> Entry:
        return Entry(
            ChangeKind.MERGE,
            actor=self._actor,
            persons=self._everybody,
            into=self._into,
            change_id=self._change_id,
        )

    async def _documents(self, session: Session) -> Mapping[str, Document]:
        found = self._database["persons"].find({"_id": {"$in": self._everybody}}, session=session)
        documents = {document["_id"]: document for document in await found.to_list()}
        if missing := set(self._everybody) - documents.keys():
            raise NotFound(f"there is no person {min(missing)}")
        return documents

    async def _move_rest(self, entry: Entry, session: Session) -> None:
        theirs = {"person_id": {"$in": self._others}}
        for name in POSSESSIONS:
            await give(self._database, name, theirs, entry, session)

    async def _answer(self, entry: Entry, session: Session) -> None:
        """Settle which detections still ask for one of them, or were said not to show one."""
        everybody, others = self._everybody, self._others
        await self._alter("candidate_id", everybody, None, entry, session, own=True)
        await self._alter("candidate_id", others, self._into, entry, session)
        none_of_them: Document = {"$setDifference": ["$not_persons", everybody]}
        await self._alter("not_persons", everybody, none_of_them, entry, session, own=True)
        but_into = {"$setUnion": [{"$setDifference": ["$not_persons", others]}, [self._into]]}
        await self._alter("not_persons", others, but_into, entry, session)

    async def _alter(
        self,
        name: str,
        among: Sequence[str],
        value: Any,
        entry: Entry,
        session: Session,
        *,
        own: bool = False,
    ) -> None:
        """Change a field where it holds one of those ids; with `own`, of the person's detections
        alone."""
        query: Document = {"$and": [{name: {"$in": list(among)}}, *_INDEXED[name]]}
        if own:
            query["person_id"] = self._into
        detections = self._database["detections"]
        for document in await detections.find(query, {name: 1}, session=session).to_list():
            entry.alters("detections", document, [name])
        await detections.update_many(query, [{"$set": {name: value}}], session=session)

    async def _fold(
        self, documents: Mapping[str, Document], entry: Entry, session: Session
    ) -> Person:
        """Remove the others, to whom it then falls whom they were told apart from."""
        persons = self._database["persons"]
        apart = {id_: document.get("distinct_from", ()) for id_, document in documents.items()}
        within = pairs_with(self._into, apart[self._into]) & pairs_with(self._into, self._others)
        theirs = set(chain.from_iterable(pairs_with(id_, apart[id_]) for id_ in self._others))
        entry.reconciled = await reconcile(self._database, within | theirs, session)
        for id_ in self._others:
            entry.removes("persons", documents[id_])
        await persons.delete_many({"_id": {"$in": self._others}}, session=session)
        outside = set(chain.from_iterable(theirs)) - set(self._everybody)
        entry.distinguished = await distinguish(
            self._database, pairs_with(self._into, outside), session
        )
        inherited = _inherited([documents[id_] for id_ in self._everybody])
        if inherited:
            entry.alters("persons", documents[self._into], inherited)
            await persons.update_one({"_id": self._into}, {"$set": inherited}, session=session)
        return await self._people.get(self._into, session=session)


_INDEXED: Mapping[str, Sequence[Document]] = {
    "candidate_id": [{"candidate_id": {"$type": "string"}}],
    "not_persons": [{"not_persons.0": {"$exists": True}}],
}
"""What a query has to say for MongoDB to use the partial index on the field."""

_DETAILS = ("class_name", "valid_from", "valid_until", "managers")


def _inherited(persons: Sequence[Document]) -> Document:
    """What the first one takes over, who has no name, from the first other who has one."""
    target = persons[0]
    named = next((person for person in persons if person["name"] is not None), target)
    if named is target or target["name"] is not None:
        return {}
    notes = {} if target["notes"] else {"notes": named["notes"]}
    details = {name: named[name] for name in _DETAILS if not target.get(name) and named.get(name)}
    return {"kind": named["kind"], "name": named["name"], **notes, **details}
