"""The notifier's settings: the shared ones, the chat's, and what is derived from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from usher.domain.errors import ConfigurationError
from usher.settings import Settings

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
    panel_url: str | None = Field(
        None, description="Where managers' browsers reach the panel; by default the API's URL."
    )
    bot_environment: Path = Field(
        Path(__file__).resolve().parents[2] / ".venv-bot",
        description="The virtual environment that Errbot is installed in.",
    )

    @field_validator("chat_recipients", mode="before")
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
