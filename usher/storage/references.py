"""References as a whole, whoever's they are."""

from __future__ import annotations

from usher.storage.database import Database


async def count_of_other_models(database: Database, model: str) -> int:
    """How many references no gallery of that model compares with: they are another's vectors."""
    faces = database["faces"]
    return await faces.count_documents({"embedding.model": {"$ne": model}})
