"""The application: routes, limits, errors, and the panel beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI

from services.api.absences import watching_absences
from services.api.contract import describe, operation_id
from services.api.dependencies import READERS
from services.api.errors import handle_errors
from services.api.limits import BodyCap
from services.api.panel import serve_panel
from services.api.pictures import sweeping
from services.api.retention import forgetting
from services.api.routes import (
    alert_rules,
    alerts,
    attendance,
    audit,
    cameras,
    detections,
    devices,
    events,
    health,
    identify,
    identity,
    operating,
    persons,
    search,
    sessions,
    stats,
    tokens,
    users,
    visits,
)
from services.api.security import SecurityHeaders
from services.api.state import running_state
from usher import __version__
from usher.settings import Settings
from usher.storage.database import Database
from usher.wire import API_PREFIX


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The API over a database that `bootstrap` has made ready.

    Parameters
    ----------
    settings
        Where the data and the panel are, and the rule of identity.
    database
        Connected on the event loop that will run the application; closed by the caller.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_state(settings, database) as state:
            app.state.usher = state
            async with sweeping(state), forgetting(state), watching_absences(state):
                yield

    app = FastAPI(
        title="Usher",
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyCap)
    app.add_middleware(SecurityHeaders)
    handle_errors(app)
    app.include_router(version_1())
    app.include_router(health.router)
    serve_panel(app, settings.admin_dist)
    return app


def version_1() -> APIRouter:
    """The routes of version 1, and what describes them."""
    router = APIRouter(prefix=API_PREFIX, generate_unique_id_function=operation_id)
    for part in (
        sessions,
        detections,
        persons,
        identify,
        identity,
        alerts,
        alert_rules,
        cameras,
        devices,
        events,
        stats,
        search,
        visits,
        attendance,
        users,
        tokens,
        audit,
        operating,
    ):
        router.include_router(part.router)

    @router.get("/openapi.json", dependencies=[Depends(READERS)], include_in_schema=False)
    async def openapi() -> dict[str, object]:
        return describe(router)

    return router
