"""What the routes share: built once when the API starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from services.api.assessments import Assessments
from services.api.chores import doing
from services.api.hub import Hub
from services.api.metrics import Metrics
from services.api.searching import FaceSearch
from services.api.sightings import Sightings
from services.api.throttle import Gates, Rates
from usher.following import Follower
from usher.identity.decide import Identifier
from usher.identity.rules import Rule, make_rule
from usher.settings import Settings
from usher.storage.access import Browsers, Devices, SignInFailures, Users
from usher.storage.alerts import Alerts
from usher.storage.audit import Audit
from usher.storage.calibrations import Calibrations
from usher.storage.cameras import Cameras
from usher.storage.corrections import Corrections
from usher.storage.crops import CropStore
from usher.storage.database import Database
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
from usher.storage.workers import Workers
from usher.tasks import cancel
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime

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
    browsers: Browsers
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
    gates: Gates
    follower: Follower
    assessments: Assessments
    calibrations: Calibrations
    rule: Rule
    search: FaceSearch
    stays: Stays
    operating: Operating
    retention: Retention
    workers: Workers


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
        browsers=Browsers(database),
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
        gates=Gates(),
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
        workers=Workers(database),
    )
    events = asyncio.create_task(state.hub.run(), name="events")
    try:
        async with doing(state.search.tend, "search", every_s=_TEND_EVERY_S):
            yield state
    finally:
        await cancel((events,))
