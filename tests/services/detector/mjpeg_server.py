"""A camera that serves MJPEG over HTTP on loopback, and can fail in the ways that cameras do."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from usher.vision.images import RgbImage, encode_jpeg

PASSWORD = "hunter2-very-secret"


class Mood(Enum):
    """What it does at present."""

    PLAYING = "frame after frame"
    FROZEN = "the same frame over and over"
    BLACK = "black frames"
    HANGING = "nothing at all, connections stay open"


class MjpegServer:
    """Frames over and over, at `fps`, to everybody who asks.

    Parameters
    ----------
    frames_rgb
        What it shows.
    fps
        Frames in a second.
    """

    def __init__(self, frames_rgb: Sequence[RgbImage], *, fps: float = 25) -> None:
        self.mood = Mood.PLAYING
        self.interval_s = 1 / fps
        self.sent = 0
        self._jpegs = [encode_jpeg(frame) for frame in frames_rgb]
        self._black = encode_jpeg(np.zeros_like(frames_rgb[0]))
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self._off = threading.Event()

    @property
    def url(self) -> str:
        return f"http://viewer:{PASSWORD}@127.0.0.1:{self._port}/stream"

    def start(self) -> None:
        """At the port that it had before."""
        self._off.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        self._port = self._server.server_port
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        """As if it was unplugged: nobody listens any more."""
        self._off.set()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def parts(self) -> Iterator[bytes]:
        """What one client gets, at the server's pace."""
        showing = self._jpegs[0]
        for number in itertools.count():
            if self.mood is Mood.PLAYING:
                showing = self._jpegs[number % len(self._jpegs)]
            if self.mood is not Mood.HANGING:
                jpeg = self._black if self.mood is Mood.BLACK else showing
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                yield head.encode() + jpeg + b"\r\n"
                self.sent += 1
            if self._off.wait(self.interval_s):
                return

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                while camera.mood is Mood.HANGING and not camera._off.wait(0.02):
                    pass
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for part in camera.parts():
                        self.wfile.write(part)
                except OSError:
                    pass

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


@contextmanager
def serving(frames_rgb: Sequence[RgbImage], *, fps: float = 25) -> Iterator[MjpegServer]:
    """A server that runs, and is stopped at the end."""
    server = MjpegServer(frames_rgb, fps=fps)
    server.start()
    try:
        yield server
    finally:
        server.stop()
