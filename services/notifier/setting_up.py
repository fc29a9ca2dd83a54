"""`usher notify --init`: asks where alerts go, tries it, and writes it down for the user alone."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.prompt import Confirm, Prompt

from services.notifier.channels import DeliveryFailed
from services.notifier.messages import Message
from services.notifier.settings import NotifierSettings
from usher.domain.errors import ConfigurationError, UsherError
from usher.domain.identifiers import new_id

_CHATS = {
    "slack": ("Slack", '{"token": "xoxb-…", "app_token": "xapp-…"}', "@ann, #security"),
    "irc": ("IRC", '{"nickname": "usher", "server": "irc.example.org"}', "ann, #security"),
    "text": ("Text", "", "@me"),
}
_WHERE = ("chat", "mail", "mqtt", "webhook", "apprise", "done")


class SettingUp:
    """Asks, one way after the other.

    Parameters
    ----------
    path
        The file that settings are read from: what else stands in it stays.
    """

    def __init__(self, console: Console, path: Path) -> None:
        self._console = console
        self._path = path
        self._found: dict[str, str] = {}

    def run(self) -> None:
        """Ask until nothing more is wanted, then write.

        Raises
        ------
        ConfigurationError
            If nothing was set up.
        """
        self._console.print("Where are alerts to go? Each way is tried before it is written down.")
        while (way := self._choose()) != "done":
            try:
                getattr(self, f"_ask_{way}")()
            except (UsherError, ValidationError) as error:
                self._console.print(f"That does not work: {error}", markup=False, style="red")
        if not self._found:
            raise ConfigurationError("nothing was set up")
        write(self._path, self._found)
        self._console.print(
            f"Written to {self._path}, which only you can read. Start `usher up` again.",
            markup=False,
        )

    def _choose(self) -> str:
        return Prompt.ask("Set up", choices=list(_WHERE), default="done", console=self._console)

    def _ask(self, text: str, default: str | None = None, *, secret: bool = False) -> str:
        if default is None:
            return Prompt.ask(text, console=self._console, password=secret)
        return Prompt.ask(text, console=self._console, password=secret, default=default)

    def _ask_chat(self) -> None:
        chat = Prompt.ask("Which chat", choices=list(_CHATS), console=self._console)
        backend, credentials, recipients = _CHATS[chat]
        given = {"USHER_CHAT_BACKEND": backend}
        if credentials:
            asked = f"The bot's account, as JSON, such as {credentials}"
            given["USHER_CHAT_CREDENTIALS"] = self._ask(asked, secret=chat == "slack")
        asked = f"Who hears of cameras without managers, such as {recipients}"
        given["USHER_CHAT_RECIPIENTS"] = self._ask(asked)
        settings = _settings(given)
        settings.chat_identity()
        if not settings.chat_recipients:
            raise ConfigurationError("somebody has to hear of it")
        if not (settings.bot_environment / "bin" / "errbot").exists():
            self._console.print("The bot is not installed yet: run `make bot`.", style="yellow")
        self._found |= given

    def _ask_mail(self) -> None:
        given = {
            "USHER_SMTP_URL": self._ask(
                "The mail server, such as submission://USER:PASSWORD@mail.example.org", secret=True
            ),
            "USHER_MAIL_FROM": self._ask("The address that e-mail comes from"),
        }
        to = self._ask("Your address, for a trial")
        self._try(given, "mail", to)

    def _ask_mqtt(self) -> None:
        url = self._ask("The broker, such as mqtt://USER:PASSWORD@10.0.0.2", secret=True)
        self._try({"USHER_MQTT_URL": url}, "mqtt", "")

    def _ask_webhook(self) -> None:
        name = self._ask("A name for it", "ops")
        url = self._ask("Its address, such as https://example.org/usher")
        secret = secrets.token_hex(16)
        webhooks = {**self._json("USHER_WEBHOOKS"), name: {"url": url, "secret": secret}}
        self._try({"USHER_WEBHOOKS": json.dumps(webhooks)}, "webhook", name)
        self._console.print(f"Its secret, for the receiver: {secret}", markup=False)

    def _ask_apprise(self) -> None:
        name = self._ask("A name for it", "family")
        url = self._ask("Apprise's URL, such as tgram://TOKEN/CHAT", secret=True)
        services = {**self._json("USHER_APPRISE"), name: [url]}
        self._try({"USHER_APPRISE": json.dumps(services)}, "apprise", name)

    def _try(self, given: dict[str, str], channel: str, address: str) -> None:
        """Send a message by it; keep it where that works, or where the user wants it anyway."""
        channels = _settings({**self._found, **given}).channels(console=_Nobody())
        try:
            channels[channel].deliver(address, _trial())  # type: ignore[index]  # one of `_WHERE`
        except DeliveryFailed as error:
            self._console.print(f"The trial failed: {error}", markup=False, style="red")
            if not Confirm.ask("Keep it anyway", default=False, console=self._console):
                return
        else:
            self._console.print(
                f"Sent. In a rule, it is `{channel}:{address}`.", markup=False, style="green"
            )
        self._found |= given

    def _json(self, name: str) -> dict[str, object]:
        found = self._found.get(name)
        return json.loads(found) if found else {}


class _Nobody:
    """Takes what is meant for a console."""

    def deliver(self, address: str, message: Message) -> None:
        """Nothing."""


def write(path: Path, given: dict[str, str]) -> None:
    """Put settings into a file that only the user can read; others in it stay."""
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in before if line.partition("=")[0].strip() not in given]
    lines = [*kept, *(f"{name}={_quoted(value)}" for name, value in given.items())]
    temporary = path.with_name(f"{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write("\n".join(lines) + "\n")
    temporary.replace(path)


def _quoted(value: str) -> str:
    """As it stands in an environment file. Raises ConfigurationError for what has two lines."""
    if "\n" in value:
        raise ConfigurationError("a setting cannot have a line break in it")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _settings(given: dict[str, str]) -> NotifierSettings:
    named = {name.removeprefix("USHER_").lower(): value for name, value in given.items()}
    return NotifierSettings(**named)  # type: ignore[arg-type]  # Pydantic reads the words


def _trial() -> Message:
    return Message(
        id=new_id(),
        kind="alert",
        title="A trial of Usher",
        text="**A trial of Usher**: alerts will arrive here.",
        link="",
    )
