from __future__ import annotations

from io import StringIO

from rich.console import Console

from services.notifier.console import ConsoleChannel
from services.notifier.messages import alert_message
from usher.wire import Camera

from .conftest import JPEG, an_alert


def test_console_prints_an_alert_on_one_line_however_narrow_it_is() -> None:
    out = StringIO()
    camera = Camera(id="door", name="[bold]Door[/bold]", managers=[])
    message = alert_message(an_alert(camera=camera), panel_url="http://usher.test")
    ConsoleChannel(Console(file=out, width=40)).deliver(message, JPEG, [])
    assert out.getvalue() == (
        f"Unknown face p-7k3qxz at [bold]Door[/bold], {message.seen_at}  "
        "http://usher.test/people/p-7k3qxz\n"
    )
