"""What does the detector cost on a small machine, and how little does it upload?

Each clip goes through a camera's whole loop (`services/detector/camera.py`): movement, search,
following, quality, crops encoded. Decoding counts, uploading does not.

- Speed: clips brought to a size and to 30 frames a second, every frame of them worked on, by a
  process of its own; the best of some rounds, as other programs may use the cores now and then.
  "A quarter of a core" is the same process bound to one core and stopped for 30 of each 40 ms.
- Uploads: clips as they are, beside what a crop of every face of every frame would be. "People" are
  those whom the crops of every frame show, in at least three of acceptable quality that lie close
  together (`dlib-crops`, closer than one pair of strangers in a hundred); "kept" are those of them
  whom an acceptable crop of the tracks shows too.
- First upload: from the moment that a camera gives the first frame with an acceptable face of a
  person until that person's first crop is ready to go out. The clip plays in real time.
- A day: the clip with most faces again and again, as visits with nothing between them, through a
  camera's watch, the spool, the uploader and the reporter, to a stand-in for the API that is away
  for an hour; their clock, but the uploader's and the reporter's, jumps between visits so that
  twelve hours take `--minutes`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from _figures import rounded
from services.detector.camera import Camera
from services.detector.config import CameraConfig
from services.detector.crops import Upload, cut
from services.detector.picture import PictureHealth
from services.detector.reporting import Reporter
from services.detector.sources import Frame, Source, VideoFile
from services.detector.spool import Clock, Spool, SpoolLimits
from services.detector.uploader import Uploader
from services.detector.watch import Watch
from usher.client import UsherClient
from usher.domain.geometry import Box
from usher.domain.records import CameraState
from usher.identity.measured import MEASURED
from usher.observability import configure_logging
from usher.vision.align import FaceAligner
from usher.vision.detectors import make_detector
from usher.vision.images import CROP_FORMATS, decode_image
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime, core_count
from usher.wire import IDEMPOTENCY_HEADER, SpoolBooks

DETECTORS = ("hog", "mtcnn")
SIZES = {"640x480": (640, 480), "720p": (1280, 720)}
SMALLEST_PX = {"hog": 60, "mtcnn": 40}
"""For the clips as they are, which are small."""

_FPS = 30.0
_STARTED_AT = datetime(2026, 1, 1, tzinfo=UTC)
_ON_S, _OFF_S = 0.01, 0.03
_LEAST_OF_A_PERSON = 3
_STRANGERS = 0.01
_DAY_S = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Speed:
    """What it takes to work on every frame."""

    size: str
    detector: str
    fps: float
    cpu_ms: float
    """Of the processor, a frame."""
    fps_quarter: float
    memory_mb: float
    """The most that the process took."""
    stage_ms: dict[str, float] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Uploads:
    """What goes out of one clip, beside a crop of every face of every frame."""

    clip: str
    detector: str
    frames: int
    every: int
    every_bytes: int
    tracks: int
    crops: int
    crops_bytes: int
    people: int
    kept: int
    first_ms: tuple[float, ...]

    @property
    def reduction(self) -> float:
        return self.every / self.crops if self.crops else 0.0


@dataclass(frozen=True, slots=True)
class Day:
    """A day of twelve hours, sped up: resident memory in MB, and the spool's books at the end.

    `stored` are the crops that the stand-in for the API has, by key.
    """

    minutes: float
    frames: int
    tracks: int
    early_mb: float
    end_mb: float
    most_mb: float
    books: dict[str, int]
    most_pending: int
    stored: int

    @property
    def is_balanced(self) -> bool:
        rest = sum(self.books[name] for name in ("delivered", "dropped", "refused", "pending"))
        return self.books["produced"] == rest and self.books["delivered"] == self.stored


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """Somebody whom the crops of every frame show: their vectors, and when they first were."""

    vectors: NDArray[np.float32]
    first_s: float


# ---- Clips ---------------------------------------------------------------------------------------


def brought_to(clip: Path, size: tuple[int, int], folder: Path) -> Path:
    """The clip enlarged or reduced, at 30 frames a second."""
    made = folder / f"{clip.stem}-{size[0]}x{size[1]}.mp4"
    writer = cv2.VideoWriter(str(made), cv2.VideoWriter_fourcc(*"mp4v"), _FPS, size)
    capture = cv2.VideoCapture(str(clip))
    while (read := capture.read())[0]:
        writer.write(cv2.resize(read[1], size, interpolation=cv2.INTER_CUBIC))
    writer.release()
    capture.release()
    return made


class Played:
    """A clip in real time, as a camera gives it: whoever is late gets the newest frame."""

    is_live = True
    length = None

    def __init__(self, clip: Path) -> None:
        self._clip = clip
        self.start = 0.0

    def __iter__(self) -> Iterator[Frame]:
        frames = [(_at(frame), frame) for frame in opened(self._clip)]
        self.start = time.perf_counter()
        place = 0
        while place < len(frames):
            now = time.perf_counter() - self.start
            due = [
                number for number, (at_s, _) in enumerate(frames) if place <= number and at_s <= now
            ]
            if not due:
                time.sleep(max(frames[place][0] - now, 0.001))
                continue
            place = due[-1] + 1
            frame = frames[due[-1]][1]
            yield Frame(frame.image_rgb, frame.index, frame.captured_at)

    def close(self) -> None:
        """Nothing is held open."""


def opened(clip: Path) -> VideoFile:
    return VideoFile(clip, started_at=_STARTED_AT, max_fps=None)


def _at(frame: Frame) -> float:
    return (frame.captured_at - _STARTED_AT).total_seconds()


def camera(
    source: Source,
    detector: str,
    smallest_px: int,
    put: Callable[[Upload], object],
    clock: Callable[[], float] = time.monotonic,
) -> Camera:
    return Camera(
        CameraConfig(
            camera_id="bench", source="bench.mp4", detector=detector, min_face_px=smallest_px
        ),
        source,
        make_detector(detector, min_face_px=smallest_px),
        FaceAligner(),
        put,
        clock=clock,
    )


def look_at_all(watched: Camera) -> None:
    """All frames of a camera's source, as `usher detect` goes through them."""
    for frame in watched.frames():
        watched.look(frame)
    watched.finish()


# ---- Speed and memory, each in a process of its own ----------------------------------------------


@dataclass(frozen=True, slots=True)
class Timed:
    """One process that went through all clips; `memory_mb` is the most that it took."""

    frames: int
    wall_s: float
    cpu_s: float
    memory_mb: float
    stage_ms: dict[str, float]


def _timed(results: Any, clips: Sequence[Path], detector: str) -> None:
    """Sends how long all clips take once everything is loaded."""
    watched = [camera(opened(clip), detector, 80, _nothing) for clip in clips]
    results.send("loaded")
    results.recv()
    start, cpu_start = time.perf_counter(), time.process_time()
    for one in watched:
        look_at_all(one)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    frames = sum(one.tally.frames for one in watched)
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.send(Timed(frames, wall_s, cpu_s, memory_mb, watched[0].times.mean_ms()))


def _nothing(upload: Upload) -> None:
    """Uploading does not count."""


def timed(clips: Sequence[Path], detector: str, *, quarter: bool) -> Timed:
    """What it takes to go through all clips."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_timed, args=(theirs, clips, detector), daemon=True
    )
    process.start()
    theirs.close()  # so that a child that dies is noticed
    ours.recv()
    over = threading.Event()
    throttle = threading.Thread(target=_throttled, args=(process.pid, over))
    if quarter:
        throttle.start()
    ours.send("go")
    result = ours.recv()
    over.set()
    if quarter:
        throttle.join()
    process.join()
    return result


def _throttled(pid: int, over: threading.Event) -> None:
    """Leave a process a quarter of one core."""
    process = psutil.Process(pid)
    process.cpu_affinity([process.cpu_affinity()[0]])
    while not over.is_set():
        os.kill(pid, signal.SIGSTOP)
        time.sleep(_OFF_S)
        os.kill(pid, signal.SIGCONT)
        over.wait(_ON_S)


def speed(clips: Sequence[Path], size: str, detector: str, rounds: int) -> Speed:
    whole = [timed(clips, detector, quarter=False) for _ in range(rounds)]
    quarter = [timed(clips, detector, quarter=True) for _ in range(max(1, rounds // 2))]
    best = min(whole, key=lambda one: one.wall_s)
    return Speed(
        size=size,
        detector=detector,
        fps=best.frames / best.wall_s,
        cpu_ms=1000 * min(one.cpu_s for one in whole) / best.frames,
        fps_quarter=max(one.frames / one.wall_s for one in quarter),
        memory_mb=max(one.memory_mb for one in whole),
        stage_ms=best.stage_ms,
    )


class _Looped:
    """A clip again and again through a day: visits of its own length, and nothing in between.

    `now_s` is the day's clock: within a visit that of the clip, between two it jumps.
    """

    is_live = True
    length = None
    state = CameraState.LIVE
    reason = None
    skipped = 0

    def __init__(self, clip: Path, minutes: float) -> None:
        self.now_s = 0.0
        self._clip, self._seconds = clip, minutes * 60

    def __iter__(self) -> Iterator[Frame]:
        start = time.monotonic()
        while (elapsed_s := time.monotonic() - start) < self._seconds:
            visit_s = max(self.now_s, elapsed_s * _DAY_S / self._seconds)
            for frame in opened(self._clip):
                self.now_s = visit_s + _at(frame)
                captured_at = _STARTED_AT + timedelta(seconds=self.now_s)
                yield Frame(frame.image_rgb, frame.index, captured_at)

    def close(self) -> None:
        """Nothing is held open."""


def _live_through(results: Any, clip: Path, minutes: float, api_url: str, folder: str) -> None:
    configure_logging("bench", "ERROR")
    looped, stop = _Looped(clip, minutes), threading.Event()
    clock = Clock(monotonic_s=lambda: looped.now_s, wall_s=lambda: looped.now_s)
    spool = Spool(Path(folder, "crops.db"), SpoolLimits(), clock)
    uploader = Uploader(spool, lambda: UsherClient(api_url, "key"), stop=stop)
    process, used, most_pending = psutil.Process(), [], 0

    def note(frame: Frame) -> None:
        nonlocal most_pending
        if frame.index % 50 == 0:
            used.append(process.memory_info().rss / 1e6)
            most_pending = max(most_pending, spool.books().pending)

    watched = camera(looped, "hog", SMALLEST_PX["hog"], spool.put, clock=lambda: looped.now_s)
    watch = Watch(watched, PictureHealth(), stop=stop, on_frame=note)
    reporter = Reporter(
        lambda: UsherClient(api_url, "key"),
        lambda: [watch.status(SpoolBooks(**asdict(spool.books())))],
    )
    watch.start()
    watch.join()
    uploader.wait_empty()
    used.append(process.memory_info().rss / 1e6)
    results.send((watched.tally, used, asdict(spool.books()), most_pending))
    reporter.close()
    uploader.close()
    spool.close()


def day(clip: Path, minutes: float) -> Day:
    """Let the clip play for a day, during an hour of which the API is away."""
    stand_in = _StandIn(minutes * 60)
    ours, theirs = multiprocessing.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("spawn").Process(
            target=_live_through, args=(theirs, clip, minutes, stand_in.url, folder), daemon=True
        )
        process.start()
        theirs.close()  # so that a child that dies is noticed
        tally, used, books, most_pending = ours.recv()
        process.join()
    stand_in.close()
    return Day(
        minutes=minutes,
        frames=tally.frames,
        tracks=tally.tracks,
        early_mb=used[len(used) // 10],
        end_mb=used[-1],
        most_mb=max(used),
        books=books,
        most_pending=most_pending,
        stored=len(stand_in.keys),
    )


class _StandIn:
    """Takes uploads as the API does, and answers 503 for a twelfth of the time."""

    def __init__(self, seconds: float) -> None:
        self.keys: set[str] = set()
        start = time.monotonic()
        away = (start + seconds / 3, start + seconds * (1 / 3 + 1 / 12))
        keys = self.keys

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                is_away = away[0] < time.monotonic() < away[1]
                if not is_away and self.headers[IDEMPOTENCY_HEADER]:
                    keys.add(self.headers[IDEMPOTENCY_HEADER])
                body = b"{}" if is_away else b'{"id": "d", "status": "pending"}'
                self.send_response(503 if is_away else 201)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Requests are not logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


# ---- What goes out -------------------------------------------------------------------------------


def uploads(clip: Path, detector: str, pipeline: FacePipeline) -> Uploads:
    smallest_px = SMALLEST_PX[detector]
    every, people = every_face(clip, detector, pipeline)
    sent: list[Upload] = []
    watched = camera(opened(clip), detector, smallest_px, sent.append)
    look_at_all(watched)
    shown = _vectors(sent, pipeline)
    same_at = MEASURED[pipeline.model_id].distance_at(_STRANGERS)
    return Uploads(
        clip=clip.name,
        detector=detector,
        frames=watched.tally.frames,
        every=len(every),
        every_bytes=sum(len(upload.image) for upload in every),
        tracks=watched.tally.tracks,
        crops=len(sent),
        crops_bytes=sum(len(upload.image) for upload in sent),
        people=len(people),
        kept=sum(_nearest(person, shown) <= same_at for person in people),
        first_ms=tuple(first_uploads(clip, detector, people, pipeline)),
    )


def every_face(
    clip: Path, detector: str, pipeline: FacePipeline
) -> tuple[list[Upload], list[Person]]:
    """A crop of each face of each frame, and the people whom they show."""
    finder = make_detector(detector, min_face_px=SMALLEST_PX[detector])
    every = [
        cut(frame, face, number=number, camera_id="bench", margin=0.5).upload()
        for frame in opened(clip)
        for number, face in enumerate(finder.detect(frame.image_rgb))
    ]
    return every, _people(every, pipeline)


def _people(every: Sequence[Upload], pipeline: FacePipeline) -> list[Person]:
    """Crops that lie close together, each with the nearest crops before it."""
    same_at = MEASURED[pipeline.model_id].distance_at(_STRANGERS)
    groups: list[list[tuple[float, NDArray[np.float32]]]] = []
    for at_s, vector in _vectors(every, pipeline):
        near = [
            (min(float(np.linalg.norm(vector - other)) for _, other in group), place)
            for place, group in enumerate(groups)
        ]
        distance, place = min(near, default=(np.inf, -1))
        if distance <= same_at:
            groups[place].append((at_s, vector))
        else:
            groups.append([(at_s, vector)])
    return [
        Person(np.stack([vector for _, vector in group]), group[0][0])
        for group in groups
        if len(group) >= _LEAST_OF_A_PERSON
    ]


def _vectors(
    sent: Iterable[Upload], pipeline: FacePipeline
) -> list[tuple[float, NDArray[np.float32]]]:
    """Of the acceptable crops: when they were captured, in seconds of the clip, and the vector."""
    moments, faces = [], []
    for upload in sent:
        box = upload.metadata.box
        assert box is not None
        moments.append((upload.metadata.captured_at - _STARTED_AT).total_seconds())
        faces.append((_pixels(upload), Box(box.x1, box.y1, box.x2, box.y2)))
    described = pipeline.describe_many(faces)
    return [
        (at_s, face.embedding)
        for at_s, face in zip(moments, described, strict=True)
        if face.quality.acceptable
    ]


def _pixels(upload: Upload) -> NDArray[np.uint8]:
    return decode_image(upload.image, formats=CROP_FORMATS, max_pixels=1_000_000)


def _nearest(person: Person, shown: Sequence[tuple[float, NDArray[np.float32]]]) -> float:
    return min(
        (float(np.linalg.norm(person.vectors - vector, axis=1).min()) for _, vector in shown),
        default=np.inf,
    )


def first_uploads(
    clip: Path, detector: str, people: Sequence[Person], pipeline: FacePipeline
) -> Iterator[float]:
    """For each person, the milliseconds until their first crop was ready to go out."""
    source = Played(clip)
    ready: list[tuple[float, Upload]] = []
    look_at_all(
        camera(
            source,
            detector,
            SMALLEST_PX[detector],
            lambda upload: ready.append((time.perf_counter() - source.start, upload)),
        )
    )
    same_at = MEASURED[pipeline.model_id].distance_at(_STRANGERS)
    for person in people:
        for moment, upload in ready:
            since = (upload.metadata.captured_at - _STARTED_AT).total_seconds() - person.first_s
            if since >= 0 and _nearest(person, _vectors([upload], pipeline)) <= same_at:
                yield 1000 * (moment - person.first_s)
                break


# ---- The report ----------------------------------------------------------------------------------


def show(speeds: Sequence[Speed], sent: Sequence[Uploads], lived: Day) -> None:
    print(f"every frame, smallest face 80 px, {core_count(0)} cores\n")
    print(f"{'':10}{'':8}{'frames/s':>10}{'CPU ms/frame':>14}{'on a quarter core':>19}{'MB':>6}")
    for row in speeds:
        print(
            f"{row.size:10}{row.detector:8}{row.fps:10.1f}{row.cpu_ms:14.1f}{row.fps_quarter:19.1f}"
            f"{row.memory_mb:6.0f}"
        )
    print(
        f"\n{'clip':46}{'':7}{'every':>6}{'tracks':>7}{'crops':>6}{'fewer':>8}{'kB/track':>9}"
        f"{'people':>7}{'kept':>5}{'first ms':>9}"
    )
    for one in sent:
        a_track = one.crops_bytes / one.tracks / 1000 if one.tracks else 0
        first = f"{statistics.median(one.first_ms):.0f}" if one.first_ms else ""
        print(
            f"{one.clip:46}{one.detector:7}{one.every:6}{one.tracks:7}{one.crops:6}"
            f"{one.reduction:7.1f}x{a_track:9.1f}{one.people:7}{one.kept:5}{first:>9}"
        )
    print(
        f"\ntwelve hours in {lived.minutes:g} minutes, {lived.frames} frames, "
        f"{lived.tracks} tracks: "
        f"{lived.early_mb:.0f} MB after a tenth, {lived.end_mb:.0f} MB at the end, "
        f"{lived.most_mb:.0f} MB at most; at most {lived.most_pending} crops waited\n"
        f"books {'balance' if lived.is_balanced else 'DO NOT BALANCE'}: {lived.books}, "
        f"stored {lived.stored}"
    )


def result(speeds: Sequence[Speed], sent: Sequence[Uploads], lived: Day) -> dict[str, Any]:
    hd = [row for row in speeds if row.size == "720p"]
    first = [ms for one in sent for ms in one.first_ms]
    return {
        "fps_720p": {row.detector: row.fps for row in hd},
        "fps_720p_quarter_core": {row.detector: row.fps_quarter for row in hd},
        "crop_reduction": {
            detector: sum(one.every for one in of) / max(sum(one.crops for one in of), 1)
            for detector in DETECTORS
            if (of := [one for one in sent if one.detector == detector])
        },
        "tracks": {f"{one.clip} {one.detector}": one.tracks for one in sent},
        "first_upload_ms": statistics.median(first) if first else None,
        "people_kept": [sum(one.kept for one in sent), sum(one.people for one in sent)],
        "day": {**asdict(lived), "is_balanced": lived.is_balanced},
        "cores": core_count(0),
        "speeds": [asdict(row) for row in speeds],
        "uploads": [asdict(one) for one in sent],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--minutes", type=float, default=1.0, help="that a day of twelve hours takes"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    given = os.environ.get("USHER_TEST_DATA")
    clips = arguments.clips or (
        sorted(one for one in Path(given, "videos").iterdir() if one.suffix in {".mp4", ".gif"})
        if given
        else []
    )
    if not clips:
        print("nothing measured: name a clip, or set USHER_TEST_DATA")
        return 0
    configure_logging("bench", "ERROR")
    pipeline = make_pipeline(Runtime())
    sent = [uploads(clip, detector, pipeline) for detector in DETECTORS for clip in clips]
    most = Path(max(sent, key=lambda one: one.every).clip).name
    longest = next(clip for clip in clips if clip.name == most)
    lived = day(longest, arguments.minutes)
    with tempfile.TemporaryDirectory() as folder:
        speeds = [
            speed(sized, name, detector, arguments.rounds)
            for name, size in SIZES.items()
            for sized in [[brought_to(clip, size, Path(folder)) for clip in clips]]
            for detector in DETECTORS
        ]
    show(speeds, sent, lived)
    if arguments.json:
        print(json.dumps(rounded(result(speeds, sent, lived))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
