"""What all tests share: one real MongoDB server, a database for each test, the test data."""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.running import RunningSystem, run_system
from usher.storage.database import Database, connected
from usher.storage.embedded import EmbeddedServer
from usher.storage.schema import COLLECTIONS, prepare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Raises UsageError where two tests share an id: side by side, one of them alone would run."""
    times = Counter(item.nodeid for item in items)
    if shared := [id_ for id_, count in times.items() if count > 1]:
        raise pytest.UsageError(f"several tests are called {shared[0]}")


@pytest.fixture(scope="session")
async def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A replica set: that of USHER_TEST_MONGODB_URI, or an embedded server."""
    given = os.environ.get("USHER_TEST_MONGODB_URI")
    if given:
        yield given
        return
    async with EmbeddedServer(tmp_path_factory.mktemp("mongodb")) as server:
        yield server.uri


@pytest.fixture
async def database(mongodb_uri: str) -> AsyncIterator[Database]:
    """A new, empty database, connected to as the services do, and dropped after the test."""
    async with connected(mongodb_uri, f"test_{uuid.uuid4().hex}") as database:
        yield database
        await database.client.drop_database(database.name)


@pytest.fixture(scope="session")
async def used_name(mongodb_uri: str) -> AsyncIterator[str]:
    """The name of a database that lasts for all tests.

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


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of photographs and videos that are too large for the repository."""
    given = os.environ.get("USHER_TEST_DATA")
    if not given:
        pytest.skip("USHER_TEST_DATA is not set: see CONTRIBUTING.md")
    return Path(given)


@pytest.fixture(scope="module")
def running_system(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    """The API and a classifier, running for the tests of one module."""
    with run_system(mongodb_uri, tmp_path_factory.mktemp("system")) as system:
        yield system


@pytest.fixture(scope="module")
def api(running_system: RunningSystem) -> RunningSystem:
    """The running system, where a test means its API."""
    return running_system
