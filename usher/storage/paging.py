"""Lists by cursor: newest first, stable while records arrive."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from usher.domain.errors import InvalidInput
from usher.storage.database import Collection
from usher.storage.documents import Document


async def newest_first(
    collection: Collection,
    query: Document,
    *,
    by: str,
    cursor: str | None,
    limit: int,
    fields: Document | None = None,
) -> tuple[list[Document], str | None]:
    """One page of a collection and the cursor of the next, None on the last.

    Parameters
    ----------
    by
        The time field that orders the list; `_id` breaks ties.
    fields
        What to read of each document, as MongoDB's projection; all of it where left out.

    Raises
    ------
    InvalidInput
        If the cursor is none of ours.
    """
    bounds = [query] if query else []
    if cursor is not None:
        bounds.append(_beyond(by, cursor))
    found = (
        collection.find({"$and": bounds} if bounds else {}, fields)
        .sort([(by, -1), ("_id", -1)])
        .limit(limit + 1)
    )
    documents = await found.to_list()
    if len(documents) <= limit:
        return documents, None
    page = documents[:limit]
    return page, cursor_after(page[-1], by=by)


def cursor_after(document: Document, *, by: str) -> str:
    """The cursor of what follows a document in a list."""
    return _encode(document[by], document["_id"])


def _beyond(by: str, cursor: str) -> Document:
    moment, last_id = _decode(cursor)
    # The bound on the time alone is what an index starts from.
    later = {"$or": [{by: {"$lt": moment}}, {"_id": {"$lt": last_id}}]}
    return {by: {"$lte": moment}, **later}


def _encode(moment: datetime, last_id: Any) -> str:
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{last_id}".encode()).decode()


def _decode(cursor: str) -> tuple[datetime, str]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
        moment, _, last_id = text.partition("|")
        return datetime.fromisoformat(moment).astimezone(UTC), last_id
    except (binascii.Error, ValueError, OverflowError) as error:
        raise InvalidInput(
            "the cursor is not one that this API gave: start again without it"
        ) from error
