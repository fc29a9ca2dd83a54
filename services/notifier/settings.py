"""The notifier's settings: the shared ones, the chat's, and what is derived from them."""

from __future__ import annotations

import json
from datetime import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from services.notifier.channels import Channel, Missing
from services.notifier.channels.mail import MailChannel
from services.notifier.channels.webhooks import Webhook, WebhookChannel
from usher.domain.errors import ConfigurationError
from usher.settings import Settings
from usher.wire import Channel as ChannelName

TERMINAL = "Text"
"""The chat in a terminal, which whoever tries the bot starts there."""
KEY_FILE = "notifier.key"
"""Name of the file in the data directory that `usher up` writes the notifier's key to."""


class NotifierSettings(Settings):
    """What the notifier needs to know. Without a chat backend, alerts go to the console."""

    chat_backend: str | None = Field(
        None, description="Errbot's name of the chat, such as SlackV3, XMPP or Text."
    )
    chat_recipients: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Accounts that hear about cameras without managers; comma separated."
    )
    chat_credentials: SecretStr | None = Field(
        None, description="The bot's account: Errbot's BOT_IDENTITY, as a JSON object."
    )
    smtp_url: SecretStr | None = Field(
        None, description="The mail server: smtps://, submission:// or smtp://USER:PASSWORD@HOST."
    )
    mail_from: str = Field("usher@localhost", description="The address that e-mail comes from.")
    mqtt_url: SecretStr | None = Field(
        None, description="The MQTT broker: mqtt:// or mqtts://USER:PASSWORD@HOST."
    )
    webhooks: SecretStr | None = Field(
        None, description='By name: {"ops": {"url": "https://…", "secret": "…"}}, as JSON.'
    )
    apprise: SecretStr | None = Field(
        None, description='Apprise\'s URLs by name: {"family": ["tgram://…"]}, as JSON.'
    )
    digest_at: time | None = Field(
        None, description="When the digest of the day is sent, such as 18:00; not set: never."
    )
    digest_to: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Who gets it: CHANNEL:ADDRESS or accounts of the chat; comma separated."
    )
    panel_url: str | None = Field(
        None, description="Where managers' browsers reach the panel; by default the API's URL."
    )
    bot_environment: Path = Field(
        Path(__file__).resolve().parents[2] / ".venv-bot",
        description="The virtual environment that Errbot is installed in.",
    )

    @field_validator("digest_at", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("chat_recipients", "digest_to", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(account for part in value.split(",") if (account := part.strip()))

    def panel(self) -> str:
        """The panel's URL, for links in messages."""
        return self.panel_url or self.api_url

    def key(self) -> str:
        """The notifier's key, from the environment or the data directory.

        Raises
        ------
        ConfigurationError
            Where there is none.
        """
        if self.api_key and (given := self.api_key.get_secret_value()):
            return given
        path = self.data / KEY_FILE
        try:
            return path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise ConfigurationError(
                f"no key for the API: set USHER_API_KEY, or start with `usher up`, "
                f"which writes one to {path}"
            ) from error

    def channels(self, *, console: Channel) -> dict[ChannelName, Channel]:
        """The channels of `usher notify`. With a chat, the bot has `chat` and `default`.

        Raises
        ------
        ConfigurationError
            Where one is written as it cannot be.
        """
        found: dict[ChannelName, Channel] = {
            "mail": Missing("no mail server is set up: set USHER_SMTP_URL"),
            "mqtt": Missing("no MQTT broker is set up: set USHER_MQTT_URL"),
            "webhook": Missing("no webhook is set up: set USHER_WEBHOOKS"),
        }
        if webhooks := _webhooks(_json("USHER_WEBHOOKS", self.webhooks)):
            found["webhook"] = WebhookChannel(webhooks)
        if smtp_url := _secret(self.smtp_url):
            found["mail"] = MailChannel(smtp_url, self.mail_from)
        if mqtt_url := _secret(self.mqtt_url):
            from services.notifier.channels.mqtt import MqttChannel  # noqa: PLC0415 - see below

            found["mqtt"] = MqttChannel(mqtt_url)
        # Both libraries take long to load, and the bot's environment has neither.
        if services := _json("USHER_APPRISE", self.apprise):
            from services.notifier.channels.apprise import AppriseChannel  # noqa: PLC0415

            found["apprise"] = AppriseChannel(_services(services))
        else:
            found["apprise"] = Missing("no service is set up: set USHER_APPRISE")
        if not self.chat_backend:
            found["chat"] = found["default"] = console
        return found

    def chat_identity(self) -> dict[str, Any]:
        """The bot's account, as Errbot's BOT_IDENTITY.

        Raises
        ------
        ConfigurationError
            Where the credentials are not a JSON object.
        """
        if not self.chat_credentials or not self.chat_credentials.get_secret_value():
            return {"username": "@usher"}
        try:
            identity = json.loads(self.chat_credentials.get_secret_value())
        except ValueError:
            identity = None
        if not isinstance(identity, dict):
            raise ConfigurationError("USHER_CHAT_CREDENTIALS is not a JSON object")
        return identity


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def _json(variable: str, value: SecretStr | None) -> dict[str, Any]:
    """A setting that is a JSON object; none where it is not set. Raises ConfigurationError."""
    text = _secret(value)
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{variable} is not a JSON object")
    return found


def _webhooks(written: dict[str, Any]) -> dict[str, Webhook]:
    try:
        return {name: Webhook(**given) for name, given in written.items()}
    except TypeError:
        raise ConfigurationError(
            'USHER_WEBHOOKS names a `url` and a `secret` for each: {"ops": {"url": "…", "secret": '
            '"…"}}'
        ) from None


def _services(written: dict[str, Any]) -> dict[str, list[str]]:
    found = {name: [urls] if isinstance(urls, str) else urls for name, urls in written.items()}
    if not all(
        isinstance(urls, list) and all(isinstance(url, str) for url in urls)
        for urls in found.values()
    ):
        raise ConfigurationError('USHER_APPRISE is to be as {"family": ["tgram://…"]}')
    return found
