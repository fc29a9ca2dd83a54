"""`usher notify`: sends alerts to the console, or becomes the bot where a chat is configured."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event
from typing import Annotated, NoReturn

import structlog
import typer
from rich.console import Console

from services.notifier.console import HOW_TO_CONNECT_A_CHAT, ConsoleChannel
from services.notifier.sender import API_TIMEOUT_S, Sender
from services.notifier.settings import NotifierSettings
from usher.client import UsherClient
from usher.domain.errors import ConfigurationError
from usher.observability import configure_logging
from usher.settings import load_settings

_BOT_CONFIG = Path(__file__).resolve().parent / "errbot" / "config.py"

app = typer.Typer()
log = structlog.get_logger()


@app.command()
def notify(
    api: Annotated[
        str | None, typer.Option(envvar="USHER_API_URL", help="Where the API listens.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="USHER_DATA", help="The data directory.")
    ] = None,
) -> None:
    """Send alerts to managers: to the chat of USHER_CHAT_BACKEND, else to this console."""
    settings = load_settings(NotifierSettings, api_url=api, data=data)
    if settings.chat_backend:
        _become_bot(settings)
    _send_to_console(settings)


def _send_to_console(settings: NotifierSettings) -> None:
    configure_logging("notifier", settings.log_level)
    stop = _stop_on_signals()
    channel = ConsoleChannel(Console(highlight=False))
    log.info(HOW_TO_CONNECT_A_CHAT)
    with UsherClient(
        settings.api_url, settings.key(), timeout_s=API_TIMEOUT_S, ca_file=settings.ca_file
    ) as client:
        Sender(client, channel, settings.panel(), stop).run()


def _stop_on_signals() -> Event:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _become_bot(settings: NotifierSettings) -> NoReturn:
    """Replace this process by Errbot, in its own environment: it is GPLv3 and stays apart."""
    errbot = settings.bot_environment / "bin" / "errbot"
    if not errbot.exists():
        raise ConfigurationError(
            f"a chat is configured and the bot is not installed in {settings.bot_environment}: "
            "run `make bot`"
        )
    _check(settings)
    environment = os.environ | {
        "USHER_API_URL": settings.api_url,
        "USHER_DATA": str(settings.data.resolve()),
    }
    sys.stdout.flush()
    os.execve(errbot, [str(errbot), "--config", str(_BOT_CONFIG)], environment)  # noqa: S606


def _check(settings: NotifierSettings) -> None:
    """Find out before the bot starts what would stop it. Raises ConfigurationError."""
    if not settings.chat_recipients:
        raise ConfigurationError(
            "a chat is configured and nobody to tell: set USHER_CHAT_RECIPIENTS"
        )
    if settings.chat_backend == "Text" and not sys.stdin.isatty():
        raise ConfigurationError("the Text backend is a chat in a terminal: run it in one")
    settings.key()
    settings.chat_identity()
