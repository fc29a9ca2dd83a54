"""Lists by cursor."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.storage.making import NOON
from usher.domain.errors import InvalidInput
from usher.storage.database import Database
from usher.storage.documents import Document
from usher.storage.paging import newest_first


async def listed(database: Database, limit: int, query: Document | None = None) -> list[str]:
    """All ids, page by page."""
    ids: list[str] = []
    cursor = None
    while True:
        page, cursor = await newest_first(
            database["audit"], query or {}, by="at", cursor=cursor, limit=limit
        )
        assert len(page) <= limit
        ids.extend(document["_id"] for document in page)
        if cursor is None:
            return ids


@pytest.fixture
async def filled(prepared: Database) -> Database:
    """Ten entries, of which each two have the same time."""
    await prepared["audit"].insert_many(
        {"_id": f"e{number}", "at": NOON + timedelta(milliseconds=number // 2), "odd": number % 2}
        for number in range(10)
    )
    return prepared


@pytest.mark.parametrize("limit", [1, 2, 3, 9, 10, 11])
async def test_page_gives_each_entry_once_newest_first_when_times_are_equal(
    filled: Database, limit: int
) -> None:
    assert await listed(filled, limit) == [f"e{number}" for number in reversed(range(10))]


async def test_page_gives_only_what_was_asked_for_when_there_is_a_query(filled: Database) -> None:
    assert await listed(filled, 2, {"odd": 1}) == ["e9", "e7", "e5", "e3", "e1"]


async def test_page_is_empty_when_there_is_nothing(prepared: Database) -> None:
    assert await newest_first(prepared["audit"], {}, by="at", cursor=None, limit=5) == ([], None)


async def test_page_repeats_and_loses_nothing_when_entries_arrive_meanwhile(
    filled: Database,
) -> None:
    first, cursor = await newest_first(filled["audit"], {}, by="at", cursor=None, limit=4)
    await filled["audit"].insert_one({"_id": "new", "at": NOON + timedelta(seconds=1)})
    second, _ = await newest_first(filled["audit"], {}, by="at", cursor=cursor, limit=20)
    ids = [document["_id"] for document in (*first, *second)]
    assert ids == [f"e{number}" for number in reversed(range(10))]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",  # no id, and not aware
        "yesterday|e1",
        "|",
        datetime.min.replace(tzinfo=UTC).isoformat().replace("+00:00", "+23:59") + "|e1",
    ],
)
async def test_page_refuses_or_survives_the_cursor_when_it_was_made_up(
    filled: Database, text: str
) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).decode()
    try:
        await newest_first(filled["audit"], {}, by="at", cursor=cursor, limit=5)
    except InvalidInput as error:
        assert "start again" in str(error)


@pytest.mark.parametrize("cursor", ["", "%%%", "a", "ä", "AAAA", "//79"])
async def test_page_refuses_the_cursor_when_it_is_not_base64_of_one(
    filled: Database, cursor: str
) -> None:
    with pytest.raises(InvalidInput, match="start again"):
        await newest_first(filled["audit"], {}, by="at", cursor=cursor, limit=5)


async def test_page_gives_what_was_there_at_the_start_once_when_entries_arrive_at_every_page(
    filled: Database,
) -> None:
    seen: list[str] = []
    cursor = None
    for number in range(100):
        page, cursor = await newest_first(filled["audit"], {}, by="at", cursor=cursor, limit=1)
        seen.extend(document["_id"] for document in page)
        if cursor is None:
            break
        if number >= 5:
            continue
        # Newer, older, and at the very moment of an entry, before and after it.
        moments = {"new": 9_000, "old": -9_000, "a": number // 2, "z": number // 2}
        await filled["audit"].insert_many(
            {"_id": f"{name}{number}", "at": NOON + timedelta(milliseconds=at)}
            for name, at in moments.items()
        )
    assert len(seen) == len(set(seen))
    assert {f"e{number}" for number in range(10)} <= set(seen)
    assert not any(one.startswith("new") for one in seen)
