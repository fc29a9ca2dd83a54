"""Which plan MongoDB takes for every list: each filter uses an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, combinations
from typing import Any

import pytest

from services.api.app import create_app
from services.api.contract import describe
from usher.domain.records import AlertStatus, DetectionStatus
from usher.settings import Settings
from usher.storage.database import Database
from usher.storage.documents import Document
from usher.wire import API_PREFIX

from .conftest import Api

_MOMENTS = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
_MOMENTS["since"] = _MOMENTS["from"]
_OTHERS = 200
_IN_VAIN = 100
READS_MANY = {
    ("/persons", "q"): "a part of a name, in any case, is found by reading all names",
    ("/settings/retention", "strangers_kept_days"): "counts what is old",
}
_NO_LISTS = {"/events", "/session"}
"""An endless stream, and what reads nothing but the session."""


def lists() -> list[tuple[str, dict[str, str]]]:
    """Every list of the API, without a filter, with each one and with each two of them."""
    found = []
    for path, operations in describe_app()["paths"].items():
        short = path.removeprefix(API_PREFIX)
        is_list = path.startswith(API_PREFIX) and "{" not in path and short not in _NO_LISTS
        if "get" not in operations or not is_list:
            continue
        parameters = operations["get"].get("parameters", [])
        given = {one["name"]: value for one in parameters if (value := value_for(one))}
        needed = {one["name"] for one in parameters if one["required"]} & given.keys()
        chosen = chain.from_iterable(combinations(given, count) for count in (0, 1, 2))
        names = {tuple(sorted({*some, *needed})) for some in chosen}
        found += [(short, {name: given[name] for name in some}) for some in sorted(names)]
    return found


def describe_app() -> dict[str, Any]:
    """The OpenAPI document; nothing connects for it."""
    return describe(create_app(Settings(), None).router)  # type: ignore[arg-type]


def value_for(parameter: dict[str, Any]) -> str | None:
    """A value that filters; None for what says how much is shown, and from where."""
    name, schema = parameter["name"], parameter["schema"]
    if name in {"limit", "cursor", "tz", "format"} or parameter["in"] != "query":
        return None
    if name in _MOMENTS:
        return _MOMENTS[name]
    if schema.get("type") == "boolean":
        return "true"
    if name == "status":
        statuses = {"DetectionStatus": DetectionStatus.FAILED, "AlertStatus": AlertStatus.SENT}
        return next((value for kind, value in statuses.items() if kind in str(schema)), "pending")
    if name.endswith("_days"):
        return "30"
    return {"kind": "known", "quality": "poor"}.get(name, "door")


@asynccontextmanager
async def profiled(database: Database) -> AsyncIterator[list[Document]]:
    """The queries on our collections while the block ran; filled when it ends."""
    rows: list[Document] = []
    await database.command("profile", 2)
    try:
        yield rows
    finally:
        await database.command("profile", 0)
        rows += await database["system.profile"].find().to_list()
        await database.drop_collection("system.profile")


def scans(rows: list[Document]) -> list[str]:
    """Of which collection, looking for what. A change stream reads the server's log: it may."""
    return [
        f"{row['ns']}: {row.get('command', {})}"
        for row in rows
        if "COLLSCAN" in row.get("planSummary", "") and ".$cmd" not in row["ns"]
    ]


@pytest.mark.parametrize(("path", "params"), lists(), ids=str)
async def test_list_scans_no_collection_when_it_is_filtered(
    api: Api, path: str, params: dict[str, str]
) -> None:
    await api.person("Alice")
    await api.alert(await api.person())
    async with profiled(api.database) as rows:
        response = await api.admin.get(path, params=params)
    assert response.status_code == 200, response.text
    assert rows, "the profiler saw nothing"
    assert scans(rows) == []


async def test_filter_reads_little_more_than_it_finds(api: Api) -> None:
    await api.alert(await api.person())
    for name in ("detections", "persons", "visits", "alerts", "identity_changes", "audit"):
        await add_others(api.database, name)
    greedy = set()
    for path, params in lists():
        if len(params) == 1 and (path, *params) not in READS_MANY:
            async with profiled(api.database) as rows:
                await api.admin.get(path, params=params)
            greedy |= {(path, *params, read) for read in documents_in_vain(rows)}
    assert greedy == set()


async def add_others(database: Database, name: str) -> None:
    """Beside what there is, as much of last year, of other cameras, persons and kinds."""
    (one, *_) = await database[name].find().to_list()
    other = {"camera_id": "yard", "actor": "somebody"} | (
        {"kind": "other"} if name == "audit" else {}
    )
    texts = {field: text for field, text in other.items() if field in one}
    await database[name].insert_many(
        {**one, **texts, **of_last_year(one, n), **unlike(one, n)} for n in range(_OTHERS)
    )


def of_last_year(document: Document, number: int) -> Document:
    moment = datetime(2025, 11, 1, tzinfo=UTC) + timedelta(minutes=number)
    return {field: moment for field, value in document.items() if isinstance(value, datetime)}


def unlike(document: Document, number: int) -> Document:
    """What no two documents have in common."""
    unique = ("_id", "idempotency_key", "visit_id", "name")
    texts = {field: f"other-{number}" for field in unique if field in document}
    return texts | ({"number": 1000 + number} if "number" in document else {})


def documents_in_vain(rows: list[Document]) -> list[str]:
    return [
        f"{row['ns']}: {row['docsExamined']} for {row['nreturned']}"
        for row in rows
        if row.get("docsExamined", 0) - row.get("nreturned", 0) > _IN_VAIN
    ]


async def test_scan_is_noticed_when_there_is_no_index(api: Api) -> None:
    await api.person("Alice")
    async with profiled(api.database) as rows:
        await api.database["persons"].find({"notes": "no index has these"}).to_list()
    assert len(scans(rows)) == 1


async def test_next_page_scans_no_collection(api: Api) -> None:
    for _ in range(3):
        await api.person("Alice")
    first = (await api.viewer.get("/persons", params={"limit": 1})).json()
    async with profiled(api.database) as rows:
        await api.viewer.get("/persons", params={"limit": 1, "cursor": first["next_cursor"]})
    assert scans(rows) == []
