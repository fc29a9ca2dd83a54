"""What the detector sees, for a browser on the same machine: its newest frames with boxes.

It shows people to whoever asks, so it listens on loopback only, and answers only requests that name
a loopback host: a page of somebody else's in the same browser cannot read it under its own name.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import cv2
import numpy as np

from services.detector.camera import Look, Seen
from services.detector.watch import Watch
from usher.domain.errors import ConfigurationError
from usher.vision.images import RgbImage, encode_jpeg, resized

_MAX_SIDE_PX = 960
_INTERVAL_S = 0.2
_BOUNDARY = "usher-frame"
_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_GOOD_RGB, _POOR_RGB, _MOVING_RGB = (46, 196, 120), (240, 160, 40), (110, 130, 160)


def drawn(look: Look) -> RgbImage:
    """The newest frame, at most 960 px large, with its faces, tracks and scores.

    Green is a face that may found an identity, amber one that may not, grey what moves.
    """
    frame_rgb = look.frame.image_rgb
    scale = min(1.0, _MAX_SIDE_PX / max(frame_rgb.shape[:2]))
    picture = np.array(resized(frame_rgb, scale))
    if look.moving is not None:
        box = look.moving.scaled(scale)
        cv2.rectangle(picture, (box.x1, box.y1), (box.x2 - 1, box.y2 - 1), _MOVING_RGB, 1)
    for seen in look.faces:
        _draw(picture, seen, scale)
    return picture


def _draw(picture: RgbImage, seen: Seen, scale: float) -> None:
    box = seen.box.scaled(scale)
    good = seen.quality is not None and seen.quality.acceptable
    colour = _GOOD_RGB if good else _POOR_RGB
    cv2.rectangle(picture, (box.x1, box.y1), (box.x2 - 1, box.y2 - 1), colour, 2)
    place = (box.x1, max(box.y1 - 6, 12))
    cv2.putText(picture, _label(seen), place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, 1)


def _label(seen: Seen) -> str:
    parts = [f"score {seen.score:.2f}"]
    if seen.track_id:
        parts.insert(0, seen.track_id[:4])
    if seen.quality and seen.quality.probability is not None:
        parts.append(f"quality {seen.quality.probability:.2f}")
    return "  ".join(parts)


class Preview:
    """A page with a moving picture of each camera, on 127.0.0.1.

    Parameters
    ----------
    port
        0: any that is free, then in `port`.

    Raises
    ------
    ConfigurationError
        If the port is taken.
    """

    def __init__(self, watches: Sequence[Watch], port: int) -> None:
        self._over = threading.Event()
        looks = {watch.camera_id: _look_of(watch) for watch in watches}
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(looks, self._over))
        except OSError as error:
            reason = error.strerror
            raise ConfigurationError(f"preview_port {port} cannot be used: {reason}") from error
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="preview")
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


Looks = Mapping[str, Callable[[], Look | None]]


def _look_of(watch: Watch) -> Callable[[], Look | None]:
    return lambda: watch.camera.newest


def _handler(looks: Looks, over: threading.Event) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = self.headers.get("Host", "").rsplit(":", 1)[0]
            camera_id = self.path.removeprefix("/cameras/")
            if host not in _HOSTS:
                self.send_error(403, "ask for 127.0.0.1 or localhost")
            elif self.path == "/":
                self._answer("text/html; charset=utf-8", _page(looks).encode())
            elif camera_id in looks:
                self._stream(looks[camera_id])
            else:
                self.send_error(404)

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, newest: Callable[[], Look | None]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            shown: Look | None = None
            while not over.is_set():
                look = newest()
                if look is not None and look is not shown:
                    shown = look
                    if not self._part(encode_jpeg(drawn(look), quality=75)):
                        return
                over.wait(_INTERVAL_S)

        def _part(self, jpeg: bytes) -> bool:
            """False where nobody looks any more."""
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n"
            try:
                self.wfile.write(f"{head}\r\n".encode() + jpeg + b"\r\n")
            except OSError:
                return False
            return True

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not logged."""

    return Handler


def _page(looks: Looks) -> str:
    cameras = "".join(
        f'<figure><img src="/cameras/{html.escape(name)}" alt=""><figcaption>{html.escape(name)}'
        "</figcaption></figure>"
        for name in looks
    )
    return (
        "<!doctype html><meta charset=utf-8><title>Usher: what the detector sees</title>"
        "<style>body{background:#14171c;color:#dde3ea;font:15px system-ui;margin:1rem}"
        "figure{margin:0 0 1rem}img{max-width:100%;border-radius:6px}</style>" + cameras
    )
