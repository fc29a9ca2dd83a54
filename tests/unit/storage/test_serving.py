"""Which embedder serves, and how another comes to."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from tests.unit.storage.making import embedded, face
from usher.domain.errors import ConfigurationError, Conflict, LeaseLost
from usher.storage import serving as module
from usher.storage.database import Database
from usher.storage.documents import to_document
from usher.storage.leases import ASSIGN, Lease, Leases
from usher.storage.serving import ANOTHER_SERVES, MODEL_CHANGED, Embedders, Named, Serving

OLD, NEW = Named("old", "model-old"), Named("new", "model-new")


@pytest.fixture
def embedders(prepared: Database) -> Embedders:
    return Embedders(prepared)


async def started(embedders: Embedders, embedder: Named) -> str:
    """As a service starts that is told to use that embedder; the one that it has to load."""
    name = await embedders.choose(embedder.name)
    if name == embedder.name:
        await embedders.begin(embedder)
    return name


async def enrol(database: Database) -> None:
    await database["faces"].insert_one(to_document(face("p-1")))


async def version(database: Database) -> int:
    document = await database["settings"].find_one({"_id": "gallery"})
    assert document is not None
    return int(document["version"])


class TestStarting:
    async def test_embedder_serves_when_it_is_the_first(self, embedders: Embedders) -> None:
        assert await embedders.serving() is None
        assert await embedders.serves("whatever")
        assert await started(embedders, OLD) == "old"
        assert await embedders.serving() == Serving(OLD)
        assert not await embedders.serves("model-new")

    async def test_embedder_is_taken_over_when_nothing_is_described(
        self, embedders: Embedders
    ) -> None:
        await started(embedders, OLD)
        assert await started(embedders, NEW) == "new"
        assert await embedders.serving() == Serving(NEW)

    @pytest.mark.parametrize("collection", ["faces", "detections"])
    async def test_database_wins_when_something_is_described(
        self, embedders: Embedders, prepared: Database, collection: str
    ) -> None:
        await started(embedders, OLD)
        record = face("p-1") if collection == "faces" else embedded()
        await prepared[collection].insert_one(to_document(record))
        with capture_logs() as logs:
            assert await started(embedders, NEW) == "old"
        (entry,) = logs
        assert (entry["event"], entry["serving"], entry["wanted"]) == (ANOTHER_SERVES, "old", "new")
        assert await embedders.serving() == Serving(OLD)

    async def test_start_is_refused_when_a_name_makes_other_vectors_than_before(
        self, embedders: Embedders, prepared: Database
    ) -> None:
        await started(embedders, OLD)
        changed = Named("old", "model-old-2")
        await embedders.begin(changed)
        assert await embedders.serving() == Serving(changed)
        await enrol(prepared)
        with pytest.raises(ConfigurationError, match="usher models prepare old"):
            await embedders.begin(OLD)


class TestNoticing:
    @pytest.fixture(autouse=True)
    def _soon(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "NOTICED_WITHIN_S", 0.02)

    async def test_wait_ends_with_a_log_when_another_model_serves(
        self, embedders: Embedders
    ) -> None:
        await started(embedders, OLD)
        with capture_logs() as logs:
            waiting = asyncio.create_task(embedders.until_another_serves("model-old"))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            await started(embedders, NEW)
            await asyncio.wait_for(waiting, 5)
        assert [entry["event"] for entry in logs] == [MODEL_CHANGED]

    async def test_wait_says_once_that_nobody_is_assigned_when_a_change_is_under_way(
        self, embedders: Embedders
    ) -> None:
        await started(embedders, OLD)
        await embedders.put_beside(NEW)
        await embedders.begin_change()
        with capture_logs() as logs:
            waiting = asyncio.create_task(embedders.until_another_serves("model-old"))
            await asyncio.sleep(0.2)
            waiting.cancel()
        assert [entry["event"] for entry in logs] == [module.CHANGING]

    async def test_wait_goes_on_when_the_database_was_away(
        self, embedders: Embedders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await started(embedders, NEW)
        serving, calls = embedders.serving, 0

        async def flaky() -> Serving | None:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise AutoReconnect("away")
            return await serving()

        monkeypatch.setattr(embedders, "serving", flaky)
        await asyncio.wait_for(embedders.until_another_serves("model-old"), 5)
        assert calls == 2


class TestChanging:
    @pytest.fixture(autouse=True)
    async def _both(self, embedders: Embedders) -> None:
        await started(embedders, OLD)
        await embedders.put_beside(NEW)

    async def test_other_serves_and_references_are_read_anew_when_a_change_ends(
        self, embedders: Embedders, prepared: Database
    ) -> None:
        before = await version(prepared)
        lease = await embedders.begin_change()
        assert await embedders.serving() == Serving(OLD, NEW, changing=True)
        await embedders.end_change(lease, switched=True)
        assert await embedders.serving() == Serving(NEW, OLD, served_before=True)
        assert await version(prepared) == before + 1
        assert not await prepared["gallery_changes"].count_documents({})

    async def test_other_stays_beside_when_a_change_ends_without_a_switch(
        self, embedders: Embedders
    ) -> None:
        lease = await embedders.begin_change()
        await embedders.end_change(lease, switched=False)
        assert await embedders.serving() == Serving(OLD, NEW)

    async def test_nobody_assigns_from_the_beginning_of_a_change_to_its_end(
        self, embedders: Embedders, prepared: Database
    ) -> None:
        leases = Leases(prepared)
        held = await leases.acquire(ASSIGN, "classifier", lease_s=60)
        assert held is not None
        lease = await embedders.begin_change()
        assert lease.token > held.token
        assert await leases.acquire(ASSIGN, "classifier", lease_s=60) is None
        document = await prepared["leases"].find_one({"_id": ASSIGN})
        assert document is not None
        assert document["available_at"] > datetime(datetime.now(UTC).year + 5, 1, 1, tzinfo=UTC)
        await embedders.end_change(lease, switched=True)
        assert await leases.acquire(ASSIGN, "classifier", lease_s=60) is not None

    async def test_change_goes_on_when_it_was_broken_off(self, embedders: Embedders) -> None:
        lease = await embedders.begin_change()
        assert await embedders.begin_change() == lease

    async def test_change_does_not_end_when_its_lease_is_lost(
        self, embedders: Embedders, prepared: Database
    ) -> None:
        lease = await embedders.begin_change()
        before = await version(prepared)
        with pytest.raises(LeaseLost):
            await embedders.end_change(
                Lease(lease.name, lease.owner, lease.token - 1), switched=True
            )
        assert await embedders.serving() == Serving(OLD, NEW, changing=True)
        assert await version(prepared) == before

    async def test_another_is_not_put_beside_while_a_change_is_under_way(
        self, embedders: Embedders
    ) -> None:
        await embedders.begin_change()
        with pytest.raises(Conflict, match="under way"):
            await embedders.put_beside(Named("third", "model-third"))
