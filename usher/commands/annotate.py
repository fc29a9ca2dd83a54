"""`usher annotate VIDEO -o OUT`: names and boxes, written into a video."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from usher.commands.drawing import draw_sightings
from usher.commands.engine import Engine, load_engine
from usher.commands.people import PersonFiles, Refusal, read_people
from usher.commands.sightings import Onlooker, Sighting
from usher.domain.errors import ConfigurationError, InvalidInput, SourceError
from usher.domain.identifiers import new_id
from usher.domain.records import Confidence, Vector
from usher.observability import configure_logging
from usher.portraits import choose_portraits, describe_photograph
from usher.settings import Settings, load_settings
from usher.vision.clips import Clip, ClipFrame, quieten_opencv
from usher.vision.detectors import FaceDetector, make_detector
from usher.vision.images import RgbImage

app = typer.Typer(rich_markup_mode=None)

CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".mkv": "mp4v", ".avi": "MJPG"}
_BANDS = (Confidence.LOW, Confidence.MEDIUM, Confidence.HIGH)
_SMOOTHING = 0.1

_EXAMPLES = """\b
Examples:
  usher annotate visit.mp4 -o named.mp4 --people photographs/
  usher annotate crowd.gif -o crowd.mp4 --min-face-px 40

It needs no server. Without --people everybody is a stranger: person 1, person 2 and so on.
"""


@app.command(epilog=_EXAMPLES)
def annotate(
    video: Annotated[Path, typer.Argument(help="Video file, or GIF animation.")],
    out: Annotated[Path, typer.Option("--out", "-o", help=f"What to write: {', '.join(CODECS)}.")],
    people: Annotated[
        Path | None,
        typer.Option(help="Folder of photographs and videos, named as for `usher enrol`."),
    ] = None,
    detector: Annotated[str, typer.Option(help="What finds faces.")] = "hog",
    min_face_px: Annotated[
        int, typer.Option(help="Smallest face to look for, in pixels; larger is faster.", min=1)
    ] = 60,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, and nothing else.")
    ] = False,
) -> None:
    """Write boxes, names, how sure they are and the frame rate into a copy of a video.

    Sound is not copied. A file of the name OUT is replaced, once the new one is whole.
    """
    settings = load_settings(Settings)
    configure_logging("annotate", settings.log_level)
    check_paths(video, out)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(stderr=True, highlight=False)
    with Clip(video) as clip:
        engine = load_engine(settings)
        finder = make_detector(detector, min_face_px=min_face_px, runtime=engine.runtime)
        gallery = load_gallery(people, engine) if people else Gallery()
        for refusal in gallery.refusals:
            line = f"left out: {refusal.path}: {refusal.reason}"
            console.print(line, markup=False, soft_wrap=True)
        onlooker = Onlooker(engine.pipeline, engine.rule, gallery.references)
        with writing(out, clip) as writer:
            summary = _annotate(clip, finder, onlooker, writer, console)
    _print_summary(summary, as_json=as_json)


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """Names and vectors of a folder of people, and what in it could not be used."""

    references: tuple[tuple[str, Vector], ...] = ()
    refusals: tuple[Refusal, ...] = ()


@dataclass(slots=True)
class Appearance:
    """When one person was seen.

    Attributes
    ----------
    frames
        How many show them.
    first_s, last_s
        Seconds from the video's beginning.
    confidence
        The surest recognition; None of a stranger who was not seen again.
    """

    person: str
    is_known: bool
    frames: int
    first_s: float
    last_s: float
    confidence: Confidence | None = None


@dataclass(slots=True)
class Summary:
    """What a video shows.

    Attributes
    ----------
    frames
        How many it has.
    detections
        Faces, counted in each frame.
    recognitions
        Those that have the name of somebody known.
    unclear
        Those that are too poor to tell.
    fps
        Frames a second that were worked through.
    """

    frames: int = 0
    detections: int = 0
    recognitions: int = 0
    unclear: int = 0
    fps: float = 0.0
    appearances: dict[str, Appearance] = field(default_factory=dict)

    def add(self, at_s: float, sightings: Sequence[Sighting]) -> None:
        """Count one frame."""
        self.frames += 1
        self.detections += len(sightings)
        self.recognitions += sum(sighting.is_known for sighting in sightings)
        self.unclear += sum(sighting.person is None for sighting in sightings)
        surest = {
            sighting.person: sighting
            for sighting in sorted(sightings, key=lambda sighting: _rank(sighting.confidence))
        }
        for person, sighting in surest.items():
            if person is not None:
                self._count(person, at_s, sighting)

    def _count(self, person: str, at_s: float, sighting: Sighting) -> None:
        seen = self.appearances.get(person)
        if seen is None:
            seen = Appearance(person, sighting.is_known, 0, at_s, at_s)
            self.appearances[person] = seen
        seen.frames += 1
        seen.last_s = at_s
        seen.confidence = max(seen.confidence, sighting.confidence, key=_rank)

    @property
    def strangers(self) -> int:
        return sum(not seen.is_known for seen in self.appearances.values())


def check_paths(video: Path, out: Path) -> None:
    """Refuse to begin what cannot end well.

    Raises
    ------
    InvalidInput
        If OUT is the video itself, a folder, in a folder that is missing or may not be written to,
        or of a kind that cannot be written.
    """
    if out.suffix.lower() not in CODECS:
        raise InvalidInput(f"{out} cannot be written: give it one of {', '.join(CODECS)}")
    if out.is_dir():
        raise InvalidInput(f"{out} is a folder: name a file")
    if not out.absolute().parent.is_dir():
        raise InvalidInput(f"there is no folder {out.absolute().parent}: make it first")
    if not os.access(out.absolute().parent, os.W_OK):
        raise InvalidInput(f"the folder {out.absolute().parent} may not be written to")
    if out.exists() and video.exists() and out.samefile(video):
        raise InvalidInput(f"{out} is the video itself: give the copy another name")


def load_gallery(folder: Path, engine: Engine) -> Gallery:
    """Who the faces in a folder of people are.

    Raises
    ------
    InvalidInput
        If there is no such folder, or nothing in it can be used.
    """
    people = read_people(folder)
    refusals = list(people.refusals)
    references = [
        (person.name, vector)
        for person in people.people
        for vector in _vectors_of(person, engine, refusals)
    ]
    if not references:
        reasons = "; ".join(f"{refusal.path}: {refusal.reason}" for refusal in refusals)
        raise InvalidInput(f"{folder} shows nobody who could be recognised: {reasons}")
    return Gallery(tuple(references), tuple(refusals))


def _vectors_of(person: PersonFiles, engine: Engine, refusals: list[Refusal]) -> Iterator[Vector]:
    for path in (*person.photographs, *person.videos):
        try:
            yield from _vectors_in(path, engine, is_video=path in person.videos)
        except (InvalidInput, SourceError) as error:
            refusals.append(Refusal(path, str(error)))
        except OSError as error:
            refusals.append(Refusal(path, f"the file cannot be read: {error.strerror}"))


def _vectors_in(path: Path, engine: Engine, *, is_video: bool) -> list[Vector]:
    if is_video:
        chosen = choose_portraits(path, engine.pipeline, engine.rule)
        return [portrait.face.embedding for portrait in chosen]
    return [describe_photograph(path.read_bytes(), engine.pipeline).embedding]


class Writer:
    """Writes frames to a video file.

    Parameters
    ----------
    path
        Its ending is one of `CODECS`.

    Raises
    ------
    ConfigurationError
        If OpenCV cannot write such a file here.
    """

    def __init__(self, path: Path, *, fps: float, width: int, height: int) -> None:
        quieten_opencv()
        code = cv2.VideoWriter.fourcc(*CODECS[path.suffix.lower()])
        self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (width, height))
        if not self._writer.isOpened():
            raise ConfigurationError(
                f"this OpenCV cannot write {path.suffix} of {width}x{height} pixels: try another "
                f"of {', '.join(CODECS)}"
            )

    def write(self, frame_rgb: RgbImage) -> None:
        """Append a frame: uint8, (H, W, 3), RGB, of the size that was given."""
        self._writer.write(cv2.cvtColor(frame_rgb, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        self._writer.release()


@contextmanager
def writing(out: Path, clip: Clip) -> Iterator[Writer]:
    """A writer whose file takes the name `out` when the block ends well, and is gone otherwise."""
    part = out.with_name(f".{out.stem}.{new_id()}{out.suffix}")
    try:
        writer = Writer(part, fps=clip.fps, width=clip.width, height=clip.height)
        try:
            yield writer
        finally:
            writer.close()
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _annotate(
    clip: Clip, detector: FaceDetector, onlooker: Onlooker, writer: Writer, console: Console
) -> Summary:
    summary = Summary()
    frame_s = None
    began = time.perf_counter()
    for frame in _with_bar(clip, console):
        begun = time.perf_counter()
        faces = detector.detect(frame.image_rgb)
        sightings = onlooker.look(frame.image_rgb, frame.index, faces)
        frame_s = _smoothed(frame_s, time.perf_counter() - begun)
        picture_rgb = np.ascontiguousarray(frame.image_rgb)
        draw_sightings(picture_rgb, sightings, 1 / frame_s)
        writer.write(picture_rgb)
        summary.add(frame.at_s, sightings)
    summary.fps = summary.frames / (time.perf_counter() - began)
    return summary


def _with_bar(clip: Clip, console: Console) -> Iterable[ClipFrame]:
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        yield from bars.track(clip.frames(), total=clip.length, description="Annotating")


def _smoothed(before: float | None, now: float) -> float:
    return now if before is None else (1 - _SMOOTHING) * before + _SMOOTHING * now


def _rank(confidence: Confidence | None) -> int:
    return -1 if confidence is None else _BANDS.index(confidence)


def _print_summary(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(_as_object(summary)) + "\n")
        return
    console = Console(highlight=False)
    if summary.appearances:
        console.print(_table(summary))
    console.print(
        f"{summary.frames} frames, {summary.detections} faces: {summary.recognitions} recognised, "
        f"{summary.unclear} unclear, {summary.strangers} strangers; {summary.fps:.1f} fps",
        markup=False,
        soft_wrap=True,
    )


def _table(summary: Summary) -> Table:
    table = Table("Person", "Frames", "First", "Last", "Surest")
    for seen in _in_order(summary):
        band = seen.confidence.value if seen.confidence else ""
        table.add_row(
            Text(seen.person),
            str(seen.frames),
            f"{seen.first_s:.1f} s",
            f"{seen.last_s:.1f} s",
            band,
        )
    return table


def _as_object(summary: Summary) -> dict[str, object]:
    return {
        "frames": summary.frames,
        "detections": summary.detections,
        "recognitions": summary.recognitions,
        "unclear": summary.unclear,
        "strangers": summary.strangers,
        "fps": round(summary.fps, 2),
        "people": [asdict(seen) for seen in _in_order(summary)],
    }


def _in_order(summary: Summary) -> list[Appearance]:
    """Known people first, then in the order in which they appear."""
    return sorted(summary.appearances.values(), key=lambda seen: (not seen.is_known, seen.first_s))
