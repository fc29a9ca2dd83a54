"""References of another model are left out, and the log says so."""

from __future__ import annotations

from structlog.testing import capture_logs

from services.api.state import OTHER_MODELS, warn_of_other_models

from .conftest import Api


async def test_api_warns_when_references_are_of_another_model(api: Api) -> None:
    model = api.state.pipeline.model_id
    await api.database["faces"].insert_many(
        [
            {"_id": str(index), "person_id": "p-1", "embedding": {"model": name}}
            for index, name in enumerate([model, "old", "old"])
        ]
    )
    with capture_logs() as logs:
        await warn_of_other_models(api.state)
    (entry,) = logs
    assert entry == {
        "event": OTHER_MODELS,
        "references": 2,
        "model": model,
        "log_level": "warning",
    }


async def test_api_says_nothing_when_all_references_are_of_its_model(api: Api) -> None:
    model = api.state.pipeline.model_id
    await api.database["faces"].insert_one(
        {"_id": "1", "person_id": "p-1", "embedding": {"model": model}}
    )
    with capture_logs() as logs:
        await warn_of_other_models(api.state)
    assert logs == []
