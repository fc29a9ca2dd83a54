"""How many crops a second go from upload to classified, and how long does an alert take?

The real API, real classifiers and the embedded MongoDB server run on this machine, each a process
of its own, and one more process feeds them photographs of LFW, cut as the detector cuts them. For
each size of the gallery and each number of classifiers:

- the rate: some connections upload as fast as the API answers; the time ends when the last crop is
  classified. What each process used of the processor is counted beside it, since other programs may
  have the cores now and then;
- the latency: faces of people not seen before come at a quarter of that rate; it lasts from the
  moment that an upload begins to the moment that its alert intent is in the outbox;
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
import math
import os
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from itertools import cycle, islice
from pathlib import Path

import dlib
import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from _figures import rounded
from _lfw import add_data, needed_folder
from services.detector.crops import cut as cut_face
from services.detector.sources import Frame
from usher.client import UsherClient
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id, new_key
from usher.domain.records import (
    UNFINISHED,
    DetectionStatus,
    Embedding,
    Face,
    Person,
    PersonKind,
)
from usher.storage.database import Database, connected
from usher.storage.documents import to_document
from usher.storage.embedded import EmbeddedServer
from usher.storage.schema import prepare
from usher.supervisor import Process, Program
from usher.vision.align import FaceAligner
from usher.vision.embed import DLIB, DLIB_CROPS, make_embedder
from usher.vision.images import PHOTO_FORMATS, decode_image
from usher.vision.models import model_path
from usher.vision.runtime import core_count
from usher.wire import API_PREFIX, IDEMPOTENCY_HEADER, DetectionMetadata, utc_now

_LFW_FACE = Box(73, 73, 177, 177)
"""Where the photographs of LFW (deep-funneled) have the face."""
_MARGIN = 0.5
"""The detector's default."""

_CONNECTIONS = 6
_WARM_UP = 64
_PEOPLE, _STRANGERS = 250, 160
_LEAST_CROPS = 100
_MODERATE = 0.25
"""The rate at which latency is measured, as a share of the highest."""
_LOOP_CROPS = 24
_LOOP_TOLERANCE = 0.6

_REFERENCES_A_PERSON = 5
_DIMENSION = 128
_SPREAD_DIMENSIONS = 38
_SPREAD_BETWEEN, _SPREAD_WITHIN = 0.39, 0.2

_WITHIN_S = 300.0
_POLL_S = 0.2
_ALERTS_ARRIVE_S = 1.0
_BOUNDARY = "usher-bench-3b1f0c6a"

Vectors = NDArray[np.float32]
Describe = Callable[[NDArray[np.uint8], Box], NDArray[np.float64]]


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


@dataclass(frozen=True, slots=True)
class Supply:
    """Crops of different people for each purpose; `looped` for each run on one gallery."""

    warm_up: Sequence[Crop]
    looped: Sequence[Sequence[Crop]]
    strangers: Sequence[Crop]


@dataclass(frozen=True, slots=True)
class Run:
    """One system to start and to measure."""

    references: int
    workers: int
    embedder: str
    with_latency: bool = False

    @property
    def gallery(self) -> str:
        """The name of its database, which runs with other numbers of classifiers share."""
        return f"bench_{self.references}_{Path(self.embedder).stem}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured: each gallery with each number of classifiers, for about so long."""

    references: Sequence[int]
    workers: Sequence[int]
    embedder: str
    seconds: float

    def runs(self) -> list[Run]:
        """The first is the one that the others are compared with; the last makes one pass a face.

        Latency is measured with the most classifiers.
        """
        most = max(self.workers)
        runs = [
            Run(size, workers, self.embedder, with_latency=workers == most)
            for size in self.references
            for workers in sorted(self.workers, reverse=True)
        ]
        one_pass = [Run(self.references[0], most, DLIB)] if self.embedder != DLIB else []
        return runs + one_pass


@dataclass(frozen=True, slots=True)
class Rate:
    """What a run came to.

    `cpu_ms` is what a crop cost each part, user and system time of all its processes; `others` the
    share of the cores that programs beside these had meanwhile.
    """

    crops: int
    crops_per_s: float
    cpu_ms: dict[str, float]
    others: float

    @property
    def by_cpu(self) -> float:
        """Crops a second, were the cores busy with nothing else and never idle."""
        return 1000 * core_count(0) / sum(self.cpu_ms.values())


@dataclass(frozen=True, slots=True)
class Latency:
    """From upload to alert intent in milliseconds, over so many alerts."""

    p50: float
    p95: float
    alerts: int


@dataclass(frozen=True, slots=True)
class Loop:
    """What the loop came to. It works on one core."""

    crops_per_s: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """One run, and the loop over the same gallery."""

    run: Run
    rate: Rate
    loop: Loop
    latency: Latency | None

    @property
    def ratio(self) -> float:
        return self.rate.crops_per_s / self.loop.crops_per_s

    @property
    def ratio_by_cpu(self) -> float:
        return self.rate.by_cpu * self.loop.cpu_ms / 1000


# ---- What is uploaded ----------------------------------------------------------------------------


def supply_of(folder: Path, *, runs: int) -> Supply:
    """The first photograph of each of some people in a folder of LFW, by name.

    Parameters
    ----------
    runs
        How many there are on one gallery: each finds strangers of its own.
    """
    paths = iter(sorted(folder.glob("*/*_0001.jpg")))
    crops = (cut(path) for path in paths)
    return Supply(
        warm_up=list(islice(crops, _WARM_UP)),
        looped=[list(islice(crops, _PEOPLE)) for _ in range(runs)],
        strangers=list(islice(crops, _STRANGERS)),
    )


def cut(path: Path) -> Crop:
    """A photograph of LFW as the detector cuts it."""
    photo_rgb = decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=1_000_000)
    upload = cut_face(
        Frame(photo_rgb, 0, utc_now()),
        DetectedFace(_LFW_FACE, score=1.0),
        number=0,
        camera_id="bench",
        margin=_MARGIN,
        landmarks=aligner().align(photo_rgb, _LFW_FACE).landmarks,
    ).upload()
    return Crop(upload.image, upload.metadata)


@cache
def aligner() -> FaceAligner:
    """Finds landmarks, as the detector does, outside of what is measured."""
    return FaceAligner()


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
            By the detection's id: when its upload began, or was to begin (`time.perf_counter`).
        """
        start = time.perf_counter()
        due = [(crop, start + n / per_s if per_s else 0.0) for n, crop in enumerate(crops)]
        # Divided beforehand, in turns: nothing is shared between the connections.
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            parts = pool.map(self._feed, [due[n::_CONNECTIONS] for n in range(_CONNECTIONS)])
            return {one: moment for part in parts for one, moment in part.items()}

    def _feed(self, due: Sequence[tuple[Crop, float]]) -> dict[str, float]:
        begun = {}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_WITHIN_S)
        with closing(connection):
            for crop, moment in due:
                time.sleep(max(moment - time.perf_counter(), 0))
                start = moment or time.perf_counter()
                begun[self._upload(connection, crop)] = start
        return begun

    def _upload(self, connection: http.client.HTTPConnection, crop: Crop) -> str:
        headers = {**self._headers, IDEMPOTENCY_HEADER: new_id()}
        connection.request("POST", f"{API_PREFIX}/detections", form(crop), headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != http.client.CREATED:
            raise RuntimeError(f"the API answered {response.status}: {answer[:300]!r}")
        return str(json.loads(answer)["id"])


# ---- The gallery ---------------------------------------------------------------------------------


def made_up_vectors(count: int, seed: int = 3) -> Vectors:
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


async def enrol(database: Database, vectors: Vectors, model: str) -> None:
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
            while await self.database["detections"].find_one(unfinished):  # noqa: ASYNC110
                await asyncio.sleep(_POLL_S)

    async def check(self) -> None:
        """Raise where a crop failed: its time would count for nothing."""
        failed = await self.database["detections"].find_one({"status": DetectionStatus.FAILED})
        if failed is not None:
            raise RuntimeError(f"a crop failed: {failed['reason']}")

    def cpu_s(self) -> dict[str, float]:
        """Seconds of the processor that each part has used."""
        return {
            part: sum(sum(process.cpu_times()[:2]) for process in processes)
            for part, processes in self.processes.items()
        }


@asynccontextmanager
async def running_system(server: EmbeddedServer, data: Path, run: Run) -> AsyncIterator[System]:
    """The API and classifiers, ready, on the run's database; they end with the block."""
    key, port = new_key("usher_device"), _free_port()
    environment = {
        "USHER_MONGODB_URI": server.uri,
        "USHER_MONGODB_DATABASE": run.gallery,
        "USHER_DATA": str(data / run.gallery),
        "USHER_DETECTOR_KEY": key,
        "USHER_EMBEDDER": run.embedder,
        "USHER_THREADS": str(max(1, core_count(0) // run.workers)),
    }
    logs = data / run.gallery / f"logs-{run.workers}"
    logs.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connected(server.uri, run.gallery))
        api = await _started(stack, _program(logs, "api", environment | {"USHER_PORT": str(port)}))
        programs = [_program(logs, "classify", environment, n) for n in range(run.workers)]
        classifiers = [await _started(stack, program) for program in programs]
        await asyncio.to_thread(_wait_until_ready, port, [program.log for program in programs])
        processes = {
            "load": [psutil.Process()],
            "API": [api],
            "MongoDB": [psutil.Process(server.pid)],
            "classifiers": classifiers,
        }
        yield System(database, Feeder(port, key), processes)


def _program(logs: Path, command: str, environment: dict[str, str], number: int = 0) -> Program:
    return Program(command, ("-m", "usher", command), logs / f"{command}-{number}.log", environment)


async def _started(stack: AsyncExitStack, program: Program) -> psutil.Process:
    process = Process(program)
    await process.start()
    stack.push_async_callback(process.stop)
    return psutil.Process(process.pid)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} was not ready in time")
        time.sleep(_POLL_S)


def _wait_until_ready(port: int, classifier_logs: Sequence[Path]) -> None:
    with UsherClient(f"http://127.0.0.1:{port}", timeout_s=2) as client:
        _wait_for(client.is_ready, "the API")
    for log in classifier_logs:
        _wait_for(lambda log=log: b'"ready"' in log.read_bytes(), "a classifier")  # type: ignore[misc]


# ---- Measuring -----------------------------------------------------------------------------------


async def measure_rate(system: System, crops: Sequence[Crop]) -> Rate:
    """Upload them as fast as it goes, until all are classified."""
    used, busy, start = system.cpu_s(), _busy_s(), time.perf_counter()
    await asyncio.to_thread(system.feeder.feed, crops)
    await system.settled()
    took, now = time.perf_counter() - start, system.cpu_s()
    await system.check()
    spent = {part: now[part] - used[part] for part in now}
    others = _busy_s() - busy - sum(spent.values())
    return Rate(
        crops=len(crops),
        crops_per_s=len(crops) / took,
        cpu_ms={part: 1000 * seconds / len(crops) for part, seconds in spent.items()},
        others=max(others, 0) / (took * core_count(0)),
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
        await asyncio.sleep(_ALERTS_ARRIVE_S)
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


def loop_peer() -> tuple[str, Describe]:
    """Whose code the loop runs, and its way from a picture and a face's box to a vector."""
    try:
        import face_recognition  # noqa: PLC0415 - a peer that need not be there
    except (ImportError, SystemExit):  # it exits where `pkg_resources` is missing
        return "dlib", _dlib_describer()

    def describe(image_rgb: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        place = (box.y1, box.x2, box.y2, box.x1)
        return np.asarray(face_recognition.face_encodings(image_rgb, [place], model="small")[0])

    return "face_recognition", describe


def _dlib_describer() -> Describe:
    """What `face_encodings` does for one face in a known box, without the package."""
    landmarks = dlib.shape_predictor(str(model_path("shape_predictor_5_face_landmarks.dat")))
    network = dlib.face_recognition_model_v1(
        str(model_path("dlib_face_recognition_resnet_model_v1.dat"))
    )

    def describe(image_rgb: NDArray[np.uint8], box: Box) -> NDArray[np.float64]:
        found = landmarks(image_rgb, dlib.rectangle(box.x1, box.y1, box.x2, box.y2))
        return np.array(network.compute_face_descriptor(image_rgb, found, 1))

    return describe


def measure_loop(crops: Sequence[Crop], references: Vectors, describe: Describe) -> Loop:
    """Decode each crop, describe its face, compare with all references."""
    known = references.astype(np.float64)  # as the package's own vectors are
    start, used = time.perf_counter(), time.process_time()
    for crop in crops:
        with Image.open(io.BytesIO(crop.image)) as image:
            image_rgb = np.array(image.convert("RGB"))
        distances = np.linalg.norm(known - describe(image_rgb, crop.box), axis=1)
        list(distances <= _LOOP_TOLERANCE)
        distances.argmin()
    took, spent = time.perf_counter() - start, time.process_time() - used
    return Loop(len(crops) / took, 1000 * spent / len(crops))


# ---- All of it -----------------------------------------------------------------------------------


class Bench:
    """Measures runs one after the other; a gallery is made, and looped over, once."""

    def __init__(self, server: EmbeddedServer, data: Path, supply: Supply, plan: Plan) -> None:
        self._server = server
        self._data = data
        self._supply = supply
        self._plan = plan
        self._loops: dict[str, Loop] = {}
        self._runs: Counter[str] = Counter()

    async def measure(self, run: Run, describe: Describe) -> Result:
        if run.gallery not in self._loops:
            self._loops[run.gallery] = await self._begin(run, describe)
        looped = self._supply.looped[self._runs[run.gallery]]
        self._runs[run.gallery] += 1
        async with running_system(self._server, self._data, run) as system:
            count = await self._enough(system)
            rate = await measure_rate(system, list(islice(cycle(looped), count)))
            latency = await self._latency(system, rate) if run.with_latency else None
        return Result(run, rate, self._loops[run.gallery], latency)

    async def _begin(self, run: Run, describe: Describe) -> Loop:
        """Make a run's gallery, and measure the loop over it."""
        references = made_up_vectors(run.references)
        async with connected(self._server.uri, run.gallery) as database:
            await prepare(database)
            await enrol(database, references, make_embedder(run.embedder).model_id)
        return measure_loop(self._supply.looped[0][:_LOOP_CROPS], references, describe)

    async def _enough(self, system: System) -> int:
        """How many crops last the planned time, going by the second half of the warm-up."""
        halves = self._supply.warm_up[::2], self._supply.warm_up[1::2]
        for crops in halves:
            start = time.perf_counter()
            await asyncio.to_thread(system.feeder.feed, crops)
            await system.settled()
        per_s = len(halves[1]) / (time.perf_counter() - start)
        return max(round(per_s * self._plan.seconds), _LEAST_CROPS)

    async def _latency(self, system: System, rate: Rate) -> Latency:
        per_s = rate.crops_per_s * _MODERATE
        strangers = self._supply.strangers[: math.ceil(per_s * self._plan.seconds)]
        return await measure_latency(system, strangers, per_s=per_s)


async def measure(plan: Plan, supply: Supply, describe: Describe) -> list[Result]:
    """Every run of the plan."""
    results = []
    runs = plan.runs()
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        async with EmbeddedServer(Path(folder) / "mongodb") as server:
            bench = Bench(server, Path(folder), supply, plan)
            for number, run in enumerate(runs, 1):
                print(f"run {number} of {len(runs)}", file=sys.stderr, flush=True)
                results.append(await bench.measure(run, describe))
                print(line_of(results[-1]), flush=True)
    return results


_COLUMNS = (
    f"{'references':>10}{'workers':>8}  {'embedder':14}{'crops/s':>8}{'others':>8}"
    f"{'load':>7}{'API':>7}{'MongoDB':>8}{'classif.':>9}{'alone':>7}{'loop/s':>8}{'ratio':>7}"
    f"{'p50 ms':>8}{'p95 ms':>8}"
)
_LEGEND = """
others: what other programs had of the cores. load (this program), API, MongoDB, classifiers: ms of
the processor a crop. alone: crops a second, were these processes alone and the cores never idle.
loop/s: crops a second of the loop, on one core. p50, p95: from upload to alert intent."""


def line_of(result: Result) -> str:
    """A line of the table."""
    run, rate, latency = result.run, result.rate, result.latency
    load, api, mongodb, classifiers = rate.cpu_ms.values()
    waits = f"{latency.p50:8.0f}{latency.p95:8.0f}" if latency else ""
    return (
        f"{run.references:10,}{run.workers:8}  {run.embedder:14}{rate.crops_per_s:8.1f}"
        f"{rate.others:8.0%}{load:7.1f}{api:7.1f}{mongodb:8.1f}{classifiers:9.1f}"
        f"{rate.by_cpu:7.1f}{result.loop.crops_per_s:8.1f}{result.ratio:7.1f}{waits}"
    )


def summary(results: Sequence[Result], loop: str) -> dict[str, object]:
    """What `--json` ends with. The first result is the one that stands for all."""
    first = results[0]
    assert first.latency is not None
    alike = [it for it in results if it.run.workers == first.run.workers]
    return {
        "crops_per_s": first.rate.crops_per_s,
        "ratio_to_loop": first.ratio,
        "latency_ms": {"p50": first.latency.p50, "p95": first.latency.p95},
        "crops_per_s_by_cpu": first.rate.by_cpu,
        "ratio_to_loop_by_cpu": first.ratio_by_cpu,
        "kept": {
            it.run.references: {
                "crops_per_s": it.rate.crops_per_s / first.rate.crops_per_s,
                "crops_per_s_by_cpu": it.rate.by_cpu / first.rate.by_cpu,
            }
            for it in alike[1:]
            if it.run.embedder == first.run.embedder
        },
        "loop": loop,
        "cores": core_count(0),
        "load_average": os.getloadavg(),
        "results": [asdict(it) for it in results],
    }


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    add_data(parser)
    parser.add_argument("--references", type=_numbers, default=[200, 10_000, 100_000])
    parser.add_argument("--workers", type=_numbers, default=[1, 2], help="classifiers")
    parser.add_argument("--embedder", default=DLIB_CROPS, help="as USHER_EMBEDDER")
    parser.add_argument("--seconds", type=float, default=12, help="of uploads, about, a run")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    folder = needed_folder(options.data, parser)
    supply = supply_of(folder, runs=len(options.workers))
    if len(supply.strangers) < _STRANGERS:
        parser.error(f"there are too few photographs PERSON/*_0001.jpg in {folder}")
    plan = Plan(options.references, options.workers, options.embedder, options.seconds)
    name, describe = loop_peer()
    print(f"The loop: {name}. {core_count(0)} cores.\n\n{_COLUMNS}", flush=True)
    results = asyncio.run(measure(plan, supply, describe))
    print(_LEGEND)
    if options.json:
        print(json.dumps(rounded(summary(results, name))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
