"""The worker: its stages, woken by changes, with polling as the truth."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import structlog
from pymongo.errors import PyMongoError

from services.classifier.assigning import AssigningStage
from services.classifier.calibrating import CalibrationLog
from services.classifier.consolidating import ConsolidatingStage
from services.classifier.embedding import EmbeddingStage
from usher.domain.identifiers import new_id
from usher.domain.records import UNFINISHED
from usher.following import Follower
from usher.identity.decide import Identifier
from usher.identity.rules import Rule
from usher.settings import Settings
from usher.storage.calibrations import Calibrations
from usher.storage.changes import changes
from usher.storage.crops import CropStore
from usher.storage.database import Database, is_passing
from usher.storage.detections import Detections
from usher.storage.identity import Identity
from usher.storage.leases import Leases
from usher.storage.people import People
from usher.storage.references import References
from usher.storage.second_looks import SecondLooks
from usher.storage.serving import Embedders
from usher.storage.workers import SAYS_SO_EVERY_S, Workers
from usher.vision.pipeline import FacePipeline

log = structlog.get_logger()

_POLL_S = 1.0
_PAUSE_S = 1.0
_NEW_WORK = {
    "$or": [
        {"operationType": "insert"},
        {"updateDescription.updatedFields.status": {"$in": list(UNFINISHED)}},
    ]
}
"""Not the claims, nor what is done: there is nothing to wake up for. What is new is to be embedded;
what changes is embedded now and to be assigned, or, seldom, pending again, and then waits for the
next poll."""
_STOP_WITHIN_S = 4.0
"""What is begun may take so long to finish after a stop; then it is given back."""


class Worker:
    """One classifier process."""

    def __init__(
        self,
        database: Database,
        embedding: EmbeddingStage,
        assigning: AssigningStage,
        consolidating: ConsolidatingStage,
        *,
        owner: str,
    ) -> None:
        self._database = database
        self._workers = Workers(database)
        self._owner = owner
        self._assigning = assigning
        self._steps = {
            "embed": embedding.step,
            "assign": assigning.step,
            "look again": consolidating.step,
        }
        self._news = {name: asyncio.Event() for name in self._steps}

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what is begun is finished first, or given back.

        Raises
        ------
        Exception
            Whatever ends a stage that was not to end. The others are ended with it, so that the
            process as a whole fails and is started again.
        """
        stages = {asyncio.create_task(self._repeat(name, stop), name=name) for name in self._steps}
        listener = asyncio.create_task(self._listen(), name="listen")
        presence = asyncio.create_task(self._say_so(), name="presence")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        tasks = {*stages, listener, presence, stopped}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                self._wake(*self._steps)
                await asyncio.wait(stages, timeout=_STOP_WITHIN_S)
        finally:
            await _cancelled(tasks)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
        await self._release()

    async def _repeat(self, name: str, stop: asyncio.Event) -> None:
        step, news = self._steps[name], self._news[name]
        while not stop.is_set():
            news.clear()  # before the step: what is new while it looks is not overlooked
            try:
                worked = await step()
            except PyMongoError as error:
                if not is_passing(error):
                    raise
                log.warning("the database failed", stage=name, error=str(error))
                await _first_of(stop, within_s=_PAUSE_S)
                continue
            if not worked and not stop.is_set():
                # A change that nobody reported is found all the same, a little later.
                await _first_of(news, within_s=_POLL_S)

    async def _say_so(self) -> None:
        """Say that this process works, for whoever looks after the system."""
        host = self._owner.partition(":")[0]
        while True:
            with suppress(PyMongoError):
                await self._workers.works(self._owner, "classifier", host)
            await asyncio.sleep(SAYS_SO_EVERY_S)

    async def _listen(self) -> None:
        news = changes(self._database, ["detections"], only=_NEW_WORK, with_documents=False)
        async for change in news:
            self._wake("embed" if change.operation == "insert" else "assign")

    def _wake(self, *names: str) -> None:
        for name in names:
            self._news[name].set()

    async def _release(self) -> None:
        """Let another worker assign at once; otherwise the lease runs out by itself."""
        try:
            async with asyncio.timeout(_PAUSE_S):
                await self._assigning.release()
                await self._workers.ended(self._owner)
        except (PyMongoError, TimeoutError) as error:
            log.warning("the lease was not given back, it runs out", error=str(error))


async def _first_of(event: asyncio.Event, *, within_s: float) -> None:
    """Wait for an event, but not for ever."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until they have ended, not for long if what they close hangs."""
    pending = set(tasks)
    for _ in range(2):
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_PAUSE_S)
        if not pending:
            return


def make_worker(
    settings: Settings, database: Database, pipeline: FacePipeline, rule: Rule
) -> Worker:
    """Build a worker with all that it works with."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"
    embedding = EmbeddingStage(Detections(database), CropStore(settings.data / "crops"), pipeline)
    stages = make_stages(settings, database, model=pipeline.model_id, rule=rule, owner=owner)
    return Worker(database, embedding, *stages, owner=owner)


def make_stages(
    settings: Settings, database: Database, *, model: str, rule: Rule, owner: str
) -> tuple[AssigningStage, ConsolidatingStage]:
    """Build the stages that decide; they share what is known in memory.

    Parameters
    ----------
    model
        The id of the model whose vectors are compared.
    owner
        A name for the worker, different from every other's.
    """
    detections = Detections(database)
    references = References(database)
    identity = Identity(database, visit_gap_s=settings.visit_gap_s)
    leases = Leases(database)
    follower = Follower(references, lambda: Identifier(model, rule))
    embedders = Embedders(database)
    assigning = AssigningStage(
        detections=detections,
        identity=identity,
        leases=leases,
        embedders=embedders,
        follower=follower,
        calibrations=CalibrationLog(Calibrations(database)),
        model=model,
        owner=owner,
    )
    consolidating = ConsolidatingStage(
        detections=detections,
        people=People(database),
        identity=identity,
        leases=leases,
        embedders=embedders,
        references=references,
        looks=SecondLooks(database),
        follower=follower,
        model=model,
        owner=owner,
    )
    return assigning, consolidating
