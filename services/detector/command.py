"""`usher detect`."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from services.detector import pairing
from services.detector.config import DetectorConfig, load_config
from services.detector.run import build, run
from services.detector.sources import Frame, Source
from services.detector.spool import SPOOL_FILE
from usher.domain.errors import ConfigurationError
from usher.observability import configure_logging
from usher.settings import Settings, load_settings

app = typer.Typer(rich_markup_mode=None, add_completion=False)

_EXAMPLES = """\b
Examples:
  usher detect --source 0 --camera-id front-door
  usher detect --source rtsp://10.0.0.7/stream1 --camera-id yard --max-fps 4
  usher detect --source visit.mp4 --camera-id lobby --started-at 2026-03-01T08:00:00Z
  usher detect --source photographs/ --camera-id archive --min-face-px 100
  usher detect --config front-door.json

\b
front-door.json:
  {"camera_id": "front-door", "source": "0", "reader": "opencv",
   "detector": "hog", "min_face_px": 60, "max_fps": 6, "margin": 0.5,
   "api_url": "http://127.0.0.1:8000"}

The key is read from USHER_API_KEY or a file, never from the command line, which other users of
the machine can see. A repeated run over the same file with the same --started-at uploads nothing
twice.
"""


@app.command(epilog=_EXAMPLES)
def detect(
    source: Annotated[
        str | None,
        typer.Option(help="Video file, folder of photographs, stream's URL, or camera's index."),
    ] = None,
    camera_id: Annotated[
        str | None,
        typer.Option(help="Names the camera: letters, digits, `.`, `_`, `-`; 64 at most."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="JSON file of these options; the command line wins.")
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(help="The API's address.  [USHER_API_URL; default: http://127.0.0.1:8000]"),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the device's key.  [USHER_API_KEY; default: DATA/detector.key]"
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data directory.  [USHER_DATA; default: data]")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(help="opencv or folder.  [default: folder for a folder, else opencv]"),
    ] = None,
    started_at: Annotated[
        str | None,
        typer.Option(help="When a file's first frame was captured, ISO 8601.  [default: now]"),
    ] = None,
    detector: Annotated[str | None, typer.Option(help="What finds faces.  [default: hog]")] = None,
    min_face_px: Annotated[
        int | None,
        typer.Option(help="Smallest face to look for, in pixels; larger is faster.  [default: 60]"),
    ] = None,
    max_fps: Annotated[
        float | None,
        typer.Option(help="Frames to search of each second, at most.  [default: 6]"),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Kept around a face on each side, in its widths.  [default: 0.5]"),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Fetch this device's key by a code from the panel, and end."
        ),
    ] = None,
) -> None:
    """Find the faces in a camera's, file's or folder's pictures and upload them.

    A camera is watched until SIGINT or SIGTERM, a file until its end.
    """
    settings = load_settings(Settings, data=data)
    if pair is not None:
        fetch_key(pair, settings, api, key_file)
        return
    if api is None and "api_url" in settings.model_fields_set:
        api = settings.api_url
    given = {
        "source": source,
        "camera_id": camera_id,
        "api_url": api,
        "reader": reader,
        "started_at": started_at,
        "detector": detector,
        "min_face_px": min_face_px,
        "max_fps": max_fps,
        "margin": margin,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    _watch(load_config(config, overrides), read_key(settings, key_file), settings)


def fetch_key(code: str, settings: Settings, api: str | None, key_file: Path | None) -> None:
    """Pair this device, and say where its key is and what comes next."""
    api_url, file = api or settings.api_url, key_file or settings.data / "detector.key"
    device = pairing.pair(api_url, code, file, settings.ca_file)
    typer.echo(f"This device is “{device.name}” now. Its key is in {file}, for you alone.")
    if not pairing.is_private(api_url):
        typer.echo("It came over plain HTTP: others on the way could read it. Use https://.")
    typer.echo("Next, with a camera's number, a file or a stream's address:")
    given = f" --key-file {shlex.quote(str(key_file))}" if key_file else ""
    typer.echo(f"  usher detect --source 0 --camera-id front-door --api {api_url}{given}")


def read_key(settings: Settings, key_file: Path | None) -> str:
    """The device's key: of the file that was named, of the environment, of the data directory.

    Raises
    ------
    ConfigurationError
        If there is none; the message says where to get one.
    """
    of_environment = settings.api_key.get_secret_value() if settings.api_key else ""
    if key_file is None and of_environment:
        return of_environment
    file = key_file or settings.data / "detector.key"
    try:
        key = file.read_text("utf-8").strip()
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"there is no device key: fetch one with `usher detect --pair CODE` (the panel shows a "
            f"code under Cameras), or set USHER_API_KEY, or write the key into {file}"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"the key file {file} cannot be read: {error}") from error
    if not key:
        raise ConfigurationError(f"the key file {file} is empty")
    return key


def _watch(config: DetectorConfig, key: str, settings: Settings) -> None:
    stop = threading.Event()
    console = Console(stderr=True)
    with (
        _stopped_by_signals(stop),
        Progress(console=console, transient=True, disable=not console.is_terminal) as bars,
    ):
        # Now, not before: the bar stays below the log's lines where both go to a terminal.
        configure_logging("detector", settings.log_level)
        spool_file = settings.data / "spool" / SPOOL_FILE
        detection = build(config, key=key, spool_file=spool_file, stop=stop)
        summary = run(detection, on_frame=_bar(bars, detection.source))
    if console.is_terminal:
        console.print(str(summary), highlight=False)


def _bar(bars: Progress, source: Source) -> Callable[[Frame], None]:
    """What to call after each frame, to move a bar where an end is known."""
    if source.length is None:
        return lambda frame: None
    task = bars.add_task("Detecting", total=source.length)
    return lambda frame: bars.update(task, completed=frame.index + 1)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Set `stop` at the first SIGINT or SIGTERM; the second one ends the process."""

    def ask(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
