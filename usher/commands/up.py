"""`usher up`: the whole system on this machine, each service its own process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.api.bootstrap import FIRST_USERNAME, InitialKey, bootstrap
from services.notifier.channels.console import HOW_TO_CONNECT_A_CHAT
from services.notifier.settings import TERMINAL, NotifierSettings
from usher.client import UsherClient
from usher.domain.errors import ConfigurationError, UsherError
from usher.domain.identifiers import new_key
from usher.domain.records import DetectionStatus, Role
from usher.settings import Settings, load_settings
from usher.storage.database import connected
from usher.storage.embedded import EmbeddedServer
from usher.supervisor import Process, Program, Service
from usher.wire import Stats, utc_now

app = typer.Typer()

_READY_WITHIN_S = 60.0
_POLL_S = 0.3
_IDLE_POLLS = 2
_LOCAL = ("127.0.0.1", "localhost", "::1", "0.0.0.0")  # noqa: S104 - compared with, not bound to


@app.command()
def up(
    source: Annotated[
        str | None,
        typer.Option(help="Also watch this video file, folder, stream's URL or camera's index."),
    ] = None,
    camera_id: Annotated[
        str | None, typer.Option(help="Names the source's camera.  [default: from the source]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON file for the detector: see `usher detect --help`.")
    ] = None,
    exit_when_idle: Annotated[
        bool,
        typer.Option(help="Stop when the source has ended and all of it is classified and sent."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, and nothing else.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option(help="Data directory.  [USHER_DATA; default: data]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="The panel's and API's port.  [USHER_PORT; default: 8000]")
    ] = None,
) -> None:
    """Run everything on this machine: database, API and panel, classifier, notifier.

    Without USHER_MONGODB_URI it starts its own MongoDB. Ctrl-C stops it all.
    """
    if exit_when_idle and source is None and config is None:
        raise ConfigurationError("--exit-when-idle needs a --source that ends")
    settings = load_settings(NotifierSettings, data=data, port=port)
    detector = _detector_arguments(source, camera_id, config)
    system = System(settings, Console(stderr=as_json, highlight=False), detector)
    summary = asyncio.run(system.run(exit_when_idle=exit_when_idle))
    if summary is not None:
        _print_summary(summary, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of the services beside the API, kept in the data directory for the user alone."""

    notifier: str
    detector: str


class System:
    """All services on this machine.

    Parameters
    ----------
    console
        Takes a line for each change of a service's state.
    detector
        Arguments of `usher detect`; None where no detector shall run.
    """

    def __init__(
        self, settings: NotifierSettings, console: Console, detector: Sequence[str] | None
    ) -> None:
        self._settings = settings
        self._data = settings.data.absolute()
        self._console = console
        self._detector = detector
        self._stop = asyncio.Event()

    async def run(self, *, exit_when_idle: bool) -> Stats | None:
        """Run until stopped, or until idle: then the figures of this run.

        Raises
        ------
        UsherError
            If a service cannot start, or the detector fails for good.
        """
        self._stop_on_signals()
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        port = _choose_port(self._settings)
        url = f"http://{_reachable(self._settings.host)}:{port}"
        keys = _keep_keys(self._data)
        started_at = utc_now()
        async with AsyncExitStack() as stack:
            uri = await self._start_database(stack)
            password = await self._bootstrap(uri, keys)
            for service in self._services(uri, url, port):
                await stack.enter_async_context(_started(service))
            detector = self._detector_service(url, started_at)
            if detector is not None:
                await stack.enter_async_context(_started(detector))
            self._welcome(url, password, idle_exit=exit_when_idle)
            if exit_when_idle and detector is not None:
                return await self._until_idle(detector, url, keys, started_at)
            await self._stop.wait()
        return None

    # ---- Services --------------------------------------------------------------------------------

    async def _start_database(self, stack: AsyncExitStack) -> str:
        if self._settings.mongodb_uri is not None:
            return self._settings.mongodb_uri.get_secret_value()
        server = EmbeddedServer(self._data / "mongodb", self._settings.mongodb_port)
        await stack.enter_async_context(_started(Service("mongodb", server, self._report)))
        return server.uri

    async def _bootstrap(self, uri: str, keys: Keys) -> str | None:
        initial = (
            InitialKey("notifier", Role.NOTIFIER, keys.notifier),
            InitialKey("this machine's detector", Role.DEVICE, keys.detector),
        )
        async with connected(uri, self._settings.mongodb_database) as database:
            return await bootstrap(database, initial)

    def _services(self, uri: str, url: str, port: int) -> list[Service]:
        database = {"USHER_MONGODB_URI": uri}
        api = Service(
            "api",
            Process(self._program("api", "--port", str(port), environment=database)),
            self._report,
            ready=lambda: _until_ready(url),
        )
        classifier = Process(self._program("classify", environment=database))
        reached = {"USHER_API_URL": url}
        notifier = Process(
            self._program("notify", environment=reached, output=self._console.file.fileno())
        )
        services = [
            api,
            Service("classifier", classifier, self._report),
            Service("notifier", notifier, self._report),
        ]
        if self._settings.chat_backend and self._settings.chat_backend != TERMINAL:
            bot = self._program("notify", "--chat", name="chat", environment=reached)
            services.append(Service("chat", Process(bot), self._report))
        return services

    def _detector_service(self, url: str, started_at: datetime) -> Service | None:
        if self._detector is None:
            return None
        arguments = [*self._detector, "--api", url]
        if "--config" not in arguments:
            # A file's cameras have moments of their own.
            arguments += ["--started-at", started_at.isoformat()]
        process = Process(self._program("detect", *arguments))
        return Service("detector", process, self._report, lasting=False)

    def _program(
        self,
        command: str,
        *arguments: str,
        name: str | None = None,
        environment: dict[str, str] | None = None,
        output: int | None = None,
    ) -> Program:
        name = name or command
        return Program(
            name=name,
            arguments=("-m", "usher", command, *arguments),
            log=self._data / "logs" / f"{name}.log",
            environment={"USHER_DATA": str(self._data), **(environment or {})},
            output=output,
        )

    # ---- What it says ----------------------------------------------------------------------------

    def _report(self, service: str, state: str) -> None:
        self._console.print(f"{service:<12}{state}", markup=False, soft_wrap=True)

    def _welcome(self, url: str, password: str | None, *, idle_exit: bool) -> None:
        if self._detector is None:
            self._console.print(_HOW_TO_DETECT.format(url=url), markup=False, soft_wrap=True)
        if not self._settings.chat_backend:
            self._console.print(f"\n{HOW_TO_CONNECT_A_CHAT}", markup=False, soft_wrap=True)
        if not idle_exit or password is not None:
            self._console.print(f"\nPanel        {url}", markup=False, soft_wrap=True)
        if password is not None:
            login = f"First login  {FIRST_USERNAME} / {password}   (shown once: change it there)"
            self._console.print(login, markup=False, soft_wrap=True)

    # ---- Ending ----------------------------------------------------------------------------------

    def _stop_on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)

    async def _until_idle(
        self, detector: Service, url: str, keys: Keys, started_at: datetime
    ) -> Stats | None:
        """The figures once the source has ended and nothing is left to do; None when stopped."""
        finished = asyncio.create_task(detector.finished())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({finished, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done():
            finished.cancel()
            return None
        if finished.result() != 0:
            raise ConfigurationError(
                f"the detector failed: {_last_line(self._data / 'logs' / 'detect.log')}"
            )
        with UsherClient(url, keys.notifier) as client:
            idle = 0
            while idle < _IDLE_POLLS and not self._stop.is_set():
                stats = await _stats(client, started_at)
                done = stats is not None and not stats.queue and not stats.alerts_unsent
                idle = idle + 1 if done else 0
                await asyncio.sleep(_POLL_S)
        stopped.cancel()
        return None if self._stop.is_set() else stats


_HOW_TO_DETECT = """
Start a detector in another terminal (.venv/bin/usher detect --help):
  a webcam        .venv/bin/usher detect --api {url} --camera-id desk --source 0
  an RTSP camera  .venv/bin/usher detect --api {url} --camera-id door --source rtsp://HOST/PATH
  a video file    .venv/bin/usher detect --api {url} --camera-id clip --source FILE.mp4"""


@asynccontextmanager
async def _started(service: Service) -> AsyncIterator[Service]:
    """A service that runs inside of the block."""
    try:
        await service.start()
        yield service
    finally:
        await asyncio.shield(service.stop())


async def _until_ready(url: str) -> None:
    """Wait until the API answers that it can work.

    Raises
    ------
    ConfigurationError
        If it does not within a minute.
    """
    with UsherClient(url, timeout_s=2) as client:
        try:
            async with asyncio.timeout(_READY_WITHIN_S):
                while not await asyncio.to_thread(client.is_ready):  # noqa: ASYNC110 - asks by HTTP
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise ConfigurationError(
                f"the API was not ready within {_READY_WITHIN_S:g} s: see logs/api.log in the data "
                "directory"
            ) from error


async def _stats(client: UsherClient, since: datetime) -> Stats | None:
    try:
        return await asyncio.to_thread(client.stats, since=since)
    except UsherError:
        return None


def _choose_port(settings: Settings) -> int:
    """The wanted port; where nobody asked for one and the usual one is taken, any free one.

    Raises
    ------
    ConfigurationError
        If the port that was asked for is taken.
    """
    if settings.port and _is_free(settings.host, settings.port):
        return settings.port
    if settings.port and "port" in settings.model_fields_set:
        raise ConfigurationError(
            f"port {settings.port} is in use: stop what listens there, or choose another with "
            "--port or USHER_PORT"
        )
    with socket.socket() as free:
        free.bind((settings.host, 0))
        return int(free.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    return "127.0.0.1" if host in _LOCAL else host


def _keep_keys(data: Path) -> Keys:
    return Keys(
        notifier=_keep_key(data / "notifier.key", "usher_notifier"),
        detector=_keep_key(data / "detector.key", "usher_device"),
    )


def _keep_key(path: Path, prefix: str) -> str:
    """The key in a file that only its owner reads; made where there is none."""
    if path.exists():
        return path.read_text(encoding="ascii").strip()
    key = new_key(prefix)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key + "\n")
    return key


def _detector_arguments(
    source: str | None, camera_id: str | None, config: Path | None
) -> list[str] | None:
    if source is None and config is None:
        return None
    arguments = ["--config", str(config.absolute())] if config else []
    if source is not None:
        arguments += ["--source", source]
    if camera_id is None and config is None:
        camera_id = _camera_id(source or "")
    return arguments + (["--camera-id", camera_id] if camera_id else [])


def _camera_id(source: str) -> str:
    """A camera's id from its source: `short_hamilton_clip` for `clips/short_hamilton_clip.mp4`."""
    if source.isdecimal():
        return f"camera-{source}"
    name = (
        source.split("://", 1)[1].rsplit("@", maxsplit=1)[-1]
        if "://" in source
        else Path(source).stem
    )
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:64] or "camera"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return "it left no log"
    return lines[-1] if lines else "it left no log"


def _print_summary(stats: Stats, *, as_json: bool) -> None:
    summary = {
        "detections": stats.detections,
        "classified": stats.by_status.get(DetectionStatus.CLASSIFIED, 0),
        "unidentifiable": stats.by_status.get(DetectionStatus.UNIDENTIFIABLE, 0),
        "failed": stats.by_status.get(DetectionStatus.FAILED, 0),
        "persons": stats.persons,
        "new_persons": stats.new_persons,
        "alerts_sent": stats.alerts_sent,
    }
    if as_json:
        sys.stdout.write(json.dumps(summary) + "\n")
        return
    words = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in summary.items())
    Console(highlight=False).print(words, markup=False, soft_wrap=True)
