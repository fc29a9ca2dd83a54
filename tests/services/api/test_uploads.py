from __future__ import annotations

import asyncio
import socket
import time
import uuid

import httpx2
import pytest

from usher.wire import API_PREFIX

from . import pictures
from .conftest import Api, Served, check_problem

METADATA = b'{"camera_id": "door", "captured_at": "2026-11-22T12:00:00Z", "box": %s}' % (
    b'{"x1": 8, "y1": 8, "x2": 56, "y2": 56}'
)
FORM = "multipart/form-data; boundary=x"


def part(name: str, content: bytes, *, filename: str | None = None, extra: bytes = b"") -> bytes:
    disposition = f'form-data; name="{name}"'
    if filename is not None:
        disposition += f'; filename="{filename}"'
    head = b"--x\r\nContent-Disposition: " + disposition.encode() + b"\r\n" + extra + b"\r\n"
    return head + content + b"\r\n"


IMAGE = part("image", pictures.jpeg(), filename="crop.jpg")
FIELD = part("metadata", METADATA)
END = b"--x--\r\n"


async def post(
    api: Api, body: bytes, content_type: str = FORM, path: str = "/detections"
) -> httpx2.Response:
    headers = {"content-type": content_type, "idempotency-key": uuid.uuid4().hex}
    return await api.admin.post(path, headers=headers, content=body)


@pytest.mark.parametrize("content_type", [FORM, "Multipart/Form-Data; boundary=x"])
async def test_form_is_read_when_it_is_as_it_should_be(api: Api, content_type: str) -> None:
    assert (await post(api, IMAGE + FIELD + END, content_type)).status_code == 201
    assert (await post(api, FIELD + IMAGE + END, content_type)).status_code == 201


WRONG = {
    "many fields": b"".join(part(f"f{i}", b"x") for i in range(8000)) + END,
    "many metadata": IMAGE + FIELD * 2000 + END,
    "many files": IMAGE * 300 + FIELD + END,
    "two images": IMAGE + IMAGE + FIELD + END,
    "metadata as a file": IMAGE + part("metadata", METADATA, filename="m.json") + END,
    "metadata alone": FIELD + END,
    "image alone": IMAGE + END,
    "image as a field": part("image", b"a picture") + FIELD + END,
    "another field": part("Metadata", METADATA) + IMAGE + END,
    "another file": part("picture", pictures.jpeg(), filename="a.jpg") + FIELD + END,
    "huge field": IMAGE + part("metadata", METADATA + b" " * 64_000) + END,
    "huge header": part("image", b"x", filename="a", extra=b"X-A: " + b"a" * 900_000 + b"\r\n"),
    "huge header name": part("image", b"x", filename="a", extra=b"a" * 900_000 + b": b\r\n"),
    "many headers": part("image", b"x", filename="a", extra=b"X-A: b\r\n" * 100_000) + END,
    "huge filename": part("image", b"x", filename="a" * 900_000) + FIELD + END,
    "many parameters": part("image", b"x", filename="a" + '"; a="' * 100_000) + FIELD + END,
    "no name": b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END,
    "no disposition": b"--x\r\n\r\nx\r\n" + END,
    "no end": IMAGE + FIELD,
    "cut in a header": b"--x\r\nContent-Dispo",
    "only the end": END,
    "no boundary in it": pictures.jpeg(),
    "nothing": b"",
    "line ends": b"\r\n" * 400_000,
    "boundaries": b"--x\r\n" * 200_000,
    "dashes": b"-" * 1_000_000,
    "zeros": bytes(1_000_000),
}


@pytest.mark.parametrize("kind", WRONG)
async def test_form_is_refused_quickly_when_it_is_wrong(api: Api, kind: str) -> None:
    begun = time.process_time()
    check_problem(await post(api, WRONG[kind]), 400, "InvalidInput")
    if kind != "image alone":
        check_problem(await post(api, WRONG[kind], path="/identify"), 400, "InvalidInput")
    # A parser whose work grew with the square of its input would take minutes.
    assert time.process_time() - begun < 10
    assert sum((await api.counts()).values()) == 0


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json", 415),
        ("image/jpeg", 415),
        ("text/plain; multipart/form-data", 415),
        ("multipart/mixed; boundary=x", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=y", 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
        ("multipart/form-data; charset=utf-8", 400),
    ],
)
async def test_form_is_refused_when_its_type_is_wrong(
    api: Api, content_type: str, status: int
) -> None:
    for path in ("/detections", "/identify"):
        check_problem(await post(api, IMAGE + FIELD + END, content_type, path), status)


async def test_form_is_refused_when_it_is_url_encoded(api: Api) -> None:
    body = b"&".join(b"f%d=x" % i for i in range(100_000))
    check_problem(await post(api, body, "application/x-www-form-urlencoded"), 415)


@pytest.mark.parametrize("charset", ["utf-16", "bogus", "rot13", "\xff"])
async def test_form_makes_no_error_of_ours_when_its_charset_is_odd(api: Api, charset: str) -> None:
    content_type = f"{FORM}; charset={charset}".encode("latin-1")
    headers = {b"content-type": content_type, b"idempotency-key": uuid.uuid4().hex.encode()}
    response = await api.admin.post("/detections", headers=headers, content=IMAGE + FIELD + END)
    assert response.status_code < 500


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"camera_id": "door"}',
        METADATA.replace(b"door", b"../door"),
        METADATA.replace(b"door", b"a/b"),
        METADATA.replace(b"door", b"door\\n"),
        METADATA.replace(b"door", b"\\u0000"),
        METADATA.replace(b"door", b"a" * 65),
        METADATA.replace(b"door", b""),
        METADATA.replace(b"12:00:00Z", b"12:00:00"),
        METADATA.replace(b"2026-11-22T12:00:00Z", b"0001-01-01T00:00:00+10:00"),
        METADATA.replace(b"2026-11-22T12:00:00Z", b"9999-12-31T23:59:59Z"),
        METADATA.replace(b"2026-11-22T12:00:00Z", b"1969-12-31T23:59:59Z"),
        METADATA.replace(b'"x2": 56', b'"x2": 8'),
        METADATA.replace(b'"x2": 56', b'"x2": 1e300'),
        METADATA.replace(b'"x2": 56', b'"x2": 100001'),
        METADATA.replace(b"{", b'{"more": 1, ', 1),
        METADATA.replace(b"{", b'{"score": NaN, ', 1),
        METADATA.replace(b"{", b'{"score": 1e999, ', 1),
        METADATA.replace(b"{", b'{"landmarks": [[0, 0], [1, 1]], ', 1),
        METADATA.replace(b"{", b'{"landmarks": [[0, NaN],[0,0],[0,0],[0,0],[0,0]], ', 1),
        METADATA.replace(b"{", b'{"track_id": "\\ud800", ', 1),
        b"[" * 16_000,
    ],
)
async def test_metadata_is_refused_when_it_is_wrong(api: Api, metadata: bytes) -> None:
    response = await post(api, IMAGE + part("metadata", metadata) + END)
    check_problem(response, 400, "InvalidInput")
    assert sum((await api.counts()).values()) == 0


@pytest.mark.parametrize("kind", ["broken", "cut"])
async def test_process_goes_on_when_the_connection_ends_before_the_form(
    served: Served, kind: str
) -> None:
    head = (
        f"POST {API_PREFIX}/detections HTTP/1.1\r\nHost: usher\r\nAuthorization: Bearer "
        f"{served.place.device_key}\r\nContent-Type: {FORM}\r\nIdempotency-Key: {'k' * 8}\r\n"
        "Content-Length: 500000\r\n\r\n"
    ).encode()
    logged = served.place.log.stat().st_size
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", served.place.port), timeout=20) as connection:
            connection.sendall(head + IMAGE[:1000] * (1 if kind == "cut" else 200))
    await asyncio.sleep(0.3)
    assert served.place.is_ready()
    assert "Traceback" not in served.place.log.read_text()[logged:]
