"""How much there is, cheaply: from what MongoDB counts anyway."""

from __future__ import annotations

from asyncio import gather
from dataclasses import dataclass

from usher.storage.database import Database
from usher.storage.leases import ASSIGN

_GROWING = ("detections", "persons", "faces", "visits", "alerts", "identity_changes", "audit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """MongoDB's version, the bytes and documents that it keeps, and the host that assigns now.

    `classifier` is None where no classifier holds the lease of who is who.
    """

    version: str
    bytes: int
    documents: dict[str, int]
    classifier: str | None


async def sizes(database: Database) -> Sizes:
    """Read them; nothing is scanned."""
    build, stats, held, *counts = await gather(
        database.client.admin.command("buildInfo"),
        database.command("dbStats"),
        database["leases"].find_one(
            {"_id": ASSIGN, "$expr": {"$gt": ["$available_at", "$$NOW"]}}, {"owner": 1}
        ),
        *(database[name].estimated_document_count() for name in _GROWING),
    )
    owner = held["owner"] if held else None
    return Sizes(
        version=build["version"],
        bytes=int(stats["storageSize"] + stats["indexSize"]),
        documents=dict(zip(_GROWING, counts, strict=True)),
        classifier=owner.partition(":")[0] if owner else None,
    )
