"""The worker: both stages, woken by changes, with polling as the truth."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable

import structlog
from pymongo.errors import PyMongoError

from services.classifier.assigning import AssigningStage
from services.classifier.embedding import EmbeddingStage
from usher.domain.errors import Unavailable
from usher.domain.identifiers import new_id
from usher.identity.calibrate import make_rule
from usher.settings import Settings
from usher.storage.changes import changes
from usher.storage.crops import CropStore
from usher.storage.database import Database
from usher.storage.detections import Detections
from usher.storage.identity import Identity
from usher.storage.leases import Leases
from usher.storage.people import People
from usher.vision.pipeline import FacePipeline

log = structlog.get_logger()

_POLL_S = 1.0
_PAUSE_S = 1.0


class Worker:
    """One classifier process."""

    def __init__(
        self, database: Database, embedding: EmbeddingStage, assigning: AssigningStage
    ) -> None:
        self._database = database
        self._embedding = embedding
        self._assigning = assigning
        self._news = asyncio.Condition()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is begun is finished first."""
        stages = [
            asyncio.create_task(self._repeat(self._embedding.step, stop), name="embed"),
            asyncio.create_task(self._repeat(self._assigning.step, stop), name="assign"),
        ]
        listener = asyncio.create_task(self._listen(), name="listen")
        try:
            await stop.wait()
            await self._wake()
            await asyncio.gather(*stages)
            await self._assigning.release()
        finally:
            for task in (*stages, listener):
                task.cancel()
            await asyncio.gather(*stages, listener, return_exceptions=True)

    async def _repeat(self, step: Callable[[], Awaitable[bool]], stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                worked = await step()
            except (PyMongoError, Unavailable) as error:
                log.warning("the database failed", error=str(error))
                await asyncio.sleep(_PAUSE_S)
                continue
            if not worked and not stop.is_set():
                await self._until_news()

    async def _listen(self) -> None:
        async for _ in changes(self._database, ["detections"]):
            await self._wake()

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _until_news(self) -> None:
        """Wait for a change, or a second: a change that nobody reported is found all the same."""
        async with self._news:
            try:
                async with asyncio.timeout(_POLL_S):
                    await self._news.wait()
            except TimeoutError:
                return


def make_worker(settings: Settings, database: Database, pipeline: FacePipeline) -> Worker:
    """Build a worker with all that it works with."""
    detections = Detections(database)
    return Worker(
        database,
        EmbeddingStage(detections, CropStore(settings.data / "crops"), pipeline),
        AssigningStage(
            detections=detections,
            people=People(database),
            identity=Identity(database, visit_gap_s=settings.visit_gap_s),
            leases=Leases(database),
            rule=make_rule(
                settings.identity_rule,
                budget=settings.identity_budget,
                fixed_distance=settings.identity_fixed_distance,
            ),
            model=pipeline.model_id,
            owner=f"{socket.gethostname()}:{os.getpid()}:{new_id()}",
        ),
    )
