"""The client's side of TLS, and of what only devices ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.authority import Authority, served_over_tls
from usher.client import UsherClient
from usher.domain.errors import ConfigurationError, Unavailable
from usher.domain.records import CameraState, Role
from usher.settings import Settings, load_settings
from usher.wire import CameraReport

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEVICE = {
    "id": "d",
    "name": "Front door",
    "role": "device",
    "created_at": "2026-03-01T12:00:00Z",
    "key": "usher_device_secret",
}


class Pairing(BaseHTTPRequestHandler):
    """Gives every code a key."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(DEVICE).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.new(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[str]:
    with served_over_tls(Pairing, authority.issue("127.0.0.1")) as url:
        yield url


def test_api_is_trusted_when_its_certificate_is_of_the_ca_that_was_named(
    url: str, authority: Authority
) -> None:
    with UsherClient(url, ca_file=authority.file) as client:
        device = client.pair("7K3Q-XZ0M")
    assert (device.role, device.key) == (Role.DEVICE, DEVICE["key"])


@pytest.mark.parametrize("named", ["no CA", "another CA"])
def test_api_is_not_trusted_and_the_error_says_what_to_do_when_its_ca_is_unknown(
    url: str, tmp_path: Path, named: str
) -> None:
    ca_file = Authority.new(tmp_path).file if named == "another CA" else None
    with (
        UsherClient(url, ca_file=ca_file) as client,
        pytest.raises(
            Unavailable, match=r"certificate .* is not trusted .* USHER_CA_FILE"
        ) as found,
    ):
        client.pair("7K3Q-XZ0M")
    assert "is it running" not in str(found.value)


def test_api_is_not_trusted_when_the_certificate_is_for_another_address(
    authority: Authority,
) -> None:
    with (
        served_over_tls(Pairing, authority.issue("127.0.0.2")) as url,
        UsherClient(url, ca_file=authority.file) as client,
        pytest.raises(Unavailable, match=r"not valid for '127\.0\.0\.1'"),
    ):
        client.pair("7K3Q-XZ0M")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read: No such file"), (b"no PEM", "holds no certificate")],
)
def test_client_is_not_made_when_the_ca_file_cannot_be_used(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"ca\.pem {message}"):
        UsherClient("https://127.0.0.1:1", ca_file=ca_file)


def test_api_is_called_away_when_nothing_listens() -> None:
    with (
        UsherClient("http://127.0.0.1:1") as client,
        pytest.raises(Unavailable, match="is it running"),
    ):
        client.pair("7K3Q-XZ0M")


def test_ca_file_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(Settings).ca_file is None
    monkeypatch.setenv("USHER_CA_FILE", "/etc/usher/ca.pem")
    assert load_settings(Settings).ca_file == Path("/etc/usher/ca.pem")


@pytest.mark.parametrize("frame", [None, b"\xff\xd8\xffjpeg"])
def test_report_is_a_multipart_form_with_and_without_a_picture(frame: bytes | None) -> None:
    sent: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        request.read()
        sent.append(request)
        return httpx2.Response(204)

    report = CameraReport(state=CameraState.GONE, since=NOON, reason="no route")
    with UsherClient("http://usher.test", "key", transport=httpx2.MockTransport(answer)) as client:
        client.report_camera("door", report, frame)
    (request,) = sent
    assert request.url.path == "/api/v1/cameras/door/report"
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'{"state":"gone","since":"2026-03-01T12:00:00Z","reason":"no route"}' in request.content
    assert (b'name="frame"; filename="frame"' in request.content) == (frame is not None)
    assert frame is None or frame in request.content
