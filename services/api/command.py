"""`usher api`: the process that serves the REST API and the panel."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import structlog
import typer
import uvicorn
from fastapi import FastAPI

from services.api.app import create_app
from services.api.bootstrap import FIRST_USERNAME, InitialKey, bootstrap
from services.api.state import State
from usher.domain.errors import ConfigurationError
from usher.domain.records import Role
from usher.observability import configure_logging
from usher.settings import Settings, load_settings
from usher.storage.database import connected
from usher.storage.operating import Operating
from usher.storage.serving import Embedders
from usher.tasks import cancel, first_of

app = typer.Typer()
log = structlog.get_logger()

_STOP_WITHIN_S = 8
_INITIAL_KEYS = (
    ("USHER_NOTIFIER_KEY", "notifier", Role.NOTIFIER),
    ("USHER_DETECTOR_KEY", "first detector", Role.DEVICE),
)


class _Server(uvicorn.Server):
    """Ends open event streams first: otherwise stopping would wait for browsers to leave."""

    def __init__(self, config: uvicorn.Config, api: FastAPI) -> None:
        super().__init__(config)
        self._api = api

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        state: State | None = getattr(self._api.state, "usher", None)
        if state is not None:  # a signal may come while the models are still being loaded
            state.hub.close()
        super().handle_exit(sig, frame)

    async def main_loop(self) -> None:
        watch = asyncio.create_task(self._end_when_outdated(), name="outdated")
        try:
            await super().main_loop()
        finally:
            await cancel((watch,))

    async def _end_when_outdated(self) -> None:
        """End as by a signal when another model serves, or another budget is set, than here."""
        state: State = self._api.state.usher
        await first_of(
            Embedders(state.database).until_another_serves(state.pipeline.model_id),
            Operating(state.database).until_another_budget(state.settings.identity_budget),
        )
        self.handle_exit(signal.SIGTERM, None)


@app.command(
    epilog="Keys that other services were given come in USHER_NOTIFIER_KEY and USHER_DETECTOR_KEY."
)
def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data directory.")] = None,
) -> None:
    """Serve the REST API and the admin panel.

    Needs USHER_MONGODB_URI; `usher up` starts a database as well. At the very first start it prints
    the first admin's password.
    """
    settings = load_settings(Settings, host=host, port=port, data=data)
    configure_logging("api", settings.log_level)
    asyncio.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises
    ------
    ConfigurationError
        If no database is configured.
    Unavailable
        If it does not answer.
    """
    if settings.mongodb_uri is None:
        raise ConfigurationError(
            "set USHER_MONGODB_URI to a replica set of MongoDB 6 or later, or run `usher up`"
        )
    uri = settings.mongodb_uri.get_secret_value()
    async with connected(uri, settings.mongodb_database) as database:
        password = await bootstrap(database, _initial_keys())
        if password is not None:
            show_first_login(password)
        api = create_app(settings, database)
        config = uvicorn.Config(
            api,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_STOP_WITHIN_S,
        )
        await _Server(config, api).serve()


def show_first_login(password: str) -> None:
    """Print the first admin's password, which is kept nowhere."""
    sys.stdout.write(f"First login (shown once): {FIRST_USERNAME} / {password}\n")
    sys.stdout.flush()


def _initial_keys() -> tuple[InitialKey, ...]:
    return tuple(
        InitialKey(name, role, os.environ[variable])
        for variable, name, role in _INITIAL_KEYS
        if os.environ.get(variable)
    )
