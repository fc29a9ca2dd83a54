"""The gallery's version, and whom each change of it concerned.

The document `settings/gallery` has a version that every change of who is who raises, in its own
transaction. The classifier decides against the gallery of one version and commits only while that
version stands. So MongoDB itself keeps identity changes one after the other, whoever makes them.
`gallery_changes` keeps for a day whom each version concerned, so that whoever holds a gallery in
memory can follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from pymongo import ReturnDocument

from usher.domain.errors import LeaseLost
from usher.storage.database import Database, Session

ANOTHER_VERSION = "somebody else has changed who is who: decide again"


async def gallery_version(database: Database, session: Session | None = None) -> int:
    """The gallery's version now."""
    document = await database["settings"].find_one({"_id": "gallery"}, session=session)
    return int(document["version"]) if document else 0


async def raise_version(
    database: Database, session: Session, *, persons: Iterable[str], expected: int | None = None
) -> int:
    """Raise the gallery's version; a concurrent identity change makes this one wait or fail.

    Parameters
    ----------
    persons
        Whose references, kind or `distinct_from` may change in this transaction.
    expected
        The version that the change was decided against.

    Returns
    -------
    int
        The new version.

    Raises
    ------
    LeaseLost
        If the gallery has another version than was expected.
    """
    query = {"_id": "gallery"} if expected is None else {"_id": "gallery", "version": expected}
    document = await database["settings"].find_one_and_update(
        query, {"$inc": {"version": 1}}, return_document=ReturnDocument.AFTER, session=session
    )
    if document is None:
        raise LeaseLost(ANOTHER_VERSION)
    version = int(document["version"])
    await database["gallery_changes"].insert_one(
        {"_id": version, "persons": sorted(set(persons)), "at": datetime.now(UTC)}, session=session
    )
    return version


async def concerns(
    database: Database, version: int, persons: Iterable[str], session: Session
) -> None:
    """Add to those whom a version concerns, in the transaction that has raised it."""
    await database["gallery_changes"].update_one(
        {"_id": version},
        {"$addToSet": {"persons": {"$each": sorted(set(persons))}}},
        session=session,
    )
