"""`usher notify`: sends what is due; `usher notify --chat` becomes the bot of a chat."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Annotated, NoReturn

import structlog
import typer
from rich.console import Console

from services.notifier.channels import Channel
from services.notifier.channels.console import HOW_TO_CONNECT_A_CHAT, ConsoleChannel
from services.notifier.daily import send_daily
from services.notifier.sender import API_TIMEOUT_S, Sender
from services.notifier.setting_up import SettingUp
from services.notifier.settings import TERMINAL, NotifierSettings
from usher.client import UsherClient
from usher.domain.errors import ConfigurationError
from usher.observability import configure_logging
from usher.settings import load_settings
from usher.wire import Channel as ChannelName

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
    chat: Annotated[
        bool, typer.Option("--chat", help="Become the bot of USHER_CHAT_BACKEND.")
    ] = False,
    init: Annotated[
        bool, typer.Option("--init", help="Ask where alerts go, try it, and write it to .env.")
    ] = False,
) -> None:
    """Tell managers about alerts: by e-mail, webhook, MQTT, Apprise, and on this console.

    Where a chat is set up, what is meant for it is sent by its bot (--chat), which runs apart.
    """
    if init:
        SettingUp(Console(highlight=False), Path(".env")).run()
        return
    settings = load_settings(NotifierSettings, api_url=api, data=data)
    if chat:
        _become_bot(settings)
    configure_logging("notifier", settings.log_level)
    if not settings.chat_backend:
        log.info(HOW_TO_CONNECT_A_CHAT)
    _send(settings, settings.channels(console=ConsoleChannel(Console(highlight=False))))


def _send(settings: NotifierSettings, channels: dict[ChannelName, Channel]) -> None:
    """Send by each channel on its own, so that a slow one keeps no other waiting."""
    stop = _stop_on_signals()
    failures: list[Exception] = []

    def send(part: dict[ChannelName, Channel]) -> None:
        try:
            with UsherClient(
                settings.api_url, settings.key(), timeout_s=API_TIMEOUT_S, ca_file=settings.ca_file
            ) as client:
                Sender(client, part, settings.panel(), stop).run()
        except Exception as error:  # noqa: BLE001 - raised below, in the thread that can say it
            failures.append(error)
            stop.set()

    threads = [Thread(target=send, args=(part,)) for part in _by_channel(channels)]
    if settings.digest_at:
        threads.append(Thread(target=send_daily, args=(settings, channels, stop)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for channel in channels.values():
        if close := getattr(channel, "close", None):
            close()
    if failures:
        raise failures[0]


def _by_channel(channels: dict[ChannelName, Channel]) -> list[dict[ChannelName, Channel]]:
    """The names of each channel together."""
    parts: dict[int, dict[ChannelName, Channel]] = {}
    for name, channel in channels.items():
        parts.setdefault(id(channel), {})[name] = channel
    return list(parts.values())


def _stop_on_signals() -> Event:
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _become_bot(settings: NotifierSettings) -> NoReturn:
    """Replace this process by Errbot, in its own environment: it is GPLv3 and stays apart."""
    if not settings.chat_backend:
        raise ConfigurationError("no chat is set up: set USHER_CHAT_BACKEND")
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
    if settings.chat_backend == TERMINAL and not sys.stdin.isatty():
        raise ConfigurationError("the Text backend is a chat in a terminal: run it in one")
    settings.key()
    settings.chat_identity()
