"""Change streams that go on after a break."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from usher.storage import changes as module
from usher.storage.changes import Change, changes
from usher.storage.database import Database, connected
from usher.storage.embedded import EmbeddedServer
from usher.storage.schema import prepare


@pytest.fixture(autouse=True)
def _short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE_S", 0.1)


@asynccontextmanager
async def listening(
    database: Database, *collections: str, with_documents: bool = True
) -> AsyncIterator[asyncio.Queue[Change]]:
    """Changes as they come, from before the block begins."""
    queue: asyncio.Queue[Change] = asyncio.Queue()

    async def listen() -> None:
        async for change in changes(database, collections, with_documents=with_documents):
            queue.put_nowait(change)

    task = asyncio.create_task(listen())
    try:
        async with asyncio.timeout(10):
            while queue.empty():  # until the stream is open, writes go unheard
                await database[collections[0]].insert_one({"_id": os.urandom(4).hex()})
                await asyncio.sleep(0.05)
        await drain(queue)
        yield queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def drain(queue: asyncio.Queue[Change]) -> None:
    while True:
        try:
            await asyncio.wait_for(queue.get(), 0.3)
        except TimeoutError:
            return


async def following(queue: asyncio.Queue[Change]) -> Change:
    return await asyncio.wait_for(queue.get(), 20)


async def kill_streams(database: Database) -> int:
    """End the change streams of this database on the server; how many there were."""
    admin = database.client["admin"]
    found = await (
        await admin.aggregate(
            [
                {"$currentOp": {"idleCursors": True, "localOps": True}},
                {"$match": {"ns": {"$regex": f"^{database.name}\\."}}},
            ]
        )
    ).to_list()
    cursors = [
        entry["cursor"]["cursorId"] for entry in found if entry.get("cursor", {}).get("tailable")
    ]
    if cursors:
        await database.command("killCursors", "$cmd.aggregate", cursors=cursors)
    return len(cursors)


async def test_changes_tell_what_happened_when_documents_change(prepared: Database) -> None:
    async with listening(prepared, "audit", "cameras") as queue:
        await prepared["cameras"].insert_one({"_id": "door", "n": 1})
        await prepared["devices"].insert_one({"_id": "unwatched", "key_hash": "x"})
        await prepared["cameras"].update_one({"_id": "door"}, {"$set": {"n": 2}})
        inserted, updated = await following(queue), await following(queue)
        await prepared["cameras"].delete_one({"_id": "door"})
        deleted = await following(queue)
    assert (inserted.collection, inserted.operation) == ("cameras", "insert")
    assert (updated.operation, updated.document) == ("update", {"_id": "door", "n": 2})
    assert (deleted.operation, deleted.document_id, deleted.document) == ("delete", "door", None)


async def test_changes_bring_no_documents_when_they_are_not_asked_for(prepared: Database) -> None:
    async with listening(prepared, "audit", with_documents=False) as queue:
        await prepared["audit"].insert_one({"_id": "one", "n": 1})
        await prepared["audit"].update_one({"_id": "one"}, {"$set": {"n": 2}})
        told = [await following(queue), await following(queue)]
    assert [(change.operation, change.document) for change in told] == [
        ("insert", None),
        ("update", None),
    ]


async def test_changes_miss_nothing_when_their_cursor_is_killed(prepared: Database) -> None:
    async with listening(prepared, "audit") as queue:
        for number in range(3):
            killed = await kill_streams(prepared)
            await prepared["audit"].insert_one({"_id": number})
            assert (await following(queue)).document_id == number
            assert killed >= 1


async def test_changes_go_on_from_now_when_their_place_in_the_log_is_gone(
    prepared: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(prepared, "audit") as queue:
        # Dropping the database ends a stream for good: what came before cannot be resumed.
        name = prepared.name
        await prepared.client.drop_database(name)
        await prepare(prepared)
        async with asyncio.timeout(10):
            while queue.empty() or queue.get_nowait().operation != "insert":
                await prepared["audit"].insert_one({"_id": os.urandom(4).hex()})
                await asyncio.sleep(0.1)


async def test_changes_miss_nothing_when_the_server_is_killed_and_started_again(
    tmp_path: Path,
) -> None:
    async with (
        EmbeddedServer(tmp_path / "mongodb") as server,
        connected(server.uri, "test") as database,
    ):
        await prepare(database)
        async with listening(database, "audit") as queue:
            await database["audit"].insert_one({"_id": "before"})
            assert (await following(queue)).document_id == "before"
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await server.wait()
            await server.start()
            async with connected(server.uri, "test") as another:
                await another["audit"].insert_one({"_id": "after"})
            assert (await following(queue)).document_id == "after"
