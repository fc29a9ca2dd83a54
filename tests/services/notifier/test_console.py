from __future__ import annotations

from io import StringIO

from rich.console import Console

from services.notifier.channels.console import ConsoleChannel
from usher.wire import Camera

from .conftest import a_message


def test_console_prints_an_alert_on_one_line_however_narrow_it_is() -> None:
    out = StringIO()
    message = a_message(camera=Camera(id="door", name="[bold]Door[/bold]", managers=[]))
    ConsoleChannel(Console(file=out, width=40)).deliver("", message)
    assert out.getvalue() == f"{message.title}  http://usher.test/people/p-7k3qxz\n"
    assert message.title.startswith("Unknown face p-7k3qxz at [bold]Door[/bold], 2026-11-22 ")
