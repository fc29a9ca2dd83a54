"""What the routes share: built once when the API starts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from services.api.hub import Hub
from services.api.metrics import Metrics
from services.api.sightings import Sightings
from usher.identity.calibrate import Rule, make_rule
from usher.identity.gallery import Galleries
from usher.settings import Settings
from usher.storage.access import Devices, SignInFailures, Users
from usher.storage.alerts import Alerts
from usher.storage.audit import Audit
from usher.storage.cameras import Cameras
from usher.storage.crops import CropStore
from usher.storage.database import Database
from usher.storage.detections import Detections
from usher.storage.identity import Identity
from usher.storage.people import People
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime

log = structlog.get_logger()

_SWEEP_EVERY_S = 3600.0
_ORPHAN_AGE_S = 3600.0
_SWEEP_BATCH = 500
_CANCEL_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The API's own objects."""

    settings: Settings
    database: Database
    detections: Detections
    people: People
    identity: Identity
    alerts: Alerts
    cameras: Cameras
    sightings: Sightings
    users: Users
    sign_in_failures: SignInFailures
    devices: Devices
    audit: Audit
    crops: CropStore
    pipeline: FacePipeline
    rule: Rule
    hub: Hub
    metrics: Metrics
    galleries: CachedGalleries


class CachedGalleries:
    """The galleries, read again when somebody has changed who is who."""

    def __init__(self, people: People, identity: Identity, model: str) -> None:
        self._people = people
        self._identity = identity
        self._galleries = Galleries(model)
        self._version = -1

    async def current(self) -> Galleries:
        version = await self._identity.version()
        if version != self._version:
            model = self._galleries.model
            faces = await self._people.faces_of_model(model)
            self._galleries = Galleries(model, faces, await self._people.strangers())
            self._version = version
        return self._galleries


@asynccontextmanager
async def running_state(settings: Settings, database: Database) -> AsyncIterator[State]:
    """Build the state, and keep its background work going."""
    runtime = Runtime(
        threads=settings.threads, provider=settings.provider, model_cache=settings.model_cache
    )
    pipeline = await asyncio.to_thread(make_pipeline, runtime, settings.embedder_name)
    people = People(database)
    identity = Identity(database, visit_gap_s=settings.visit_gap_s)
    cameras = Cameras(database)
    state = State(
        settings=settings,
        database=database,
        detections=Detections(database),
        people=people,
        identity=identity,
        alerts=Alerts(database),
        cameras=cameras,
        sightings=Sightings(cameras),
        users=Users(database),
        sign_in_failures=SignInFailures(database),
        devices=Devices(database),
        audit=Audit(database),
        crops=CropStore(settings.data / "crops"),
        pipeline=pipeline,
        rule=make_rule(
            settings.identity_rule,
            model=pipeline.model_id,
            impostors=pipeline.impostors,
            budget=settings.identity_budget,
            fixed_distance=settings.identity_fixed_distance,
        ),
        hub=Hub(database),
        metrics=Metrics(),
        galleries=CachedGalleries(people, identity, pipeline.model_id),
    )
    work = [
        asyncio.create_task(state.hub.run(), name="events"),
        asyncio.create_task(_sweep_for_ever(state), name="sweep"),
    ]
    try:
        yield state
    finally:
        await _end(work)


async def _end(work: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until they end: PyMongo loses a cancellation now and then on Python 3.11."""
    running = set(work)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_CANCEL_AGAIN_S)
    await asyncio.gather(*work, return_exceptions=True)


async def _sweep_for_ever(state: State) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S * random.uniform(0.01, 1))  # noqa: S311 - spreads load
        removed = await sweep_orphans(state)
        log.info("swept the crop store", removed=removed)


async def sweep_orphans(state: State, *, age_s: float = _ORPHAN_AGE_S) -> int:
    """Delete crops that no record holds: uploads that were cut off before their record.

    Returns
    -------
    int
        How many went.
    """
    keys = await asyncio.to_thread(lambda: list(state.crops.keys_older_than(age_s)))
    removed = 0
    for start in range(0, len(keys), _SWEEP_BATCH):
        batch = keys[start : start + _SWEEP_BATCH]
        used = await state.detections.crops_in_use(batch) | await state.people.crops_in_use(batch)
        for key in set(batch) - used:
            await asyncio.to_thread(state.crops.delete, key)
            removed += 1
    return removed
