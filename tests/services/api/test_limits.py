from __future__ import annotations

import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import httpx2
import psutil
import pytest

from services.api.limits import (
    CROP_MAX_BYTES,
    FRAME_MAX_BYTES,
    JSON_MAX_BYTES,
    KB,
    MB,
    PHOTO_MAX_BYTES,
    VIDEO_MAX_BYTES,
    body_cap,
)
from usher.wire import API_PREFIX

from . import pictures
from .conftest import Api, Served, check_problem, send_photo, upload

FORM = {"content-type": "multipart/form-data; boundary=x"}
JSON = {"content-type": "application/json"}
PART = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'


@pytest.mark.parametrize(
    ("path", "cap"),
    [
        ("/detections", CROP_MAX_BYTES),
        ("/detections/", CROP_MAX_BYTES),
        ("/identify", PHOTO_MAX_BYTES),
        ("/persons/p-1/faces", PHOTO_MAX_BYTES),
        ("/persons/p-1/videos", VIDEO_MAX_BYTES),
        ("/cameras/door/report", FRAME_MAX_BYTES),
    ],
)
def test_body_cap_leaves_room_for_the_form_when_the_path_takes_pictures(
    path: str, cap: int
) -> None:
    assert body_cap(API_PREFIX + path) == cap + 64 * KB


@pytest.mark.parametrize(
    "path",
    [
        "/session",
        "/persons",
        "/persons/p-1",
        "/persons/a/b/faces",
        "/detections/d1/assign",
        "/identify/x",
        "/cameras/door",
        "/pair",
    ],
)
def test_body_cap_is_small_when_the_path_takes_json(path: str) -> None:
    assert body_cap(API_PREFIX + path) == JSON_MAX_BYTES
    assert body_cap(path) == JSON_MAX_BYTES


async def in_chunks(total: int, start: bytes = PART, chunk: int = 64 * KB) -> AsyncIterator[bytes]:
    yield start
    for _ in range(0, total, chunk):
        yield b"x" * chunk


ROUTES = [
    pytest.param("/detections", FORM, CROP_MAX_BYTES, id="crop"),
    pytest.param("/identify", FORM, PHOTO_MAX_BYTES, id="photograph"),
    pytest.param("/persons/p-1/faces", FORM, PHOTO_MAX_BYTES, id="enrolment"),
    pytest.param("/cameras/door/report", FORM, FRAME_MAX_BYTES, id="report"),
    pytest.param("/persons", JSON, JSON_MAX_BYTES, id="json"),
    pytest.param("/session", JSON, JSON_MAX_BYTES, id="sign-in"),
]


@pytest.mark.parametrize(("path", "headers", "cap"), ROUTES)
async def test_body_is_refused_when_its_declared_length_is_over_the_cap(
    api: Api, path: str, headers: dict[str, str], cap: int
) -> None:
    length = {"content-length": str(cap + 65 * KB)}
    client = api.device if path.endswith("report") else api.admin
    response = await client.post(path, headers={**headers, **length}, content=b"")
    check_problem(response, 413, "TooLarge")


@pytest.mark.parametrize("length", [{}, {"content-length": "10"}], ids=["none", "a lie"])
@pytest.mark.parametrize(("path", "headers", "cap"), ROUTES)
async def test_body_is_refused_when_it_grows_over_the_cap(
    api: Api, path: str, headers: dict[str, str], cap: int, length: dict[str, str]
) -> None:
    if path.endswith("faces"):
        path = f"/persons/{await api.person('Ada')}/faces"
    start = b'{"name": "' if headers is JSON else PART
    headers = {**headers, **length, "idempotency-key": "k" * 8}
    body = in_chunks(2 * cap, start)
    client = api.device if path.endswith("report") else api.admin
    response = await client.post(path, headers=headers, content=body)
    check_problem(response, 413, "TooLarge")


async def test_body_is_read_no_further_when_it_is_over_the_cap(api: Api) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        yield PART
        while True:
            read += 64 * KB
            assert read <= 4 * MB, "the cap does not hold"
            yield b"x" * 64 * KB

    headers = {**FORM, "idempotency-key": "k" * 8}
    response = await api.device.post("/detections", headers=headers, content=endless())
    check_problem(response, 413)
    assert read <= CROP_MAX_BYTES + 128 * KB


async def test_body_is_not_read_at_all_when_nobody_is_signed_in(api: Api) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    response = await api.nobody.post("/detections", headers=FORM, content=unread())
    check_problem(response, 401)


async def test_json_body_is_taken_when_it_is_just_below_the_cap(api: Api) -> None:
    body = json.dumps({"name": "Ada"}).encode()
    padded = body + b" " * (JSON_MAX_BYTES - len(body))
    assert (await api.admin.post("/persons", headers=JSON, content=padded)).status_code == 201
    over = await api.admin.post("/persons", headers=JSON, content=padded + b" ")
    check_problem(over, 413)


async def test_crop_is_refused_when_the_image_alone_is_over_its_cap(api: Api) -> None:
    largest = pictures.jpeg() + bytes(CROP_MAX_BYTES - len(pictures.jpeg()))
    assert (await upload(api.device, image=largest)).status_code == 201
    check_problem(await upload(api.device, image=largest + b"x"), 413, "TooLarge")


async def test_photograph_is_refused_when_it_is_over_its_cap(api: Api) -> None:
    largest = pictures.jpeg() + bytes(PHOTO_MAX_BYTES - len(pictures.jpeg()))
    assert (await send_photo(api.admin, "/identify", largest)).status_code == 200
    check_problem(await send_photo(api.admin, "/identify", largest + b"x"), 413, "TooLarge")


# ---- The real process ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def admin(served: Served) -> Iterator[httpx2.Client]:
    """Signed in to the API process, as the panel is."""
    line = (served.place.data / "api.out").read_text()
    username, password = line.split(": ", 1)[1].strip().split(" / ")
    with httpx2.Client(base_url=served.place.url + API_PREFIX, timeout=60) as client:
        credentials = {"username": username, "password": password}
        session = client.post("/session", json=credentials).raise_for_status().json()
        client.headers["X-CSRF-Token"] = session["csrf_token"]
        yield client


class Watch:
    """The largest growth of a process's memory inside of the block."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._start = self._peak = 0

    def __enter__(self) -> Watch:
        self._start = self._peak = self._process.memory_info().rss
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self._peak - self._start

    def _sample(self) -> None:
        while not self._done.wait(0.002):
            self._peak = max(self._peak, self._process.memory_info().rss)


def least_growth(process: psutil.Process, work: Callable[[], None], tries: int = 4) -> int:
    """The growth that `work` causes itself: that of its quietest run, the first one warming up."""
    work()
    growths = []
    for _ in range(tries):
        with Watch(process) as watch:
            work()
        growths.append(watch.growth)
    return min(growths)


@pytest.mark.parametrize(
    ("path", "headers", "cap", "total"),
    [
        pytest.param("/detections", FORM, CROP_MAX_BYTES, 32 * MB, id="crop"),
        pytest.param("/identify", FORM, PHOTO_MAX_BYTES, 64 * MB, id="photograph"),
        pytest.param("/persons", JSON, MB, 32 * MB, id="json"),
    ],
)
def test_memory_grows_less_than_twice_the_cap_when_a_chunked_body_is_over_it(
    served: Served,
    admin: httpx2.Client,
    path: str,
    headers: dict[str, str],
    cap: int,
    total: int,
) -> None:
    def send() -> None:
        def body() -> Iterator[bytes]:
            yield b'{"name": "' if headers is JSON else PART
            for _ in range(total // (256 * KB)):
                yield b"x" * 256 * KB

        key = {"idempotency-key": "k" * 8}
        check_problem(admin.post(path, headers={**headers, **key}, content=body()), 413)

    assert least_growth(served.process, send) < 2 * cap


def test_memory_stays_flat_when_a_small_png_would_decode_to_many_pixels(
    served: Served, admin: httpx2.Client
) -> None:
    bomb = pictures.one_bit_png(9000)
    assert len(bomb) < 100_000

    def send() -> None:
        files = {"image": ("a.png", bomb)}
        check_problem(admin.post("/identify", files=files), 413, "TooLarge")
        metadata = {"metadata": '{"camera_id": "door", "captured_at": "2026-11-22T12:00:00Z"}'}
        key = {"idempotency-key": "k" * 8}
        response = admin.post("/detections", files=files, data=metadata, headers=key)
        check_problem(response, 413, "TooLarge")

    # Decoded it takes 10 MB at the very least, 81 MB as grey and 243 MB as RGB.
    assert least_growth(served.process, send) < 4 * MB


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param("Content-Length: 10\r\nTransfer-Encoding: chunked", id="both"),
        pytest.param("Transfer-Encoding: chunked", id="chunked"),
        pytest.param("Content-Length: 99999999999999", id="too long"),
        pytest.param("Content-Length: -1", id="negative"),
        pytest.param("Content-Length: 9" + "9" * 5000, id="endless"),
        pytest.param("Content-Length: 10\r\nContent-Length: 20", id="two"),
    ],
)
def test_process_answers_4xx_and_lives_when_the_framing_lies(served: Served, framing: str) -> None:
    head = (
        f"POST {API_PREFIX}/detections HTTP/1.1\r\nHost: usher\r\nAuthorization: Bearer "
        f"{served.place.device_key}\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Idempotency-Key: {'k' * 8}\r\n{framing}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.place.port), timeout=20) as connection:
        connection.sendall(head.encode())
        if "chunked" in framing:
            connection.sendall(b"%x\r\n%s\r\n" % (2 * MB, b"x" * 2 * MB))
        status = int(connection.recv(12).split()[1])
    assert 400 <= status < 500
    assert served.place.is_ready()
