from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from usher.storage.audit import Audit
from usher.storage.database import Database


async def run(
    *arguments: str, uri: str | None, database: str, directory: Path
) -> tuple[int, str, str]:
    """`usher audit`: its exit status, and what it prints."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("USHER")}
    if uri is not None:
        environment |= {"USHER_MONGODB_URI": uri, "USHER_MONGODB_DATABASE": database}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "usher", "audit", "--data", str(directory), *arguments),
        cwd=directory,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, complaints = await process.communicate()
    return process.returncode or 0, output.decode(), complaints.decode()


async def test_audit_is_whole_until_the_end_is_cut_off_or_an_entry_is_changed(
    prepared: Database, mongodb_uri: str, tmp_path: Path
) -> None:
    audit = Audit(prepared)
    for number in range(3):
        await audit.add("ada", "person.create", f"p-{number}", now=datetime.now(UTC))
    place: dict[str, Any] = {"uri": mongodb_uri, "database": prepared.name, "directory": tmp_path}

    status, output, _ = await run(**place)
    assert (status, output.splitlines()[0]) == (0, "All 3 entries are as they were written.")
    digest = output.split()[-1]
    assert (await run("--expect", digest, **place))[0] == 0

    await prepared["audit"].delete_one({"number": 3})
    status, output, _ = await run("--expect", digest, **place)
    assert (status, "not in the chain" in output) == (1, True)

    await prepared["audit"].update_one({"number": 1}, {"$set": {"actor": "bob"}})
    status, output, _ = await run("--json", **place)
    found = json.loads(output)
    assert (status, found["intact"], found["entries"], found["broken_at"]) == (1, False, 0, 1)


@pytest.mark.parametrize("arguments", [[], ["--json"]])
async def test_audit_says_what_to_do_when_there_is_no_database(
    tmp_path: Path, arguments: list[str]
) -> None:
    status, _, complaints = await run(*arguments, uri=None, database="", directory=tmp_path)
    assert status == 1
    assert "USHER_MONGODB_URI" in complaints
    assert "Traceback" not in complaints
