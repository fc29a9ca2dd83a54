"""References of another model are left out, and the log says so."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from usher.storage.database import Database
from usher.storage.references import OTHER_MODELS, warn_of_other_models


@pytest.mark.parametrize(("models", "others"), [([], 0), (["new"], 0), (["new", "old", "old"], 2)])
async def test_references_of_other_models_are_counted_in_the_log(
    prepared: Database, models: list[str], others: int
) -> None:
    faces = [
        {"_id": str(index), "person_id": "p-1", "embedding": {"model": model}}
        for index, model in enumerate(models)
    ]
    if faces:
        await prepared["faces"].insert_many(faces)
    with capture_logs() as logs:
        await warn_of_other_models(prepared, "new")
    told = [(entry["event"], entry["references"], entry["log_level"]) for entry in logs]
    assert told == ([(OTHER_MODELS, others, "warning")] if others else [])
