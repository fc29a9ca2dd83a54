"""Which plan MongoDB takes for every list: each filter uses an index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
