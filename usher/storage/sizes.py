"""How much there is, cheaply: from what MongoDB counts anyway."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass

from usher.storage.database import Database

_GROWING = ("detections", "persons", "faces", "visits", "alerts", "identity_changes", "audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """MongoDB's version, and the bytes and documents that it keeps."""

    version: str
    bytes: int
    documents: dict[str, int]


async def sizes(database: Database) -> Sizes:
    """Read them; nothing is scanned."""
    build, stats, *counts = await gather(
        database.client.admin.command("buildInfo"),
        database.command("dbStats"),
        *(database[name].estimated_document_count() for name in _GROWING),
    )
    return Sizes(
        version=build["version"],
        bytes=int(stats["storageSize"] + stats["indexSize"]),
        documents=dict(zip(_GROWING, counts, strict=True)),
    )
