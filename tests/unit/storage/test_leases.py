"""Leases: one holder, hand-over, fencing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from usher.domain.errors import LeaseLost
from usher.storage.database import Database, Session, in_transaction
from usher.storage.leases import ASSIGN, Lease, Leases

SHORT_S = 0.2


@pytest.fixture
def leases(prepared: Database) -> Leases:
    return Leases(prepared)


async def taken(leases: Leases, owner: str, *, lease_s: float = 30) -> Lease:
    lease = await leases.acquire(ASSIGN, owner, lease_s=lease_s)
    assert lease is not None
    return lease


@asynccontextmanager
async def transaction_that_hangs(
    database: Database, leases: Leases, lease: Lease
) -> AsyncIterator[Session]:
    """What a worker leaves that was killed in the middle: the server does not notice."""
    async with database.client.start_session() as session:
        await leases.bind(lease, session)
        await session.start_transaction()
        await leases.hold(lease, lease_s=SHORT_S, session=session)
        yield session


async def test_lease_has_one_holder_when_many_ask_at_once(leases: Leases) -> None:
    got = await asyncio.gather(
        *(leases.acquire(ASSIGN, f"worker {number}", lease_s=30) for number in range(20))
    )
    assert sum(lease is not None for lease in got) == 1


async def test_lease_keeps_its_token_when_its_holder_asks_again(leases: Leases) -> None:
    assert await taken(leases, "one") == await taken(leases, "one")
    assert await leases.acquire(ASSIGN, "other", lease_s=30) is None


async def test_lease_changes_hands_with_a_grown_token_when_it_has_expired(leases: Leases) -> None:
    first = await taken(leases, "one", lease_s=SHORT_S)
    assert await leases.acquire(ASSIGN, "other", lease_s=30) is None
    await asyncio.sleep(1.5 * SHORT_S)
    second = await taken(leases, "other")
    assert second.token > first.token
    assert await leases.acquire(ASSIGN, "one", lease_s=30) is None


async def test_lease_changes_hands_at_once_when_it_is_given_back(leases: Leases) -> None:
    first = await taken(leases, "one")
    await leases.release(first)
    second = await taken(leases, "other")
    await leases.release(first)  # too late: harmless
    assert await leases.acquire(ASSIGN, "one", lease_s=30) is None
    assert second.token > first.token


async def test_lease_is_new_when_it_returns_to_a_former_holder(leases: Leases) -> None:
    first = await taken(leases, "one")
    await leases.release(first)
    await leases.release(await taken(leases, "other"))
    assert (await taken(leases, "one")).token > first.token + 1


async def test_lease_lasts_longer_when_a_transaction_holds_it(
    prepared: Database, leases: Leases
) -> None:
    lease = await taken(leases, "one", lease_s=SHORT_S)
    await in_transaction(prepared, lambda session: leases.hold(lease, lease_s=30, session=session))
    await asyncio.sleep(1.5 * SHORT_S)
    assert await leases.acquire(ASSIGN, "other", lease_s=30) is None


async def test_transaction_writes_nothing_when_its_lease_has_changed_hands(
    prepared: Database, leases: Leases
) -> None:
    stale = await taken(leases, "one", lease_s=SHORT_S)
    await asyncio.sleep(1.5 * SHORT_S)
    await taken(leases, "other")

    async def work(session: Session) -> None:
        await prepared["audit"].insert_one({"_id": "stale"}, session=session)
        await leases.hold(stale, lease_s=30, session=session)

    with pytest.raises(LeaseLost):
        await in_transaction(prepared, work)
    assert await prepared["audit"].count_documents({}) == 0


async def test_bind_is_refused_when_the_lease_has_changed_hands(
    prepared: Database, leases: Leases
) -> None:
    stale = await taken(leases, "one")
    await leases.release(stale)
    async with prepared.client.start_session() as session:
        with pytest.raises(LeaseLost):
            await leases.bind(stale, session)


async def test_lease_changes_hands_at_once_when_its_holder_left_a_transaction_open(
    prepared: Database, leases: Leases
) -> None:
    lease = await taken(leases, "one", lease_s=SHORT_S)
    async with transaction_that_hangs(prepared, leases, lease) as session:
        await prepared["audit"].insert_one({"_id": "stale"}, session=session)
        await asyncio.sleep(2 * SHORT_S)
        async with asyncio.timeout(5):  # by itself the server would wait for a minute
            following = await taken(leases, "other")
            await prepared["audit"].insert_one({"_id": "fresh"})
    assert following.token > lease.token
    assert [entry["_id"] async for entry in prepared["audit"].find()] == ["fresh"]


async def test_open_transaction_stays_when_its_lease_has_not_expired(
    prepared: Database, leases: Leases
) -> None:
    lease = await taken(leases, "one")
    async with prepared.client.start_session() as session:
        await leases.bind(lease, session)
        await session.start_transaction()
        await leases.hold(lease, lease_s=30, session=session)
        assert await leases.acquire(ASSIGN, "other", lease_s=30) is None
        await session.commit_transaction()
