"""How long from the frame to the alert handed over, and how many alerts does a visit make?

`usher up` runs everything, on cameras that are streams of this program (MJPEG over HTTP), with a
webhook receiver of this program in the place of a chat; each process is a real one.

- Latency: photographs of people not seen before come by, one after the other, each at the next of
  some cameras, whose manager is an address of its own. From the capture of the frame that the alert
  shows until the receiver has the whole request, picture and all.
- A clip with two strangers (the woman and the man of `head-pose-face-detection-*.gif`) and two who
  are enrolled (`short_hamilton_clip.mp4`), again and again for `--minutes`: alerts by visits of
  strangers. One visit is one alert, however long it lasts; nobody enrolled makes one. Enrolled is
  by a photograph, and the singer by the first part of his scene too, which the clip leaves out; the
  pianist shows no more than his profile, of which nobody makes anything.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from _figures import rounded
from _lfw import add_data, needed_folder
from services.notifier.channels.webhooks import Webhook
from usher.client import UsherClient
from usher.domain.records import PersonKind
from usher.wire import AlertRuleBody, CameraUpdate, PersonCreate

_CAMERAS = 6
_WIDTH, _HEIGHT, _FPS = 640, 480, 10
_FACE_PX = 320
_STEP_PX = 4
_SHOWN_S = 2.5
_PAUSE_S = 1.0
_READY_WITHIN_S = 120.0
_SETTLES_S = 20.0
_CLIP_FPS = 12
PIANIST, SINGER = "alex-lacamoire", "lin-manuel-miranda"
_STRANGERS = tuple(
    f"head-pose-face-detection-{who}.gif" for who in ("female", "male", "female-and-male")
)
_STAGE = "short_hamilton_clip.mp4"
_ENROLMENT, _REST = slice(84, 150), slice(150, None)
"""Frames of the stage: the singer by himself, and what the clip shows."""

Image = NDArray[np.uint8]


# ---- Cameras -------------------------------------------------------------------------------------


def empty_scene(seed: int) -> Image:
    """A wall that is not quite even, BGR."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(90, 150, (12, 16, 3)).astype(np.uint8)
    return np.asarray(
        cv2.resize(coarse, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8
    )


class Scene:
    """What one camera sees: nobody, or somebody who walks by."""

    def __init__(self, number: int) -> None:
        self._empty = empty_scene(number)
        self._photograph: Image | None = None
        self._begun = 0.0

    def show(self, photograph: Image) -> None:
        self._photograph = cv2.resize(photograph, (_FACE_PX, _FACE_PX))  # type: ignore[assignment]
        self._begun = time.monotonic()

    def frame(self) -> Image:
        since = time.monotonic() - self._begun
        if self._photograph is None or since > _SHOWN_S:
            return self._empty
        frame = self._empty.copy()
        left = 40 + int(since * _FPS) * _STEP_PX
        top = (_HEIGHT - _FACE_PX) // 2
        frame[top : top + _FACE_PX, left : left + _FACE_PX] = self._photograph
        return frame


class Clip:
    """Frames over and over, at their pace."""

    def __init__(self, frames: Sequence[Image]) -> None:
        self._frames = frames

    def frame(self) -> Image:
        return self._frames[int(time.monotonic() * _CLIP_FPS) % len(self._frames)]


def frames_of_clip(videos: Path) -> list[Image]:
    """Two strangers, then two who are enrolled; BGR."""
    read = [frame for name in _STRANGERS for frame in _frames(videos / name)]
    read += _frames(videos / _STAGE)[_REST]
    frames = []
    for image in read:
        frame = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
        frame[: _WIDTH * 9 // 16] = cv2.resize(image, (_WIDTH, _WIDTH * 9 // 16))
        frames.append(frame)
    return frames


def enrol(client: UsherClient, data: Path, folder: Path) -> None:
    """Have those on the stage known, by what `folder` is written to on the way."""
    for name in (PIANIST, SINGER):
        person = client.create_person(PersonCreate(name=name))
        for photograph in sorted((data / "enrol" / name).iterdir()):
            client.enrol_face(person.id, photograph.read_bytes())
    frames = _frames(data / "videos" / _STAGE)[_ENROLMENT]
    path, size = folder / "singer.mp4", frames[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, size)
    for frame in frames:
        writer.write(frame)
    writer.release()
    client.enrol_video(person.id, path.read_bytes())


def _frames(path: Path) -> list[Image]:
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(np.asarray(read[1], np.uint8))
    video.release()
    return frames


class Handler(BaseHTTPRequestHandler):
    """Serves the streams, and takes the webhooks."""

    scenes: dict[str, Scene | Clip]
    inbox: Inbox

    def do_GET(self) -> None:
        """One camera, until its client leaves."""
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        due = time.monotonic()
        try:
            while True:
                frame = self.scenes[self.path.strip("/")].frame()
                _, jpeg = cv2.imencode(".jpg", frame)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
                due = max(due + 1 / _FPS, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))
        except OSError:
            return

    def do_POST(self) -> None:
        """One message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.inbox.take(json.loads(body), time.time())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


# ---- What arrives --------------------------------------------------------------------------------


@dataclass
class Inbox:
    """Messages, with the time at which each was there."""

    messages: list[tuple[dict[str, Any], float]] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def take(self, message: dict[str, Any], at: float) -> None:
        with self._lock:
            self.messages.append((message, at))

    def waits_ms(self) -> list[float]:
        """Of each single alert, milliseconds since its frame was captured."""
        return [
            1000 * (at - datetime.fromisoformat(message["captured_at"]).timestamp())
            for message, at in self.messages
            if message["event_type"] == "alert"
        ]


@contextmanager
def served(scenes: dict[str, Scene | Clip], inbox: Inbox) -> Iterator[int]:
    """The cameras and the receiver, on a port of this machine."""
    handler = type("Bound", (Handler,), {"scenes": scenes, "inbox": inbox})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


# ---- The system ----------------------------------------------------------------------------------


@contextmanager
def running(folder: Path, port: int, cameras: Sequence[str]) -> Iterator[UsherClient]:
    """`usher up` on those cameras; the first admin's client."""
    config = folder / "cameras.json"
    listed = [{"camera_id": one, "source": f"http://127.0.0.1:{port}/{one}"} for one in cameras]
    config.write_text(json.dumps({"cameras": listed}))
    webhook = Webhook(f"http://127.0.0.1:{port}/hook", "a secret")
    webhooks = {one: {"url": webhook.url, "secret": webhook.secret} for one in cameras}
    api_port = _free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "usher", "up", "--config", str(config), "--port", str(api_port)],
        env={
            **os.environ,
            "USHER_DATA": str(folder / "data"),
            "USHER_WEBHOOKS": json.dumps(webhooks),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        password = _password(process)
        with UsherClient(f"http://127.0.0.1:{api_port}") as client:
            client.sign_in("admin", password)
            _send_to_managers(client, cameras)
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _password(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"First login +admin / (\S+)", line):
            Thread(target=process.stdout.read, daemon=True).start()
            return found[1]
    raise RuntimeError("usher up ended: " + "".join(said))


def _send_to_managers(client: UsherClient, cameras: Sequence[str]) -> None:
    """Wait for every camera, and have each one's alerts sent to an address of its own."""
    deadline = time.monotonic() + _READY_WITHIN_S
    while {camera.id for camera in client.cameras()} < set(cameras):
        if time.monotonic() > deadline:
            raise TimeoutError("not every camera came")
        time.sleep(0.5)
    for camera in cameras:
        client.update_camera(camera, CameraUpdate(managers=[f"webhook:{camera}"]))
    (rule,) = client.alert_rules()
    client.replace_alert_rule(rule.id, AlertRuleBody(name=rule.name, to=["managers"]))


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# ---- Measuring -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the frame to the alert handed over."""

    people: int
    alerts: int
    digests: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Visits:
    """Of the clip: visits of strangers and the alerts about them, by kind of person."""

    minutes: float
    visits_of_strangers: int
    visits_of_enrolled: int
    alerts: int
    alerts_about_enrolled: int
    alerts_a_visit: float


def measure_latency(folder: Path, photographs: Sequence[Path]) -> Latency:
    """Let people come by, one after the other."""
    cameras = [f"camera-{number}" for number in range(_CAMERAS)]
    scenes = {one: Scene(number) for number, one in enumerate(cameras)}
    inbox = Inbox()
    with served({**scenes}, inbox) as port, running(folder, port, cameras):
        time.sleep(_SETTLES_S / 2)
        for number, path in enumerate(photographs):
            photograph = cv2.imread(str(path))
            scenes[cameras[number % _CAMERAS]].show(np.asarray(photograph, np.uint8))
            time.sleep(_SHOWN_S + _PAUSE_S)
        time.sleep(_SETTLES_S)
    waits = sorted(inbox.waits_ms())
    if len(waits) < 2:
        raise RuntimeError(f"{len(inbox.messages)} messages came of {len(photographs)} people")
    digests = sum(message["event_type"] == "digest" for message, _ in inbox.messages)
    cuts = statistics.quantiles(waits, n=20, method="inclusive")
    return Latency(len(photographs), len(waits), digests, statistics.median(waits), cuts[18])


def measure_visits(folder: Path, data: Path, minutes: float) -> Visits:
    """Let the clip run."""
    inbox = Inbox()
    scenes: dict[str, Scene | Clip] = {"stage": Scene(0)}
    with served(scenes, inbox) as port, running(folder, port, ["stage"]) as client:
        enrol(client, data, folder)
        scenes["stage"] = Clip(frames_of_clip(data / "videos"))
        time.sleep(60 * minutes)
        scenes["stage"] = Scene(0)
        time.sleep(_SETTLES_S)
        visits = client.visits(limit=200).items
        alerts = client.alerts(limit=200).items
    strange = [one for one in visits if one.person and one.person.kind is PersonKind.UNKNOWN]
    known = [one for one in visits if one.person and one.person.kind is PersonKind.KNOWN]
    wrong = [one for one in alerts if one.person and one.person.kind is PersonKind.KNOWN]
    handed_over = [one for one, _ in inbox.messages if one["event_type"] == "alert"]
    return Visits(
        minutes,
        len(strange),
        len(known),
        len(handed_over),
        len(wrong),
        len(handed_over) / max(len(strange), 1),
    )


def chosen(folder: Path, people: int) -> list[Path]:
    """One photograph of each of so many people, the same each time."""
    first = sorted(folder.glob("*/*_0001.jpg"))
    rng = np.random.default_rng(21)
    return [first[at] for at in rng.permutation(len(first))[:people]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_data(parser)
    parser.add_argument("--people", type=int, default=40, help="who come by; default: 40")
    parser.add_argument("--minutes", type=float, default=2, help="of the clip; default: 2")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    options = parser.parse_args()
    folder = needed_folder(options.data, parser)
    test_data = Path(os.environ.get("USHER_TEST_DATA", ""))
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as directory:
        for part in ("latency", "visits"):
            (Path(directory) / part).mkdir()
        latency = measure_latency(Path(directory) / "latency", chosen(folder, options.people))
        print(
            f"{latency.alerts} alerts of {latency.people} people, {latency.digests} digests: "
            f"median {latency.p50_ms:.0f} ms, 95% within {latency.p95_ms:.0f} ms",
            flush=True,
        )
        visits = None
        if (test_data / "videos").is_dir():
            visits = measure_visits(Path(directory) / "visits", test_data, options.minutes)
            print(
                f"{visits.minutes:g} minutes of the clip: {visits.alerts} alerts of "
                f"{visits.visits_of_strangers} visits of strangers; "
                f"{visits.alerts_about_enrolled} of {visits.visits_of_enrolled} of people enrolled",
                flush=True,
            )
    if options.json:
        found = {
            "p50_ms": latency.p50_ms,
            "p95_ms": latency.p95_ms,
            "alerts_a_visit": visits.alerts_a_visit if visits else None,
            "people": latency.people,
            "alerts": latency.alerts,
            "clip_minutes": visits.minutes if visits else None,
            "clip_alerts": visits.alerts if visits else None,
            "clip_visits": visits.visits_of_strangers if visits else None,
            "clip_alerts_about_enrolled": visits.alerts_about_enrolled if visits else None,
        }
        print(json.dumps(rounded(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
