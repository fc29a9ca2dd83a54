"""References as a whole, whoever's they are."""

from __future__ import annotations

import structlog

from usher.storage.database import Database

log = structlog.get_logger()

OTHER_MODELS = (
    "references of another model are left out: `usher models prepare`, with the embedder that "
    "serves, makes them again from their pictures"
)


async def warn_of_other_models(database: Database, model: str) -> None:
    """Log how many references no gallery of that model compares with, if there are any."""
    others = await database["faces"].count_documents({"embedding.model": {"$ne": model}})
    if others:
        log.warning(OTHER_MODELS, references=others, model=model)
