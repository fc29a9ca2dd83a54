"""`usher detect`."""

from __future__ import annotations

import json
import shlex
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from services.detector import pairing
from services.detector.config import (
    CameraConfig,
    DetectorConfig,
    config_schema,
    config_warnings,
    load_config,
)
from services.detector.run import build, run
from services.detector.sources import Frame, Source
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
  usher detect --check cameras.json
  usher detect --config cameras.json

\b
cameras.json:
  {"api_url": "https://usher.example",
   "cameras": [
     {"camera_id": "front-door", "source": "0"},
     {"camera_id": "yard", "source": "rtsp://10.0.0.7/stream1", "min_face_px": 60,
      "exclude": [[[0, 0], [1, 0], [1, 0.2], [0, 0.2]]]}]}

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
        Path | None,
        typer.Option(help="JSON file of cameras; the command line wins over one camera's."),
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
        typer.Option(
            help="opencv, folder or watched.  [default: folder for a folder, else opencv]"
        ),
    ] = None,
    started_at: Annotated[
        str | None,
        typer.Option(help="When a file's first frame was captured, ISO 8601.  [default: now]"),
    ] = None,
    detector: Annotated[str | None, typer.Option(help="What finds faces.  [default: hog]")] = None,
    min_face_px: Annotated[
        int | None,
        typer.Option(help="Smallest face to look for, in pixels; larger is faster.  [default: 80]"),
    ] = None,
    max_fps: Annotated[
        float | None,
        typer.Option(help="Frames to look at in a second, at most.  [default: all]"),
    ] = None,
    detect_every: Annotated[
        int | None,
        typer.Option(help="Look for faces in every n-th frame.  [default: as the load allows]"),
    ] = None,
    motion: Annotated[
        bool | None,
        typer.Option(help="Look for faces only where something moves.  [default: motion]"),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="Kept around a face on each side, in its widths.  [default: 0.5]"),
    ] = None,
    preview_port: Annotated[
        int | None,
        typer.Option(help="Show what is seen, on this port of 127.0.0.1.  [default: nowhere]"),
    ] = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(help="Figures for Prometheus, on this port of 127.0.0.1.  [default: nowhere]"),
    ] = None,
    pair: Annotated[
        str | None,
        typer.Option(
            metavar="CODE", help="Fetch this device's key by a code from the panel, and end."
        ),
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="Check a file for --config, say what it would do, and end."),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of the file, and end.")
    ] = False,
) -> None:
    """Find the faces in a camera's, file's or folder's pictures and upload them.

    A camera is watched until SIGINT or SIGTERM, a file until its end.
    """
    if schema:
        typer.echo(json.dumps(config_schema(), indent=2))
        return
    if check is not None:
        _check(check)
        return
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
        "detect_every": detect_every,
        "motion": motion,
        "margin": margin,
        "preview_port": preview_port,
        "metrics_port": metrics_port,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    loaded, key = load_config(config, overrides), partial(read_key, settings, key_file)
    key()  # where there is none, say so before anything is opened
    _watch(loaded, key, settings)


def fetch_key(code: str, settings: Settings, api: str | None, key_file: Path | None) -> None:
    """Pair this device, and say where its key is and what comes next."""
    api_url, file = api or settings.api_url, key_file or settings.data / "detector.key"
    device = pairing.pair(api_url, code, file, settings.ca_file)
    typer.echo(f"This device is “{device.name}” now. Its key is in {file}, for you alone.")
    if device.cameras:
        typer.echo(f"It is for {', '.join(device.cameras)} and no other camera.")
    if not pairing.is_private(api_url):
        typer.echo("It came over plain HTTP: others on the way could read it. Use https://.")
    typer.echo("Next, with a camera's number, a file or a stream's address:")
    camera_id = device.cameras[0] if device.cameras else "front-door"
    given = f" --key-file {shlex.quote(str(key_file))}" if key_file else ""
    typer.echo(f"  usher detect --source 0 --camera-id {camera_id} --api {api_url}{given}")


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


def _check(file: Path) -> None:
    """Say what a configuration file would do, or all that is wrong with it: exit status 2."""
    try:
        config = load_config(file, {})
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    for camera in config.cameras:
        typer.echo(_summary(camera))
    for warning in config_warnings(config, file):
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{file} is in order: uploads go to {config.api_url}")


def _summary(camera: CameraConfig) -> str:
    """One line for people, without a password."""
    parts = [
        f"{camera.shown_source} ({camera.reader_kind})",
        f"{camera.detector} from {camera.min_face_px} px",
        f"at most {camera.max_fps:g} frames a second" if camera.max_fps else "",
        "" if camera.motion else "without motion gate",
        _areas(len(camera.include), "of interest"),
        _areas(len(camera.exclude), "of no interest"),
    ]
    return f"{camera.camera_id}: {', '.join(filter(None, parts))}"


def _areas(number: int, kind: str) -> str:
    if number == 0:
        return ""
    return f"{number} {'area' if number == 1 else 'areas'} {kind}"


def _watch(config: DetectorConfig, key: Callable[[], str], settings: Settings) -> None:
    stop = threading.Event()
    console = Console(stderr=True)
    with (
        _stopped_by_signals(stop),
        Progress(console=console, transient=True, disable=not console.is_terminal) as bars,
    ):
        # Now, not before: the bar stays below the log's lines where both go to a terminal.
        configure_logging("detector", settings.log_level)
        bar = _bars(bars)
        data, ca_file = settings.data, config.ca_file or settings.ca_file
        detection = build(config, key=key, data=data, ca_file=ca_file, stop=stop, on_frame=bar)
        summary = run(detection)
    if console.is_terminal:
        console.print(str(summary), highlight=False)


def _bars(bars: Progress) -> Callable[[Source, str, Frame], None]:
    """What to call after each frame, to move a bar where an end is known."""
    tasks: dict[str, TaskID] = {}

    def move(source: Source, camera_id: str, frame: Frame) -> None:
        if source.length is None:
            return
        if camera_id not in tasks:
            tasks[camera_id] = bars.add_task(camera_id, total=source.length)
        bars.update(tasks[camera_id], completed=frame.index + 1)

    return move


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
