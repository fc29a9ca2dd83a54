"""What the tests of `usher.storage` share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from usher.storage.database import Database, connected
from usher.storage.schema import COLLECTIONS, prepare


@pytest.fixture(scope="session")
async def used_database(mongodb_uri: str) -> AsyncIterator[Database]:
    async with connected(mongodb_uri, f"test_{uuid.uuid4().hex}") as database:
        await prepare(database)
        yield database
        await database.client.drop_database(database.name)


@pytest.fixture
async def prepared(used_database: Database) -> Database:
    """A database as new, with its collections and indexes, which take a while to make."""
    for name in COLLECTIONS:
        await used_database[name].delete_many({})
    await prepare(used_database)
    return used_database
