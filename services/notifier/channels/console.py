"""The channel that needs no account: messages on standard output."""

from __future__ import annotations

from typing import Literal

from rich.console import Console
from rich.text import Text

from services.notifier.messages import Message

HOW_TO_CONNECT_A_CHAT = (
    "No chat is configured, so alerts appear here. To send them to one, run `usher notify --init`: "
    "docs/notifier.md says more."
)


class ConsoleChannel:
    """Prints messages. Everybody who reads the console is a recipient."""

    via: Literal["console"] = "console"

    def __init__(self, console: Console) -> None:
        self._console = console

    def deliver(self, address: str, message: Message) -> None:
        """Print one line, and the link."""
        line = Text.assemble((message.title, "bold yellow"), "  ")
        line.append(message.link, style=f"link {message.link}")
        self._console.print(line, soft_wrap=True)
