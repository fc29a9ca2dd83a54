"""What changes in the database, as it happens: MongoDB's change streams, resumed after a break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from usher.storage.database import Database
from usher.storage.documents import Document

_PAUSE_S = 1.0
_CANNOT_RESUME = (136, 260, 280, 286)
"""Codes by which MongoDB says that the point to resume from is gone from its log."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one document. `document` is None where it was deleted or not asked for."""

    collection: str
    operation: str
    document_id: Any
    document: Document | None


async def changes(
    database: Database,
    collections: Sequence[str],
    *,
    only: Document | None = None,
    with_documents: bool = True,
) -> AsyncIterator[Change]:
    """Every insertion, update and deletion in those collections from now on.

    Ends never: a lost connection is taken up again where it broke. Where the server no longer
    has that point, it goes on from now; readers treat changes as a hint, the database as the truth.

    Parameters
    ----------
    only
        Narrows the changes down: a query on MongoDB's change events.
    with_documents
        Whether the documents come along, as they are when the change is read.
    """
    stages: list[Document] = [{"$match": {"ns.coll": {"$in": list(collections)}, **(only or {})}}]
    if not with_documents:
        stages.append({"$unset": ["fullDocument", "updateDescription"]})
    position: Any = None
    while True:
        try:
            stream = await database.watch(
                stages,
                full_document="updateLookup" if with_documents else None,
                start_after=position,
            )
            async with stream:
                try:
                    async for event in stream:
                        if (change := _change(event)) is not None:
                            yield change
                finally:  # grows also while nothing of ours changes
                    position = stream.resume_token or position
        except PyMongoError as error:
            log.warning("a change stream broke", error=str(error))
            if getattr(error, "code", None) in _CANNOT_RESUME:
                position = None
        await asyncio.sleep(_PAUSE_S)


def _change(event: Document) -> Change | None:
    if "documentKey" not in event:
        return None
    return Change(
        collection=event["ns"]["coll"],
        operation=event["operationType"],
        document_id=event["documentKey"]["_id"],
        document=event.get("fullDocument"),
    )
