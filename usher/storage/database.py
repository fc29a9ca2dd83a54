"""The connection to MongoDB: one client an event loop, safe writes, errors translated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from usher.domain.errors import Unavailable
from usher.storage.documents import Document

Database = AsyncDatabase[Document]
Collection = AsyncCollection[Document]
Session = AsyncClientSession
Result = TypeVar("Result")

_CLOSE_WITHIN_S = 1.0

DURABLE = WriteConcern(w="majority", j=True)
"""An acknowledged write is on disk and survives the election of another primary."""


def connect(uri: str, name: str, *, timeout_ms: int = 10_000) -> Database:
    """The database `name` at `uri`. Nothing is sent before the first operation.

    Close it with `await database.client.close()`.
    """
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        uri,
        tz_aware=True,
        appname="usher",
        serverSelectionTimeoutMS=timeout_ms,
        uuidRepresentation="standard",
    )
    return client.get_database(name, write_concern=DURABLE, read_concern=ReadConcern("majority"))


@asynccontextmanager
async def connected(uri: str, name: str) -> AsyncIterator[Database]:
    """A database that is reachable now and closed in the end.

    Raises
    ------
    Unavailable
        If no server answers.
    """
    database = connect(uri, name)
    try:
        await ping(database)
        yield database
    finally:
        # A server that hangs is not waited for: what is ours there ends by itself.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await database.client.close()


async def ping(database: Database) -> None:
    """Raise Unavailable unless the database answers."""
    try:
        await database.command("ping")
    except PyMongoError as error:
        raise Unavailable("MongoDB does not answer: is it running?") from error


async def in_transaction(
    database: Database, work: Callable[[Session], Awaitable[Result]]
) -> Result:
    """Run `work` in a transaction: all of its writes or none.

    `work` may run several times, where it meets a write that another transaction is making, and
    must not have effects outside of the database.
    """

    async with database.client.start_session() as session:
        return await transact(session, work)


async def transact(session: Session, work: Callable[[Session], Awaitable[Result]]) -> Result:
    """Like `in_transaction`, in a session that the caller has."""

    async def run(session: Session) -> Any:
        return await work(session)

    result: Result = await session.with_transaction(
        run, read_concern=ReadConcern("snapshot"), write_concern=DURABLE
    )
    return result


_PASSING_LABELS = (
    "TransientTransactionError",
    "UnknownTransactionCommitResult",
    "RetryableWriteError",
)
_PASSING_CODES = (
    43,  # CursorNotFound
    50,  # MaxTimeMSExpired
    64,  # WriteConcernFailed
    112,  # WriteConflict
    237,  # CursorKilled
    239,  # SnapshotTooOld
    246,  # SnapshotUnavailable
    11601,  # Interrupted
)


def is_passing(error: PyMongoError) -> bool:
    """Whether the same operation may succeed soon: the server is away, or another one won."""
    return (
        isinstance(error, ConnectionFailure)
        or any(error.has_error_label(label) for label in _PASSING_LABELS)
        or getattr(error, "code", None) in _PASSING_CODES
    )
