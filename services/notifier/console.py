"""The channel that needs no account: alerts on standard output."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from services.notifier.messages import AlertMessage

HOW_TO_CONNECT_A_CHAT = (
    "No chat is configured, so alerts appear here. To send them to one, set USHER_CHAT_BACKEND: "
    "docs/notifier.md says how."
)


class ConsoleChannel:
    """Prints alerts. Everybody who reads the console is a recipient."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def deliver(
        self, message: AlertMessage, picture: bytes | None, recipients: Sequence[str]
    ) -> None:
        self._print(
            Text.assemble(
                (message.who, "bold yellow"), f" at {message.camera}, {message.seen_at}  "
            ).append(message.link, style=f"link {message.link}")
        )

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)
