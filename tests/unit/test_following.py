"""What is known in memory is what the database holds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.unit.storage.house import BOSS, House
from tests.unit.storage.making import MODEL, embedding, face
from usher.domain.records import PersonKind
from usher.following import Follower
from usher.identity.decide import Identifier
from usher.identity.measured import impostors_of
from usher.identity.rules import FixedRule
from usher.storage.database import Database
from usher.storage.references import References


def new_follower(database: Database) -> Follower:
    rule = FixedRule(0.5, impostors_of("dlib-resnet-v1"))
    return Follower(References(database), lambda: Identifier(MODEL, rule))


@pytest.fixture
def house(prepared: Database) -> House:
    return House(prepared)


async def known_to(follower: Follower) -> dict[str, Any]:
    """Who is known, on which side, and by what."""
    async with follower.current() as (identifier, _):
        return {
            person_id: (side, sorted(one.id for one in gallery.references_of(person_id)))
            for side, gallery in (("known", identifier.settled), ("strange", identifier.strangers))
            for person_id in gallery
        }


async def test_follower_knows_what_is_there_when_it_begins(house: House) -> None:
    ada = await house.known("Ada")
    reference = face(ada)
    await house.registry.add_face(reference)
    await house.registry.add_face(face(ada, embedding=embedding(1.0, model="another")))
    stranger = await house.stranger("p-1", embedding=embedding(0.0, 1.0))
    assert await known_to(new_follower(house.database)) == {
        ada: ("known", [reference.id]),
        "p-1": ("strange", [stranger.id]),
    }


@pytest.mark.parametrize("reads_between", [True, False])
async def test_follower_knows_the_same_as_one_that_begins_anew_when_things_change(
    house: House, reads_between: bool
) -> None:
    follower = new_follower(house.database)
    await known_to(follower)

    async def step() -> None:
        if reads_between:
            assert await known_to(follower) == await known_to(new_follower(house.database))

    ada = await house.known("Ada")
    await house.registry.add_face(face(ada))
    await step()
    first = await house.stranger("p-1", embedding=embedding(0.0, 1.0))
    await house.stranger("p-2", 1000, embedding=embedding(0.0, 0.0, 1.0))
    await step()
    await house.registry.update_person("p-1", {"name": "Bob", "kind": PersonKind.KNOWN}, actor=BOSS)
    await step()
    await house.corrections.reject(first.id, "p-1", actor=BOSS)
    await step()
    await house.corrections.merge(ada, ["p-2"], actor=BOSS)
    await step()
    (merge, *_), _ = await house.history.page(person_id=ada, cursor=None, limit=5)
    await house.history.undo(merge.id, actor=BOSS)
    await step()
    await house.registry.delete_person(ada)
    assert await known_to(follower) == await known_to(new_follower(house.database))


async def test_follower_reads_everybody_when_the_account_of_a_change_is_gone(house: House) -> None:
    follower = new_follower(house.database)
    await known_to(follower)
    await house.stranger("p-1", embedding=embedding(1.0))
    await house.stranger("p-2", 1000, embedding=embedding(0.0, 1.0))
    await house.database["gallery_changes"].delete_one({"_id": await house.identity.version() - 1})
    assert set(await known_to(follower)) == {"p-1", "p-2"}


async def test_follower_unlearns_what_was_not_committed_when_it_is_in_doubt(house: House) -> None:
    follower = new_follower(house.database)
    stranger = await house.stranger("p-1", embedding=embedding(1.0))
    async with follower.current() as (identifier, _):
        invented = identifier.strangers.references_of("p-1")[0]._replace(id="invented")
        identifier.learn("p-1", invented)
        identifier.learn("p-none", invented)
        follower.doubt({"p-1", "p-none"})
    assert await known_to(follower) == {"p-1": ("strange", [stranger.id])}


async def test_follower_does_not_read_its_own_commit_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = new_follower(house.database)
    await known_to(follower)
    await house.stranger("p-1", embedding=embedding(1.0))
    follower.committed(await house.identity.version())
    monkeypatch.setattr(References, "persons_with_faces", None)
    assert await known_to(follower) == {}


async def test_follower_lets_one_decide_at_a_time(house: House) -> None:
    follower = new_follower(house.database)
    async with follower.current():
        waiting = asyncio.create_task(known_to(follower))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting == {}
