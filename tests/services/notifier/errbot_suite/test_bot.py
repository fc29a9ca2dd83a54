"""In order: the alert comes once, and what managers answer builds on it."""

from __future__ import annotations

import logging
import signal
import sys
from types import ModuleType

import pytest

from services.notifier.messages import IGNORE_USAGE, NAME_USAGE, not_linked
from services.notifier.settings import NotifierSettings
from usher.client import UsherClient

from .conftest import Bot

COMMANDS = ("name", "same", "ignore", "snooze", "notface", "done", "whois")
COMMANDS += ("who", "last", "person", "find", "enrol", "mute", "status")


@pytest.fixture(autouse=True)
def as_manager(bot: Bot) -> None:
    bot.speak_as("@ann")


def test_bot_tells_each_recipient_with_the_picture(bot: Bot, person_id: str) -> None:
    for _ in ("@ann", "@bob"):
        text = bot.hear(lambda said: isinstance(said, str) and person_id in said, within_s=30)
        _, name, ignore, link = text.splitlines()
        assert name.endswith(f"!name {person_id} NAME")
        assert ignore.endswith(f"!ignore {person_id}")
        assert link.endswith(f"/people/{person_id}")
        picture = bot.pop_message()
        assert picture.startswith(b"\xff\xd8")


def test_bot_shows_the_last_alert_with_its_picture(bot: Bot) -> None:
    assert "Unknown face" in bot.ask("!last")
    assert bot.pop_message().startswith(b"\xff\xd8")


def test_bot_names_a_stranger_and_tells_the_others(bot: Bot, person_id: str) -> None:
    assert f"{person_id} is Alice Smith" in bot.ask(f"!name {person_id} Alice Smith")
    settled = bot.hear(lambda said: isinstance(said, str) and said.startswith("Settled"))
    assert f"{person_id} is Alice Smith" in settled
    settings = NotifierSettings()
    with UsherClient(settings.api_url, settings.key()) as client:
        assert client.person(person_id).name == "Alice Smith"


def test_bot_ignores_a_person(bot: Bot, person_id: str) -> None:
    assert f"hear no more of {person_id}" in bot.ask(f"!ignore {person_id}")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("!name", NAME_USAGE),
        ("!ignore", IGNORE_USAGE),
        ("!name p-000000 Nobody", "I know no person `p-000000`."),
    ],
)
def test_bot_explains_what_was_wrong(bot: Bot, command: str, answer: str) -> None:
    assert bot.ask(command) == answer.replace("`", "")


@pytest.mark.parametrize("command", ["!last", "!name p-7k3qxz Mallory", "!ignore p-7k3qxz"])
def test_bot_does_nothing_for_an_account_without_a_user(bot: Bot, command: str) -> None:
    bot.speak_as("@mallory")
    assert bot.ask(command) == not_linked("chat:@mallory").replace("`", "")


def test_bot_helps(bot: Bot) -> None:
    said = bot.ask("!help")
    for command in COMMANDS:
        assert f"!{command}" in said


@pytest.mark.parametrize("command", ["!repos install x", "!plugin list", "!restart", "!backup"])
def test_bot_installs_and_restarts_nothing_at_a_chats_request(bot: Bot, command: str) -> None:
    assert "not found" in bot.ask(command)


def test_bot_keeps_names_out_of_the_log_when_a_command_fails(config: ModuleType) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    log = logging.getLogger("errbot.core")
    log.addHandler(handler)
    try:
        _execute_and_send(log, 'processing a message ("!name p-7k3qxz Alice")')
    finally:
        log.removeHandler(handler)
    (record,) = records
    assert "Alice" not in logging.Formatter().format(record)
    assert "ValueError" in record.getMessage()


def _execute_and_send(log: logging.Logger, what: str) -> None:
    """Fails and logs as Errbot's function of this name does."""
    try:
        raise ValueError("Alice")
    except ValueError:
        log.exception(what)


def test_bot_stops_at_sigterm_as_at_an_interrupt(config: ModuleType) -> None:
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


def test_bot_is_configured_from_the_environment(config: ModuleType) -> None:
    assert config.BACKEND == "Test"
    assert config.BOT_ADMINS == ("@ann", "@bob")
    assert config.BOT_DATA_DIR.startswith(str(NotifierSettings().data))
    assert "typer" not in sys.modules
