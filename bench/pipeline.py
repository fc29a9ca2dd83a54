"""How many crops a second go from upload to classified, and how long does an alert take?

The real API, real classifiers and the embedded MongoDB server run on this machine, each a process
of its own, and one more process feeds them photographs of LFW, cut as the detector cuts them. For
each size of the gallery and each number of classifiers:

- the rate: some connections upload as fast as the API answers; the time ends when the last crop is
  classified. What each process used of the processor is counted beside it, since other programs may
  have the cores now and then;
- the latency: faces of people not seen before come at a moderate rate; from the moment that an
  upload begins to the moment that its alert intent is in the outbox;
- the loop that the `face_recognition` package's own examples are: decode the crop, describe the
  face in its box, compare with all references. Where the package is not installed, the same calls
  of dlib, which it passes on to. It works on one core and makes one pass of the network a face, the
  pipeline by default four (`--embedder dlib`: one).

References are made up: vectors of length 1 of known persons, as far apart as those of strangers in
LFW are.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import io
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import dlib
import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from services.detector.crops import make_upload
from services.detector.sources import Frame
from usher.client import UsherClient
from usher.domain.errors import UsherError
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id, new_key
from usher.domain.records import UNFINISHED, Embedding, Face, Person, PersonKind
from usher.storage.database import Database, connected
from usher.storage.documents import to_document
from usher.storage.embedded import EmbeddedServer
from usher.storage.schema import prepare
from usher.supervisor import Process, Program
from usher.vision.embed import DLIB_CROPS, EMBEDDERS, make_embedder
from usher.vision.images import PHOTO_FORMATS, decode_image
from usher.vision.models import model_path
from usher.vision.runtime import core_count
from usher.wire import API_PREFIX, IDEMPOTENCY_HEADER, DetectionMetadata, utc_now

_LFW_FACE = Box(73, 73, 177, 177)
"""Where the photographs of LFW (deep-funneled) have the face."""
_MARGIN = 0.5
"""The detector's default."""

_CONNECTIONS = 6
_WARM_UP = 32
_REFERENCES_A_PERSON = 5
_DIMENSION = 128
_SPREAD_DIMENSIONS = 38
_SPREAD_BETWEEN, _SPREAD_WITHIN = 0.47, 0.2
_LOOP_CROPS = 24
_WITHIN_S = 120.0
_POLL_S = 0.2
_BOUNDARY = "usher-bench-3b1f0c6a"


@dataclass(frozen=True, slots=True)
class Crop:
    """One crop as the detector uploads it."""

    image: bytes = field(repr=False)
    metadata: DetectionMetadata

    @property
    def box(self) -> Box:
        box = self.metadata.box
        assert box is not None
        return Box(box.x1, box.y1, box.x2, box.y2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What a run of one gallery and one number of classifiers came to.

    `cpu_ms` is what a crop cost each part, user and system time of all its processes; `others` is
    the share of the cores that programs beside this one had meanwhile.
    """

    references: int
    workers: int
    crops_per_s: float
    cpu_ms: dict[str, float]
    others: float
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Latency:
    """From upload to alert intent, in milliseconds, over so many alerts."""

    p50: float
    p95: float
    alerts: int


# ---- What is uploaded ----------------------------------------------------------------------------


def crops_of(photographs: Iterable[Path]) -> list[Crop]:
    """Photographs of LFW, cut as the detector cuts them."""
    return [_cut(path) for path in photographs]


def _cut(path: Path) -> Crop:
    photo_rgb = decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=1_000_000)
    upload = make_upload(
        Frame(photo_rgb, 0, utc_now()),
        DetectedFace(_LFW_FACE, score=1.0),
        face_index=0,
        camera_id="bench",
        margin=_MARGIN,
    )
    return Crop(upload.image, upload.metadata)


def form(crop: Crop) -> bytes:
    """The multipart body that uploads a crop, captured now."""
    metadata = crop.metadata.model_copy(update={"captured_at": utc_now()})
    part = f"--{_BOUNDARY}\r\nContent-Disposition: form-data; name="
    head = (
        f'{part}"metadata"\r\n\r\n{metadata.model_dump_json(exclude_none=True)}\r\n'
        f'{part}"image"; filename="crop"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    return b"".join((head.encode(), crop.image, f"\r\n--{_BOUNDARY}--\r\n".encode()))


class Feeder:
    """Uploads crops over a few connections that stay open.

    Parameters
    ----------
    port
        The API's, on loopback.
    key
        A device's.
    """

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        }

    def feed(self, crops: Sequence[Crop], *, per_s: float | None = None) -> dict[str, float]:
        """Upload them all, as fast as answers come, or so many a second.

        Returns
        -------
        dict
            When each upload began, or was to begin, by `time.perf_counter`, by its detection's id.
        """
        begun: dict[str, float] = {}
        failures: list[BaseException] = []
        start = time.perf_counter()
        due = iter([(crop, start + n / per_s if per_s else 0.0) for n, crop in enumerate(crops)])
        work = partial(self._work, due, threading.Lock(), begun, failures)
        threads = [threading.Thread(target=work) for _ in range(_CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return begun

    def _work(
        self,
        due: Iterator[tuple[Crop, float]],
        lock: threading.Lock,
        begun: dict[str, float],
        failures: list[BaseException],
    ) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            while not failures:
                with lock:
                    crop, moment = next(due, (None, 0.0))
                if crop is None:
                    return
                time.sleep(max(moment - time.perf_counter(), 0))
                start = moment or time.perf_counter()
                begun[self._upload(connection, crop)] = start
        except Exception as error:  # noqa: BLE001 - raised again where the threads are joined
            failures.append(error)
        finally:
            connection.close()

    def _upload(self, connection: http.client.HTTPConnection, crop: Crop) -> str:
        headers = {**self._headers, IDEMPOTENCY_HEADER: new_id()}
        connection.request("POST", f"{API_PREFIX}/detections", form(crop), headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.CREATED:
            raise RuntimeError(f"the API answered {response.status}: {answer[:300]!r}")
        return str(json.loads(answer)["id"])


# ---- The gallery ---------------------------------------------------------------------------------


def made_up_vectors(count: int, seed: int = 3) -> NDArray[np.float32]:
    """Vectors of persons with five references each, who lie apart as strangers in LFW do.

    Their median distance is 0.57 and 1% lie below 0.41, as of `dlib-crops`; five of one person lie
    0.26 apart.

    Returns
    -------
    NDArray
        float32, (count, 128), of length 1.
    """
    rng = np.random.default_rng(seed)
    centres = _spread(rng, -(-count // _REFERENCES_A_PERSON), _SPREAD_BETWEEN)
    centres[:, -1] = 1.0  # what all faces have in common
    persons = np.repeat(centres, _REFERENCES_A_PERSON, axis=0)[:count]
    vectors = persons + _spread(rng, count, _SPREAD_WITHIN)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def _spread(rng: np.random.Generator, count: int, size: float) -> NDArray[np.float64]:
    """Normal in some dimensions, 0 in the others; about `size` long."""
    spread = np.zeros((count, _DIMENSION))
    spread[:, :_SPREAD_DIMENSIONS] = rng.normal(
        scale=size / np.sqrt(_SPREAD_DIMENSIONS), size=(count, _SPREAD_DIMENSIONS)
    )
    return spread


async def enrol(database: Database, vectors: NDArray[np.float32], model: str) -> None:
    """Put known persons with those references into the database."""
    now = utc_now()
    for start in range(0, len(vectors), 5000):
        part = vectors[start : start + 5000]
        persons = [new_id() for _ in range(-(-len(part) // _REFERENCES_A_PERSON))]
        await database["persons"].insert_many(
            to_document(Person(id=one, kind=PersonKind.KNOWN, created_at=now, name=f"Person {one}"))
            for one in persons
        )
        await database["faces"].insert_many(
            to_document(
                Face(
                    id=new_id(),
                    person_id=persons[n // _REFERENCES_A_PERSON],
                    embedding=Embedding(model, vector),
                    crop=new_id(),
                    origin="enrolment",
                    created_at=now,
                )
            )
            for n, vector in enumerate(part)
        )


# ---- The system ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class System:
    """What runs for one measurement: its database, the way in, and its processes by part."""

    database: Database
    feeder: Feeder
    processes: dict[str, list[psutil.Process]]

    async def settled(self) -> None:
        """Wait until nothing is unfinished."""
        unfinished = {"status": {"$in": list(UNFINISHED)}}
        async with asyncio.timeout(_WITHIN_S):
            while await self.database["detections"].find_one(unfinished, {"_id": 1}):
                await asyncio.sleep(_POLL_S)

    async def outcomes(self) -> dict[str, int]:
        """How many detections have which status."""
        stages = [{"$group": {"_id": "$status", "n": {"$sum": 1}}}]
        rows = await self.database["detections"].aggregate(stages)
        return {row["_id"]: row["n"] async for row in rows}

    def cpu_s(self) -> dict[str, float]:
        """Seconds of the processor that each part has used."""
        return {
            part: sum(sum(process.cpu_times()[:2]) for process in processes)
            for part, processes in self.processes.items()
        }


@asynccontextmanager
async def running_system(
    server: EmbeddedServer, data: Path, *, name: str, workers: int, embedder: str
) -> AsyncIterator[System]:
    """The API and so many classifiers, ready, on a database that holds what it holds."""
    key = new_key("usher_device")
    environment = {
        "USHER_MONGODB_URI": server.uri,
        "USHER_MONGODB_DATABASE": name,
        "USHER_DATA": str(data / name),
        "USHER_DETECTOR_KEY": key,
        "USHER_EMBEDDER": embedder,
        "USHER_THREADS": str(max(1, core_count(0) // workers)),
    }
    (data / name).mkdir(exist_ok=True)
    port = _free_port()
    classify = [_program(data, n, ["classify"], environment) for n in range(workers)]
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connected(server.uri, name))
        api = await _started(stack, _program(data, 0, ["api", "--port", str(port)], environment))
        classifiers = [await _started(stack, program) for program in classify]
        await asyncio.to_thread(_wait_for_api, port)
        await asyncio.gather(*(_says(program.log, b'"ready"') for program in classify))
        processes = {
            "load": [psutil.Process()],
            "API": [api],
            "MongoDB": [psutil.Process(server.pid)],
            "classifiers": classifiers,
        }
        yield System(database, Feeder(port, key), processes)


def _program(
    data: Path, number: int, arguments: Sequence[str], environment: dict[str, str]
) -> Program:
    log = data / f"{environment['USHER_MONGODB_DATABASE']}-{arguments[0]}-{number}.log"
    return Program(arguments[0], ("-m", "usher", *arguments), log, environment)


async def _started(stack: AsyncExitStack, program: Program) -> psutil.Process:
    process = Process(program)
    await process.start()
    stack.push_async_callback(process.stop)
    return psutil.Process(process.pid)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for_api(port: int) -> None:
    deadline = time.monotonic() + _WITHIN_S
    with UsherClient(f"http://127.0.0.1:{port}", timeout_s=2) as client:
        while not client.is_ready():
            if time.monotonic() > deadline:
                raise TimeoutError("the API is not ready")
            time.sleep(_POLL_S)


async def _says(log: Path, words: bytes) -> None:
    async with asyncio.timeout(_WITHIN_S):
        while words not in log.read_bytes():
            await asyncio.sleep(_POLL_S)


# ---- Measuring -----------------------------------------------------------------------------------


async def measure_rate(
    system: System, crops: Sequence[Crop], *, references: int, workers: int
) -> Rate:
    """Upload them as fast as it goes, until all are classified."""
    used, busy, start = system.cpu_s(), _busy_s(), time.perf_counter()
    await asyncio.to_thread(system.feeder.feed, crops)
    await system.settled()
    took = time.perf_counter() - start
    spent = {part: now - used[part] for part, now in system.cpu_s().items()}
    others = max(_busy_s() - busy - sum(spent.values()), 0)
    return Rate(
        references=references,
        workers=workers,
        crops_per_s=len(crops) / took,
        cpu_ms={part: 1000 * seconds / len(crops) for part, seconds in spent.items()},
        others=others / (took * psutil.cpu_count()),
        outcomes=await system.outcomes(),
    )


def _busy_s() -> float:
    """Seconds that the machine's cores were not idle, of all programs together."""
    times = psutil.cpu_times()
    return float(sum(times[:3]))


async def measure_latency(system: System, crops: Sequence[Crop], *, per_s: float) -> Latency:
    """Upload faces not seen before at that rate, and wait for the alerts about them."""
    seen: dict[str, float] = {}
    stream = await system.database["alerts"].watch([{"$match": {"operationType": "insert"}}])

    async def listen() -> None:
        async for event in stream:
            seen[event["fullDocument"]["detection_id"]] = time.perf_counter()

    async with stream:
        listener = asyncio.create_task(listen())
        begun = await asyncio.to_thread(partial(system.feeder.feed, crops, per_s=per_s))
        await system.settled()
        await asyncio.sleep(0.5)
        listener.cancel()
        with suppress(asyncio.CancelledError):
            await listener
    waits_ms = [1000 * (seen[one] - start) for one, start in begun.items() if one in seen]
    return latency_of(waits_ms)


def latency_of(waits_ms: Sequence[float]) -> Latency:
    """The median and the 95th percentile; of nothing, not a number."""
    if not waits_ms:
        return Latency(float("nan"), float("nan"), 0)
    p50, p95 = np.percentile(waits_ms, (50, 95))
    return Latency(float(p50), float(p95), len(waits_ms))


# ---- The loop ------------------------------------------------------------------------------------

Describe = Callable[[NDArray[np.uint8], Box], NDArray[np.float64]]


def loop_peer() -> tuple[str, Describe]:
    """The package's way from a picture and a face's box to a vector, and whose code it is."""
    try:
        import face_recognition  # noqa: PLC0415 - a peer that need not be there
    except (ImportError, SystemExit):  # it exits where `pkg_resources` is missing
        return "dlib", _dlib_describer()

    def describe(image_rgb: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        place = (box.y1, box.x2, box.y2, box.x1)
        return np.asarray(face_recognition.face_encodings(image_rgb, [place], model="small")[0])

    return "face_recognition", describe


def _dlib_describer() -> Describe:
    """What `face_encodings` does for one face, without the package."""
    landmarks = dlib.shape_predictor(str(model_path("shape_predictor_5_face_landmarks.dat")))
    network = dlib.face_recognition_model_v1(
        str(model_path("dlib_face_recognition_resnet_model_v1.dat"))
    )

    def describe(image_rgb: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        found = landmarks(image_rgb, dlib.rectangle(box.x1, box.y1, box.x2, box.y2))
        return np.array(network.compute_face_descriptor(image_rgb, found, 1))

    return describe


def loop_rate(crops: Sequence[Crop], references: NDArray[np.float64], describe: Describe) -> float:
    """Crops a second of the loop: decode, describe, compare with all references."""
    start = time.perf_counter()
    for crop in crops:
        with Image.open(io.BytesIO(crop.image)) as image:
            pixels = np.array(image.convert("RGB"))
        distances = np.linalg.norm(references - describe(pixels, crop.box), axis=1)
        list(distances <= 0.6)
        distances.argmin()
    return len(crops) / (time.perf_counter() - start)


# ---- All of it -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The result; by number of references, and by number of classifiers where both are told."""

    crops_per_s: float
    ratio_to_loop: float
    latency_ms: dict[str, float]
    loop: str
    embedder: str
    cores: int
    rates: list[Rate]
    latencies_ms: dict[int, Latency]
    loops_per_s: dict[int, float]
    load_average: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Supply:
    """Crops of different people for each purpose."""

    warm_up: list[Crop]
    looped: list[Crop]
    strangers: list[Crop]


def supply_of(folder: Path, *, people: int, strangers: int) -> Supply:
    """The first photograph of each person in a folder of LFW, by name."""
    paths = sorted(folder.glob("*/*_0001.jpg"))[: _WARM_UP + people + strangers]
    crops = crops_of(paths)
    rest = crops[_WARM_UP:]
    return Supply(crops[:_WARM_UP], rest[:people], rest[people:])


class Bench:
    """Every run, one after the other.

    Parameters
    ----------
    count
        Crops of a run.
    per_s
        The moderate rate that latency is measured at.
    """

    def __init__(
        self, server: EmbeddedServer, data: Path, supply: Supply, *, count: int, per_s: float
    ) -> None:
        self._server = server
        self._data = data
        self._supply = supply
        self._crops = list(islice(cycle(supply.looped), count))
        self._per_s = per_s

    async def run(
        self, references: int, workers: int, embedder: str, *, latency: bool
    ) -> tuple[Rate, Latency | None]:
        """One gallery, one number of classifiers, on a database of its own."""
        name = f"bench_{references}_{workers}_{embedder.replace('-', '_')}"
        model = make_embedder(embedder).model_id
        async with connected(self._server.uri, name) as database:
            await prepare(database)
            await enrol(database, made_up_vectors(references), model)
        async with running_system(
            self._server, self._data, name=name, workers=workers, embedder=embedder
        ) as system:
            await asyncio.to_thread(system.feeder.feed, self._supply.warm_up)
            await system.settled()
            rate = await measure_rate(system, self._crops, references=references, workers=workers)
            waits = (
                await measure_latency(system, self._supply.strangers, per_s=self._per_s)
                if latency
                else None
            )
            await system.database.client.drop_database(name)
        return rate, waits


def show_rate(rate: Rate, name: str) -> None:
    """Print one line of the table."""
    each = "".join(f"{ms:9.1f}" for ms in rate.cpu_ms.values())
    print(
        f"{rate.references:10,}{rate.workers:9}{name:>15}{rate.crops_per_s:10.1f}{each}"
        f"{sum(rate.cpu_ms.values()):9.1f}{rate.others:9.0%}",
        flush=True,
    )
