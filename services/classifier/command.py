"""`usher classify`: the process that says who each face is."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer

from services.classifier.worker import make_worker
from usher.domain.errors import ConfigurationError
from usher.identity.rules import make_rule
from usher.observability import configure_logging
from usher.settings import Settings, load_settings
from usher.storage.database import Database, connected
from usher.storage.operating import Operating
from usher.storage.references import warn_of_other_models
from usher.storage.schema import prepare
from usher.storage.serving import Embedders, Named
from usher.tasks import cancel, first_of
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime

app = typer.Typer()
log = structlog.get_logger()


@app.command()
def classify(
    data: Annotated[Path | None, typer.Option(help="Data directory, with the crops.")] = None,
) -> None:
    """Say who each face is, until stopped. Any number may run, on one machine or on several.

    Needs USHER_MONGODB_URI; `usher up` starts a database as well.
    """
    settings = load_settings(Settings, data=data)
    configure_logging("classifier", settings.log_level)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    if settings.mongodb_uri is None:
        raise ConfigurationError(
            "set USHER_MONGODB_URI to a replica set of MongoDB 6 or later, or run `usher up`"
        )
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    uri = settings.mongodb_uri.get_secret_value()
    async with connected(uri, settings.mongodb_database) as database:
        await prepare(database)
        budget = await Operating(database).identity_budget(settings.identity_budget)
        pipeline = await _load_pipeline(settings, database)
        rule = make_rule(
            settings.identity_rule,
            model=pipeline.model_id,
            impostors=pipeline.impostors,
            budget=budget,
            fixed_distance=settings.identity_fixed_distance,
        )
        await warn_of_other_models(database, pipeline.model_id)
        log.info("ready", model=pipeline.model_id)
        async with _stopped_when_outdated(stop, database, pipeline.model_id, budget):
            await make_worker(settings, database, pipeline, rule).run(stop)
    log.info("stopped")


async def _load_pipeline(settings: Settings, database: Database) -> FacePipeline:
    """The pipeline of the embedder that serves."""
    runtime = Runtime(
        threads=settings.threads, provider=settings.provider, model_cache=settings.model_cache
    )
    embedders = Embedders(database)
    embedder = await embedders.choose(settings.embedder_name)
    pipeline = await asyncio.to_thread(make_pipeline, runtime, embedder)
    await embedders.begin(Named(embedder, pipeline.model_id))
    return pipeline


@asynccontextmanager
async def _stopped_when_outdated(
    stop: asyncio.Event, database: Database, model: str, budget: float
) -> AsyncIterator[None]:
    """Set `stop` when another model serves than that one, or another budget is set."""

    async def watch() -> None:
        await first_of(
            Embedders(database).until_another_serves(model),
            Operating(database).until_another_budget(budget),
        )
        stop.set()

    task = asyncio.create_task(watch(), name="outdated")
    try:
        yield
    finally:
        await cancel((task,))
