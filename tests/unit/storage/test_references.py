"""References as a whole."""

from __future__ import annotations

from usher.storage.database import Database
from usher.storage.references import count_of_other_models


async def test_references_of_other_models_are_counted(prepared: Database) -> None:
    assert await count_of_other_models(prepared, "new") == 0
    models = ["new", "old", "old", "older"]
    await prepared["faces"].insert_many(
        [
            {"_id": str(index), "person_id": "p-1", "embedding": {"model": model}}
            for index, model in enumerate(models)
        ]
    )
    assert await count_of_other_models(prepared, "new") == 3
    assert await count_of_other_models(prepared, "old") == 2
