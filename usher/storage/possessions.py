"""What is stored of a person in bulk, moved or removed in steps.

One transaction can hold some ten thousand changes before the server gives it up (its cache is
full, or its minute is over), and all that time it keeps others waiting. So the bulk goes first, and
the transaction that changes who is who has only a rest to deal with. Broken off between two steps,
the persons are all still there, and the same change, made again, goes on from where it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from usher.domain.errors import NotFound
from usher.domain.records import ChangeKind
from usher.storage.database import Collection, Database, Session, in_transaction
from usher.storage.documents import Document
from usher.storage.journal import Entry, Journal

STEP = 1000
POSSESSIONS = ("detections", "visits", "alerts", "faces")
_IN_BULK = ("detections", "visits", "alerts")
_ALTERED = {
    "detections": ("person_id", "candidate_id"),
    "visits": ("person_id", "started_at", "last_at"),
    "alerts": ("person_id",),
    "faces": ("person_id",),
}


async def remove_all_but_a_rest(database: Database, person_id: str) -> tuple[set[str], list[int]]:
    """Remove a person's detections, visits and alerts, except the last thousand of each.

    Returns
    -------
    tuple
        The crops that no record holds any more, and how many of each kind went.
    """
    crops: set[str] = set()
    removed = []
    for name in _IN_BULK:
        count = 0
        while step := await _step(database[name], {"person_id": person_id}):
            ids = [document["_id"] for document in step]
            query = {"_id": {"$in": ids}, "person_id": person_id}
            await database["before_images"].delete_many({"document_id": {"$in": ids}})
            count += (await database[name].delete_many(query)).deleted_count
            crops.update(document["crop"] for document in step if "crop" in document)
        removed.append(count)
    return crops, removed


async def has_bulk(database: Database, person_ids: Sequence[str]) -> bool:
    """Whether those persons have more than one transaction should move."""
    theirs = {"person_id": {"$in": list(person_ids)}}
    for name in _IN_BULK:
        if await _step(database[name], theirs):
            return True
    return False


async def move_all_but_a_rest(
    database: Database, others: Sequence[str], into: str, change: Entry
) -> None:
    """Give the detections, visits and alerts of others to a person, except the last thousand.

    Parameters
    ----------
    change
        Has been begun in the journal; what is moved is kept there.
    """
    theirs = {"person_id": {"$in": list(others)}}
    for name in _IN_BULK:
        while step := await _step(database[name], theirs):
            ids = [document["_id"] for document in step]
            await _move(database, name, {"_id": {"$in": ids}, **theirs}, into, change)


async def give(
    database: Database, name: str, query: Document, entry: Entry, session: Session
) -> None:
    """Give what a query finds to the entry's person, and keep there whose it was."""
    altered = _ALTERED[name]
    found = await database[name].find(query, dict.fromkeys(altered, 1), session=session).to_list()
    for document in found:
        entry.alters(name, document, altered)
    changes: Document = {"person_id": entry.into}
    if name == "detections":
        entry.detections += len(found)
        answered = {"$in": ["$candidate_id", entry.persons]}
        changes["candidate_id"] = {"$cond": [answered, None, "$candidate_id"]}
    await database[name].update_many(query, [{"$set": changes}], session=session)


async def _step(collection: Collection, query: Document) -> list[Document]:
    """The next documents to deal with; none where the rest is small."""
    found = collection.find(query, {"crop": 1}).limit(STEP + 1)
    documents = await found.to_list()
    return documents[:STEP] if len(documents) > STEP else []


async def _move(database: Database, name: str, query: Document, into: str, change: Entry) -> None:
    async def work(session: Session) -> None:
        # Touched, so that nobody can remove the person meanwhile.
        touched = await database["persons"].update_one(
            {"_id": into}, {"$inc": {"touched": 1}}, session=session
        )
        if not touched.matched_count:
            raise NotFound(f"there is no person {into}")
        part = Entry(
            ChangeKind.MERGE,
            actor=change.actor,
            persons=change.persons,
            into=into,
            change_id=change.id,
        )
        await give(database, name, query, part, session)
        await Journal(database).go_on(part, session)

    await in_transaction(database, work)
