"""Cameras on loopback, MJPEG over HTTP and over RTSP, that can fail in the ways cameras do."""

from __future__ import annotations

import itertools
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum

import cv2
import numpy as np

from usher.vision.images import RgbImage

PASSWORD = "hunter2-very-secret"


class Mood(Enum):
    """What a camera does at present."""

    PLAYING = "frame after frame"
    FROZEN = "the same frame over and over"
    BLACK = "black frames"
    HANGING = "nothing at all, connections stay open"


class StreamServer:
    """Frames over and over, at `fps`, to everybody who asks.

    Parameters
    ----------
    frames_rgb
        What it shows; over RTSP, sides are multiples of 8.
    fps
        Frames in a second.
    """

    scheme = ""

    def __init__(self, frames_rgb: Sequence[RgbImage], *, fps: float = 25) -> None:
        self.mood = Mood.PLAYING
        self.interval_s = 1 / fps
        self.sent = 0
        self._jpegs = [_jpeg(frame) for frame in frames_rgb]
        self._black = _jpeg(np.zeros_like(frames_rgb[0]))
        self._port = 0
        self._server: _Server | None = None
        self._off = threading.Event()

    @property
    def url(self) -> str:
        return f"{self.scheme}://viewer:{PASSWORD}@127.0.0.1:{self._port}/stream"

    def start(self) -> None:
        """At the port that it had before."""
        self._off.clear()
        self._server = _Server(("127.0.0.1", self._port), self._handler())
        self._port = self._server.server_address[1]
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

    def answer(self, request: bytes) -> Iterator[bytes]:
        """What is sent upon a request, piece by piece, at the camera's pace."""
        raise NotImplementedError

    def jpegs(self) -> Iterator[bytes]:
        """What one client sees, until the camera is switched off."""
        showing = self._jpegs[0]
        for number in itertools.count():
            if self.mood is Mood.PLAYING:
                showing = self._jpegs[number % len(self._jpegs)]
            if self.mood is not Mood.HANGING:
                yield self._black if self.mood is Mood.BLACK else showing
                self.sent += 1
            if self._off.wait(self.interval_s):
                return

    def wait_while_hanging(self) -> None:
        while self.mood is Mood.HANGING and not self._off.wait(0.02):
            pass

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    while not camera._off.is_set() and (request := self._request()):
                        camera.wait_while_hanging()
                        for piece in camera.answer(request):
                            self.wfile.write(piece)

            def _request(self) -> bytes:
                return b"".join(iter(self.rfile.readline, b"\r\n"))

        return Handler


class MjpegServer(StreamServer):
    """MJPEG over HTTP."""

    scheme = "http"

    def answer(self, request: bytes) -> Iterator[bytes]:
        yield b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
        for jpeg in self.jpegs():
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + b"\r\n"


class RtspServer(StreamServer):
    """RTSP (RFC 2326), the pictures as JPEG in RTP (RFC 2435) over the same connection."""

    scheme = "rtsp"

    def answer(self, request: bytes) -> Iterator[bytes]:
        method = request.split(b" ", 1)[0]
        sequence = request.lower().split(b"cseq:")[1].split(b"\r\n")[0].strip()
        yield b"RTSP/1.0 200 OK\r\nCSeq: " + sequence + b"\r\nSession: 1\r\n" + _RTSP[method]
        if method == b"PLAY":
            yield from self._packets()

    def _packets(self) -> Iterator[bytes]:
        sequence = itertools.count()
        for number, jpeg in enumerate(self.jpegs()):
            tables, size, scan = _parts(jpeg)
            for start in range(0, len(scan), 1000):
                fragment = scan[start : start + 1000]
                is_last = start + 1000 >= len(scan)
                header = struct.pack(
                    "!BBHII", 0x80, 26 | is_last << 7, next(sequence) & 0xFFFF, number * 3600, 1
                )
                header += struct.pack("!II", start, 1 << 24 | 255 << 16 | size)
                if start == 0:
                    header += struct.pack("!BBH", 0, 0, len(tables)) + tables
                packet = header + fragment
                yield b"$\0" + struct.pack("!H", len(packet)) + packet


_SDP = b"""v=0\r
o=- 1 1 IN IP4 127.0.0.1\r
s=camera\r
t=0 0\r
m=video 0 RTP/AVP 26\r
c=IN IP4 127.0.0.1\r
a=control:track\r
"""
_RTSP = {
    b"OPTIONS": b"Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
    b"DESCRIBE": b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(_SDP) + _SDP,
    b"SETUP": b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
    b"PLAY": b"\r\n",
    b"TEARDOWN": b"\r\n",
}


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _jpeg(image_rgb: RgbImage) -> bytes:
    """Baseline, 4:2:0, with the standard's Huffman tables: what RFC 2435 carries."""
    done, encoded = cv2.imencode(".jpg", image_rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return encoded.tobytes()


def _parts(jpeg: bytes) -> tuple[bytes, int, bytes]:
    """Quantisation tables, width and height in units of 8 pixels, and the scan of a JPEG."""
    tables, size, at = b"", 0, 2
    while True:
        marker, length = struct.unpack("!HH", jpeg[at : at + 4])
        body = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDB:
            tables += b"".join(body[start + 1 : start + 65] for start in range(0, len(body), 65))
        if marker == 0xFFC0:
            height, width = struct.unpack("!HH", body[1:5])
            size = width // 8 << 8 | height // 8
        if marker == 0xFFDA:
            return tables, size, jpeg[at:-2]


@contextmanager
def serving(
    frames_rgb: Sequence[RgbImage], *, fps: float = 25, kind: type[StreamServer] = MjpegServer
) -> Iterator[StreamServer]:
    """A camera that runs, and is stopped at the end."""
    server = kind(frames_rgb, fps=fps)
    server.start()
    try:
        yield server
    finally:
        server.stop()
