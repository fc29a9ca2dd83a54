from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from usher.storage.audit import Audit, Verdict
from usher.storage.database import Database

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


async def filled(database: Database, count: int = 4) -> Audit:
    audit = Audit(database)
    for number in range(count):
        await audit.add("ada", f"person.merge:p-{number}", "p-9", now=NOON)
    return audit


async def test_chain_of_no_entries_holds(prepared: Database) -> None:
    verdict = await Audit(prepared).verify()
    assert verdict == Verdict(entries=0, digest="0" * 64)


async def test_each_entry_holds_the_digest_of_the_one_before(prepared: Database) -> None:
    audit = await filled(prepared)
    found = await prepared["audit"].find().sort("number", 1).to_list()
    assert [entry["number"] for entry in found] == [1, 2, 3, 4]
    assert [entry["previous"] for entry in found[1:]] == [entry["digest"] for entry in found[:-1]]
    assert len({entry["digest"] for entry in found}) == 4
    assert await audit.verify() == Verdict(entries=4, digest=found[-1]["digest"])


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "bob"},
        {"action": "person.merge:p-8"},
        {"kind": "person.create"},
        {"subject": "p-8"},
        {"at": NOON.replace(hour=11)},
        {"digest": "f" * 64},
        {"previous": "f" * 64},
        {"number": 77},
    ],
)
async def test_chain_is_broken_when_an_entry_is_changed(
    prepared: Database, change: dict[str, Any]
) -> None:
    audit = await filled(prepared)
    await prepared["audit"].update_one({"number": 2}, {"$set": change})
    verdict = await audit.verify()
    assert (verdict.entries, verdict.broken_at) == (1, 2)


async def test_chain_is_broken_when_an_entry_is_taken_out(prepared: Database) -> None:
    audit = await filled(prepared)
    await prepared["audit"].delete_one({"number": 3})
    assert (await audit.verify()).broken_at == 3


async def test_last_digest_is_another_when_the_end_is_cut_off(prepared: Database) -> None:
    audit = await filled(prepared)
    noted = (await audit.verify()).digest
    await prepared["audit"].delete_one({"number": 4})
    verdict = await audit.verify()
    assert verdict.broken_at is None
    assert verdict.digest != noted


async def test_chain_holds_when_several_processes_write_at_once(prepared: Database) -> None:
    trails = [Audit(prepared) for _ in range(4)]
    await asyncio.gather(
        *(
            trail.add(f"actor {number}", "person.create", "p-1", now=datetime.now(UTC))
            for number in range(5)
            for trail in trails
        )
    )
    verdict = await trails[0].verify()
    assert (verdict.entries, verdict.broken_at) == (20, None)


async def test_entries_older_than_the_chain_are_left_out(prepared: Database) -> None:
    old = {"_id": "old", "at": NOON, "actor": "ada", "action": "x", "subject": "y"}
    await prepared["audit"].insert_one(old)
    audit = await filled(prepared, 2)
    assert (await audit.verify()).entries == 2
