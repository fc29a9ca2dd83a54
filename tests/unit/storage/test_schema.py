"""Collections, indexes and migrations."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from usher.domain.errors import ConfigurationError
from usher.storage import schema
from usher.storage.database import Database, in_transaction
from usher.storage.leases import ASSIGN, Leases
from usher.storage.schema import COLLECTIONS, VERSION, prepare


async def indexed(database: Database, collection: str) -> set[tuple[str, ...]]:
    information = await database[collection].index_information()
    return {tuple(name for name, _ in index["key"]) for index in information.values()}


async def version_of(database: Database) -> int:
    document = await database["settings"].find_one({"_id": "schema"})
    assert document is not None
    return int(document["version"])


async def test_prepare_makes_collections_and_indexes_when_the_database_is_new(
    prepared: Database,
) -> None:
    assert set(COLLECTIONS) <= set(await prepared.list_collection_names())
    assert ("device_id", "idempotency_key") in await indexed(prepared, "detections")
    assert ("status", "captured_at", "_id") in await indexed(prepared, "detections")
    assert ("visit_id",) in await indexed(prepared, "alerts")
    assert ("key_hash",) in await indexed(prepared, "devices")
    assert await version_of(prepared) == VERSION
    for name in COLLECTIONS:
        if name not in ("settings", "leases", "alert_rules"):
            assert await prepared[name].count_documents({}) == 0


async def test_prepare_changes_nothing_when_repeated(prepared: Database) -> None:
    await prepared["settings"].update_one({"_id": "gallery"}, {"$set": {"version": 7}})
    lease = await Leases(prepared).acquire(ASSIGN, "worker", lease_s=30)
    await prepare(prepared)
    gallery = await prepared["settings"].find_one({"_id": "gallery"})
    assert gallery is not None
    assert gallery["version"] == 7
    assert await Leases(prepared).acquire(ASSIGN, "worker", lease_s=30) == lease


async def test_prepare_succeeds_when_several_processes_start_at_once(database: Database) -> None:
    await asyncio.gather(*(prepare(database) for _ in range(6)))
    assert set(COLLECTIONS) <= set(await database.list_collection_names())
    assert await database["leases"].count_documents({}) == 1


async def test_prepare_refuses_the_database_when_it_is_of_a_newer_version(
    prepared: Database,
) -> None:
    await prepared["settings"].update_one({"_id": "schema"}, {"$set": {"version": VERSION + 1}})
    with pytest.raises(ConfigurationError, match="newer Usher"):
        await prepare(prepared)


class TestMigrations:
    @pytest.fixture
    def steps(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Two steps more than there are; the list tells which have run."""
        run: list[int] = []

        def step(version: int) -> Any:
            async def migrate(database: Database) -> None:
                run.append(version)
                await database["cameras"].update_many({}, {"$set": {f"v{version}": True}})

            return migrate

        known = {VERSION + 1: step(VERSION + 1), VERSION + 2: step(VERSION + 2)}
        monkeypatch.setattr(schema, "MIGRATIONS", known)
        monkeypatch.setattr(schema, "VERSION", VERSION + 2)
        return run

    async def test_migrations_run_in_order_and_once_when_the_database_is_older(
        self, prepared: Database, steps: list[int]
    ) -> None:
        await prepared["cameras"].insert_one({"_id": "door"})
        await prepare(prepared)
        await prepare(prepared)
        assert steps == [VERSION + 1, VERSION + 2]
        assert await version_of(prepared) == VERSION + 2
        assert await prepared["cameras"].find_one() == {
            "_id": "door",
            f"v{VERSION + 1}": True,
            f"v{VERSION + 2}": True,
        }

    async def test_migrations_do_not_run_when_the_database_is_new(
        self, database: Database, steps: list[int]
    ) -> None:
        await prepare(database)
        assert steps == []
        assert await version_of(database) == VERSION + 2

    async def test_migration_is_repeated_when_a_crash_came_before_its_version(
        self, prepared: Database, steps: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        second = schema.MIGRATIONS[VERSION + 2]

        async def crash(database: Database) -> None:
            await second(database)
            raise RuntimeError("the power is gone")

        with monkeypatch.context() as broken:
            broken.setitem(schema.MIGRATIONS, VERSION + 2, crash)  # type: ignore[arg-type]
            with pytest.raises(RuntimeError):
                await prepare(prepared)
        assert await version_of(prepared) == VERSION + 1
        await prepare(prepared)
        assert steps == [VERSION + 1, VERSION + 2, VERSION + 2]
        assert await version_of(prepared) == VERSION + 2

    async def test_version_never_goes_back_when_a_slower_process_ends_its_step_later(
        self, prepared: Database, steps: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = schema.MIGRATIONS[VERSION + 1], schema.MIGRATIONS[VERSION + 2]
        seen = []

        async def overtaken(database: Database) -> None:
            with monkeypatch.context() as quick:
                quick.setitem(schema.MIGRATIONS, VERSION + 1, first)  # type: ignore[arg-type]
                await prepare(database)

        async def looking(database: Database) -> None:
            seen.append(await version_of(database))
            await second(database)

        monkeypatch.setitem(schema.MIGRATIONS, VERSION + 1, overtaken)  # type: ignore[arg-type]
        monkeypatch.setitem(schema.MIGRATIONS, VERSION + 2, looking)  # type: ignore[arg-type]
        await prepare(prepared)
        assert seen == [VERSION + 1, VERSION + 2]  # the quick one's, then the slow one's


async def test_transaction_writes_nothing_when_it_breaks_in_the_middle(prepared: Database) -> None:
    async def work(session: Any) -> None:
        await prepared["cameras"].insert_one({"_id": "door"}, session=session)
        raise RuntimeError("the power is gone")

    with pytest.raises(RuntimeError):
        await in_transaction(prepared, work)
    assert await prepared["cameras"].count_documents({}) == 0
