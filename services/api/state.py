"""What the routes share: built once when the API starts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from pymongo.errors import PyMongoError

from services.api.assessments import Assessments
from services.api.hub import Hub
from services.api.metrics import Metrics
from services.api.searching import FaceSearch
from services.api.sightings import Sightings
from services.api.throttle import Rates
from usher.following import Follower
from usher.identity.decide import Identifier
from usher.identity.rules import Rule, make_rule
from usher.settings import Settings
from usher.storage.access import Devices, SignInFailures, Users
from usher.storage.alerts import Alerts
from usher.storage.audit import Audit
from usher.storage.calibrations import Calibrations
from usher.storage.cameras import Cameras
from usher.storage.corrections import Corrections
from usher.storage.crops import CropStore
from usher.storage.database import Database, is_passing
from usher.storage.detections import Detections
from usher.storage.frames import FrameStore
from usher.storage.history import History
from usher.storage.operating import Operating
from usher.storage.pairing import PairingCodes
from usher.storage.people import People
from usher.storage.references import References
from usher.storage.registry import Registry
from usher.storage.repetitions import Repetitions
from usher.storage.retention import Retention
from usher.storage.seen import SeenLog
from usher.storage.serving import Embedders, Named
from usher.storage.stays import Stays
from usher.storage.tokens import Tokens
from usher.tasks import cancel
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime
from usher.wire import utc_now

log = structlog.get_logger()

_SWEEP_EVERY_S = 3600.0
_ORPHAN_AGE_S = 3600.0
_SWEEP_BATCH = 500
_FRAME_AGE_S = 86_400.0
"""How long the last picture of a camera is kept that sends no newer one."""
_TEND_EVERY_S = 30.0
"""How soon what was deleted is gone from memory too: the vectors that are searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The API's own objects."""

    settings: Settings
    database: Database
    detections: Detections
    people: People
    registry: Registry
    repetitions: Repetitions
    corrections: Corrections
    history: History
    alerts: Alerts
    cameras: Cameras
    sightings: Sightings
    users: Users
    sign_in_failures: SignInFailures
    devices: Devices
    pairing_codes: PairingCodes
    tokens: Tokens
    audit: Audit
    crops: CropStore
    frames: FrameStore
    pipeline: FacePipeline
    hub: Hub
    metrics: Metrics
    rates: Rates
    follower: Follower
    assessments: Assessments
    calibrations: Calibrations
    rule: Rule
    search: FaceSearch
    stays: Stays
    operating: Operating
    retention: Retention


@asynccontextmanager
async def running_state(settings: Settings, database: Database) -> AsyncIterator[State]:
    """Build the state, and keep its background work going."""
    operating = Operating(database)
    budget = await operating.identity_budget(settings.identity_budget)
    settings = settings.model_copy(update={"identity_budget": budget})
    runtime = Runtime(
        threads=settings.threads, provider=settings.provider, model_cache=settings.model_cache
    )
    embedders = Embedders(database)
    embedder = await embedders.choose(settings.embedder_name)
    pipeline = await asyncio.to_thread(make_pipeline, runtime, embedder)
    await embedders.begin(Named(embedder, pipeline.model_id))
    rule = make_rule(
        settings.identity_rule,
        model=pipeline.model_id,
        impostors=pipeline.impostors,
        budget=settings.identity_budget,
        fixed_distance=settings.identity_fixed_distance,
    )
    follower = Follower(References(database), lambda: Identifier(pipeline.model_id, rule))
    cameras = Cameras(database)
    state = State(
        settings=settings,
        database=database,
        detections=Detections(database),
        people=People(database),
        registry=Registry(database),
        repetitions=Repetitions(database),
        corrections=Corrections(database, visit_gap_s=settings.visit_gap_s),
        history=History(database, visit_gap_s=settings.visit_gap_s),
        alerts=Alerts(database),
        cameras=cameras,
        sightings=Sightings(cameras),
        users=Users(database),
        sign_in_failures=SignInFailures(database),
        devices=Devices(database),
        pairing_codes=PairingCodes(database),
        tokens=Tokens(database),
        audit=Audit(database),
        crops=CropStore(settings.data / "crops"),
        frames=FrameStore(settings.data / "frames"),
        pipeline=pipeline,
        hub=Hub(database),
        metrics=Metrics(),
        rates=Rates(),
        follower=follower,
        assessments=Assessments(follower),
        calibrations=Calibrations(database),
        rule=rule,
        search=FaceSearch(
            SeenLog(database),
            Detections(database),
            model=pipeline.model_id,
            dimension=pipeline.dimension,
            rule=rule,
        ),
        stays=Stays(database),
        operating=operating,
        retention=Retention(database),
    )
    work = [
        asyncio.create_task(state.hub.run(), name="events"),
        asyncio.create_task(_sweep_for_ever(state), name="sweep"),
        asyncio.create_task(_tend_for_ever(state.search), name="search"),
    ]
    try:
        yield state
    finally:
        await cancel(work)


async def _sweep_for_ever(state: State) -> None:
    while True:
        await asyncio.sleep(_SWEEP_EVERY_S * random.uniform(0.01, 1))  # noqa: S311 - spreads load
        removed = await sweep_orphans(state)
        frames = await sweep_frames(state)
        log.info("swept the crop store", removed=removed, frames=frames)


async def _tend_for_ever(search: FaceSearch) -> None:
    while True:
        await asyncio.sleep(_TEND_EVERY_S)
        try:
            await search.tend()
        except PyMongoError as error:
            if not is_passing(error):
                raise
            log.warning("the faces to search among could not be compared", error=str(error))


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


async def sweep_frames(state: State, *, age_s: float = _FRAME_AGE_S) -> int:
    """Delete the last pictures of cameras that have sent none for a day: they show people.

    Returns
    -------
    int
        How many went.
    """
    await state.cameras.forget_frames_before(utc_now() - timedelta(seconds=age_s))
    return await asyncio.to_thread(state.frames.delete_older_than, age_s)
