"""A small API on loopback: it stores what it is sent, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from usher.wire import API_PREFIX, IDEMPOTENCY_HEADER, CameraOrders, DetectionMetadata

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""

KEY = "usher_device_test"


@dataclass(slots=True)
class FakeApi:
    """What the tests tell the API, and what it was sent.

    Attributes
    ----------
    url
        Where it listens.
    script
        Answers to give before it works as it should, first one first.
    stored
        Of each key the metadata and the image.
    requests
        The key of every upload, in order, whatever was answered.
    reports
        Each camera's reported states, in order.
    regions_reported
        The digest of the regions in each report.
    orders
        What a report is answered with; None: nothing, as by an API that has no orders yet.
    is_ready
        Whether it says so when it is asked.
    """

    url: str = ""
    script: list[Answer] = field(default_factory=list)
    stored: dict[str, tuple[DetectionMetadata, bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    reports: list[tuple[str, str]] = field(default_factory=list)
    regions_reported: list[str | None] = field(default_factory=list)
    orders: CameraOrders | None = None
    on_request: Callable[[], object] = lambda: None
    is_ready: bool = True

    def answer(self, key: str, metadata: DetectionMetadata, image: bytes) -> Answer:
        if self.script:
            return self.script.pop(0)
        before = self.stored.setdefault(key, (metadata, image))
        if before != (metadata, image):
            return problem(422, "IdempotencyConflict")
        return 201, {}, json.dumps({"id": f"d{len(self.stored)}", "status": "pending"}).encode()


def problem(status: int, code: str, **headers: str) -> Answer:
    body = {"title": code, "status": status, "detail": f"because of {code}", "code": code}
    return status, headers, json.dumps(body).encode()


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: Nagle would hold back a second one

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path.endswith("/report"):
                report = json.loads(_parts(self.headers["Content-Type"], body)["report"])
                api.reports.append((self.path.split("/")[-2], report["state"]))
                api.regions_reported.append(report.get("regions"))
                orders = b"" if api.orders is None else api.orders.model_dump_json().encode()
                self._send((200 if orders else 204, {}, orders))
                return
            key = self.headers[IDEMPOTENCY_HEADER]
            api.requests.append(key)
            api.on_request()
            self._send(self._answer(key, body))

        def do_GET(self) -> None:
            is_ready = api.is_ready and self.path == "/readyz"
            self._send((200, {}, b'{"ok": true, "checks": {}}') if is_ready else problem(503, ""))

        def _answer(self, key: str, body: bytes) -> Answer:
            if self.path != f"{API_PREFIX}/detections":
                return problem(404, "NotFound")
            if self.headers["Authorization"] != f"Bearer {KEY}":
                return problem(401, "NotAuthenticated")
            parts = _parts(self.headers["Content-Type"], body)
            metadata = DetectionMetadata.model_validate_json(parts["metadata"])
            return api.answer(key, metadata, parts["image"])

        def _send(self, answer: Answer) -> None:
            status, headers, body = answer
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


def _parts(content_type: str, body: bytes) -> dict[str, bytes]:
    message = BytesParser().parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)  # type: ignore[misc]
        for part in message.walk()
        if not part.is_multipart()
    }


@pytest.fixture
def api() -> Iterator[FakeApi]:
    api = FakeApi()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(api))
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield api
    server.shutdown()
    thread.join()
    server.server_close()
