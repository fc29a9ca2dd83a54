"""What the tests of `usher.storage` share."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import pytest

from usher.storage.database import Database, connected
from usher.storage.schema import COLLECTIONS, prepare


@pytest.fixture(scope="session")
async def used_name(mongodb_uri: str) -> AsyncIterator[str]:
    """The name of a database that lasts for all tests here.

    Nobody keeps a connection to it: one that sleeps while other tests block the event loop is
    given up, and fails whoever uses it next.
    """
    name = f"test_{uuid.uuid4().hex}"
    yield name
    async with connected(mongodb_uri, name) as database:
        await database.client.drop_database(name)


@pytest.fixture
async def prepared(mongodb_uri: str, used_name: str) -> AsyncIterator[Database]:
    """A database as new, with its collections and indexes, which take a while to make."""
    async with connected(mongodb_uri, used_name) as database:
        for name in COLLECTIONS:
            await database[name].delete_many({})
        await prepare(database)
        yield database
