"""How long do the panel's lists and searches take on a large database, and does a query scan?

Makes a database of 100 thousand detections and 10 thousand persons, with references, visits,
alerts, history and crops, starts the real API on it, and asks everything that the panel asks, one
request after the other: the median of each. Then it asks all of it once more under MongoDB's
profiler, which tells the plan of every query that came of it. A query whose plan reads a whole
collection (COLLSCAN) is counted. What the API reads to follow changes does not count: a change
stream always goes through the server's log. Last, Chromium opens the pages with the long lists: how
long until each shows its contents.

No classifier runs, so what the seed leaves unfinished stays in the queue.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Browser, async_playwright
from pymongo import WriteConcern

from _lfw import add_data, folder_of
from services.api.bootstrap import bootstrap
from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id
from usher.domain.records import (
    Alert,
    AlertStatus,
    ChangeKind,
    Confidence,
    Detection,
    DetectionStatus,
    Embedding,
    Face,
    IdentityChange,
    Person,
    PersonKind,
    Visit,
)
from usher.storage.access import Users
from usher.storage.database import Database, connected
from usher.storage.documents import Document, milliseconds, to_document
from usher.storage.embedded import EmbeddedServer
from usher.storage.leases import AT_ONCE
from usher.supervisor import Process, Program
from usher.vision.embed import DLIB_CROPS, make_embedder
from usher.wire import API_PREFIX, CSRF_HEADER, SESSION_COOKIE, utc_now

_DAYS = 30
_CAMERAS = 12
_UNFINISHED = 300
_IN_REVIEW = 400
_CHANGES = 2_000
_BATCH = 5_000
_KNOWN_SHARE = 0.2
_REFERENCES_A_KNOWN_PERSON = 3
_DIMENSION = 128
_CROP_SIDE_PX = 180
_CROPS = 8
"""Different pictures; every crop is a link to one of them."""
_WITHIN_S = 120.0
_PROFILE_BYTES = 256 * 1024 * 1024
_LOADS = 5
_PAGES = {
    "/": "ul[aria-label$=' today'] li",
    "/detections": "ul[aria-label^='Detections, '] li",
    "/people": "a[href^='/people/p-']",
}
"""By page, what stands for its contents."""
_FIRST_NAMES = ("Ada", "Ben", "Cleo", "Dev", "Eva", "Finn", "Gita", "Hugo", "Iris", "Lena")
_CLASSES = ("staff", "staff", "staff", "visitor")
_LAST_NAMES = ("Adler", "Brandt", "Chen", "Diaz", "Evans", "Garcia", "Haddad", "Ito", "Kaya")

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    detections: int
    persons: int

    @property
    def known(self) -> int:
        return int(self.persons * _KNOWN_SHARE)


@dataclass(frozen=True, slots=True)
class Question:
    """One request that the panel makes. `image` is sent as a form."""

    name: str
    path: str
    params: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    method: str = "GET"
    images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What a question came to: its median time, and the scans of collections that it caused."""

    question: str
    median_ms: float
    slowest_ms: float
    kilobytes: float
    scans: tuple[str, ...]


# ---- The seed ------------------------------------------------------------------------------------


class Seed:
    """Makes the database, the same each time but for the identifiers.

    Parameters
    ----------
    model
        Whose vectors the references are.
    crops
        The API's crop store.
    """

    def __init__(self, database: Database, crops: Path, size: Size, model: str) -> None:
        # Nothing is lost with it: the server lives as long as this program.
        self._database = database.with_options(write_concern=WriteConcern(w=1))
        self._size = size
        self._model = model
        self._rng = np.random.default_rng(6)
        self._now = milliseconds(utc_now())
        self._crops = CropLinks(crops)

    async def plant(self) -> None:
        """Everything, in batches."""
        persons = self._persons()
        await self._insert("persons", [to_document(person) for person in persons])
        await self._insert("faces", self._faces(persons))
        await self._insert("cameras", self._cameras())
        detections = self._detections(persons)
        await self._insert("visits", _visits(detections))
        await self._insert("alerts", self._alerts(detections, persons))
        await self._insert("detections", detections)
        await self._insert("identity_changes", self._changes(persons))
        await self._insert("audit", self._audit(persons))

    async def _insert(self, name: str, documents: Sequence[Document]) -> None:
        for start in range(0, len(documents), _BATCH):
            await self._database[name].insert_many(documents[start : start + _BATCH], ordered=False)

    def _persons(self) -> list[Person]:
        return [self._person(number) for number in range(self._size.persons)]

    def _person(self, number: int) -> Person:
        known = number < self._size.known
        first = _FIRST_NAMES[number % len(_FIRST_NAMES)]
        last = _LAST_NAMES[number // len(_FIRST_NAMES) % len(_LAST_NAMES)]
        stranger = PersonKind.IGNORED if number % 100 == 99 else PersonKind.UNKNOWN
        return Person(
            id=f"p-{number:06}",
            kind=PersonKind.KNOWN if known else stranger,
            created_at=self._moment(),
            name=f"{first} {last} {number}" if known else None,
            class_name=_CLASSES[number % len(_CLASSES)] if known else None,
        )

    def _faces(self, persons: Sequence[Person]) -> list[Document]:
        counts = [
            _REFERENCES_A_KNOWN_PERSON if one.kind == PersonKind.KNOWN else 1 for one in persons
        ]
        vectors = iter(_vectors(self._rng, counts))
        return [
            to_document(
                Face(
                    id=new_id(),
                    person_id=person.id,
                    embedding=Embedding(self._model, next(vectors)),
                    crop=self._crops.new(),
                    origin="enrolment",
                    created_at=person.created_at,
                )
            )
            for person, count in zip(persons, counts, strict=True)
            for _ in range(count)
        ]

    def _cameras(self) -> list[Document]:
        return [
            {"_id": _camera(number), "name": f"Camera {number}", "managers": []}
            for number in range(_CAMERAS)
        ]

    def _detections(self, persons: Sequence[Person]) -> list[Document]:
        vectors = iter(_vectors(self._rng, [1] * self._size.detections))
        known = [person for person in persons if person.kind == PersonKind.KNOWN]
        return [
            self._detection(number, persons, known, next(vectors))
            for number in range(self._size.detections)
        ]

    def _detection(
        self, number: int, persons: Sequence[Person], known: Sequence[Person], vector: Any
    ) -> Document:
        captured_at = self._moment()
        status = self._status(number)
        # Some are seen all the time, most once or twice.
        person = persons[int(len(persons) * self._rng.random() ** 3)]
        is_somebody = status == DetectionStatus.CLASSIFIED
        is_question = status == DetectionStatus.UNIDENTIFIABLE and self._rng.random() < (
            _IN_REVIEW / self._size.detections * 10
        )
        detection = Detection(
            id=new_id(),
            camera_id=_camera(int(self._rng.integers(_CAMERAS))),
            device_id="seed",
            idempotency_key=new_id(),
            content_sha256="0" * 64,
            captured_at=captured_at,
            received_at=captured_at + timedelta(seconds=1),
            crop=self._crops.new(),
            status=status,
            box=Box(40, 40, 140, 140),
            track_id=str(number // 3),
            embedding=None if status in _WITHOUT_VECTOR else Embedding(self._model, vector),
            quality=FaceQuality(acceptable=is_somebody, size_px=100, sharpness=50.0, reasons=()),
            person_id=person.id if is_somebody else None,
            confidence=Confidence.HIGH if is_somebody else None,
            candidate_id=known[number % len(known)].id if is_question else None,
            visit_id=_visit_id(person.id, captured_at) if is_somebody else None,
        )
        return {**to_document(detection), "available_at": AT_ONCE, "claim_token": None}

    def _status(self, number: int) -> DetectionStatus:
        if number < _UNFINISHED:
            return DetectionStatus.PENDING
        kinds, shares = zip(*_STATUS_SHARES.items(), strict=True)
        return DetectionStatus(self._rng.choice(kinds, p=shares))

    def _alerts(self, detections: Sequence[Document], persons: Sequence[Person]) -> list[Document]:
        strangers = {person.id for person in persons if person.kind == PersonKind.UNKNOWN}
        first = {
            document["visit_id"]: document
            for document in detections
            if document["person_id"] in strangers
        }
        return [self._alert(visit_id, document) for visit_id, document in first.items()]

    def _alert(self, visit_id: str, detection: Document) -> Document:
        waits = self._rng.random() < 0.01
        alert = Alert(
            id=new_id(),
            visit_id=visit_id,
            person_id=detection["person_id"],
            camera_id=detection["camera_id"],
            detection_id=detection["_id"],
            captured_at=detection["captured_at"],
            created_at=detection["received_at"],
            status=AlertStatus.PENDING if waits else AlertStatus.SENT,
            sent_at=None if waits else detection["received_at"],
        )
        return {**to_document(alert), "available_at": AT_ONCE}

    def _changes(self, persons: Sequence[Person]) -> list[Document]:
        changes = []
        for number in range(_CHANGES):
            ids = tuple(persons[int(at)].id for at in self._rng.integers(len(persons), size=2))
            change = IdentityChange(
                id=new_id(), at=self._moment(), actor="usher", kind=ChangeKind.MERGE, persons=ids
            )
            changes.append({**to_document(change), "version": number})
        return changes

    def _audit(self, persons: Sequence[Person]) -> list[Document]:
        return [
            {
                "_id": new_id(),
                "at": person.created_at,
                "actor": "seed",
                "action": "person.create",
                "kind": "person.create",
                "subject": person.id,
            }
            for person in persons
        ]

    def _moment(self) -> datetime:
        back = timedelta(seconds=float(self._rng.random()) * _DAYS * 86_400)
        return milliseconds(self._now - back)


_WITHOUT_VECTOR = {DetectionStatus.PENDING, DetectionStatus.FAILED}
_STATUS_SHARES = {
    DetectionStatus.CLASSIFIED: 0.87,
    DetectionStatus.UNIDENTIFIABLE: 0.1,
    DetectionStatus.NOT_A_FACE: 0.02,
    DetectionStatus.FAILED: 0.01,
}


class CropLinks:
    """Crops that are links to a few small pictures: a hundred thousand of them are quickly there.

    They lie where the crop store looks for them.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._pictures = [self._picture(number) for number in range(_CROPS)]

    def new(self) -> str:
        """The key of one more crop."""
        key = new_id()
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        path.hardlink_to(self._pictures[int(key[-1], 16) % _CROPS])
        return key

    def _picture(self, number: int) -> Path:
        path = self._directory / f"seed-{number}"
        side = np.linspace(0, 255, _CROP_SIDE_PX)
        grey = np.add.outer(side, np.roll(side, number * 20)) / 2
        Image.fromarray(grey.astype(np.uint8)).convert("RGB").save(path, "JPEG", quality=92)
        return path

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}.jpg"


def _vectors(rng: Rng, counts: Sequence[int]) -> NDArray[np.float32]:
    """Unit vectors, so many near one another for each count: float32, (sum of counts, 128)."""
    centres = rng.normal(size=(len(counts), _DIMENSION))
    near = np.repeat(centres, counts, axis=0)
    found = near + rng.normal(scale=0.3, size=near.shape)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def _visits(detections: Sequence[Document]) -> list[Document]:
    """One a person and day; its camera is the first one's."""
    by_visit = defaultdict[str, list[Document]](list)
    for document in detections:
        if document["visit_id"] is not None:
            by_visit[document["visit_id"]].append(document)
    return [_visit(visit_id, found) for visit_id, found in by_visit.items()]


def _visit(visit_id: str, detections: Sequence[Document]) -> Document:
    moments = [document["captured_at"] for document in detections]
    visit = Visit(
        id=visit_id,
        person_id=detections[0]["person_id"],
        camera_id=detections[0]["camera_id"],
        started_at=min(moments),
        last_at=max(moments),
    )
    return {**to_document(visit), "detections": len(detections)}


def _visit_id(person_id: str, moment: datetime) -> str:
    return f"{person_id}-{moment:%Y%m%d}"


def _camera(number: int) -> str:
    return f"camera-{number:02}"


# ---- The API -------------------------------------------------------------------------------------


@asynccontextmanager
async def running_api(uri: str, database: str, data: Path) -> AsyncIterator[str]:
    """The API on that database, ready; where it listens."""
    port = _free_port()
    environment = {
        "USHER_MONGODB_URI": uri,
        "USHER_MONGODB_DATABASE": database,
        "USHER_DATA": str(data),
        "USHER_PORT": str(port),
    }
    process = Process(Program("api", ("-m", "usher", "api"), data / "api.log", environment))
    await process.start()
    try:
        url = f"http://127.0.0.1:{port}"
        await asyncio.to_thread(_wait_until_ready, url)
        yield url
    finally:
        await process.stop()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline:
        try:
            if httpx2.get(f"{url}/readyz", timeout=2).is_success:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError("the API was not ready in time")


async def signed_in(database: Database, url: str) -> httpx2.Client:
    """A client with the first admin's session."""
    user = await Users(database).by_name("admin")
    assert user is not None
    token, csrf_token = secrets.token_hex(), secrets.token_hex()
    expires_at = utc_now() + timedelta(hours=1)
    await Users(database).open_session(token, user, csrf_token=csrf_token, expires_at=expires_at)
    headers = {CSRF_HEADER: csrf_token}
    cookies = {SESSION_COOKIE: token}
    return httpx2.Client(base_url=url, headers=headers, cookies=cookies, timeout=60)


# ---- What is asked -------------------------------------------------------------------------------


class Questions:
    """What the panel asks of this database."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._document = self._get("/openapi.json")
        now = utc_now()
        self._times = {
            "middle": now - timedelta(days=_DAYS / 2),
            "day": now - timedelta(days=1),
            "end": now,
        }

    def all(self, photograph: bytes | None) -> list[Question]:
        """Every question; those that post a picture where there is a photograph."""
        named = [
            *self._detections(),
            *self._persons(),
            *self._pictures(),
            *self._alerts_and_changes(),
            *self._visits(),
            *self._figures(),
        ]
        return [*named, *self._others(named), *(self._posts() if photograph else ())]

    def _detections(self) -> list[Question]:
        path = "/detections"
        newest = self._get(path)["items"]
        somebody = next(item["person"]["id"] for item in newest if item["person"])
        middle, day = self._times["middle"].isoformat(), self._times["day"].isoformat()
        deep = self._get(path, {"to": middle})["next_cursor"]
        given: dict[str, dict[str, str]] = {
            "newest": {},
            "200 a page": {"limit": "200"},
            "page from the middle": {"cursor": deep},
            "of a camera": {"camera_id": _camera(3)},
            "of a camera, from the middle": {"camera_id": _camera(3), "cursor": deep},
            "of a person": {"person_id": somebody},
            "of a person at a camera": {"person_id": somebody, "camera_id": _camera(3)},
            "since yesterday": {"from": day},
            "of a week": {"from": (self._times["middle"]).isoformat(), "to": day},
            "at a camera, failed": {"camera_id": _camera(3), "status": "failed"},
            "of a person, failed": {"person_id": somebody, "status": "failed"},
            "poor ones": {"quality": "poor"},
            "poor ones at a camera": {"quality": "poor", "camera_id": _camera(3)},
            "to review": {"review": "true"},
            "to review at a camera": {"review": "true", "camera_id": _camera(3)},
        }
        given |= {f"status {status}": {"status": status} for status in DetectionStatus}
        lists = [Question(f"detections, {name}", path, params) for name, params in given.items()]
        return [*lists, Question("detection", f"{path}/{newest[0]['id']}")]

    def _persons(self) -> list[Question]:
        path = "/persons"
        page = self._get(path, {"kind": "known"})
        given: dict[str, dict[str, str]] = {
            "newest": {},
            "200 a page": {"limit": "200"},
            "known": {"kind": "known"},
            "known, second page": {"kind": "known", "cursor": page["next_cursor"]},
            "unknown": {"kind": "unknown"},
            "ignored": {"kind": "ignored"},
            "by part of a name": {"q": "aya 1"},
            "by a name that nobody has": {"q": "nobody at all"},
            "known by part of a name": {"q": "lena", "kind": "known"},
            "by identifier": {"q": page["items"][0]["id"]},
            "of a class": {"class": "visitor"},
            "known, of a class, by part of a name": {
                "kind": "known",
                "class": "visitor",
                "q": "lena",
            },
        }
        lists = [Question(f"persons, {name}", path, params) for name, params in given.items()]
        person = page["items"][0]["id"]
        return [
            *lists,
            Question("person", f"{path}/{person}"),
            Question("person's faces", f"{path}/{person}/faces"),
            Question("person's history", "/identity/changes", {"person_id": person}),
        ]

    def _pictures(self) -> list[Question]:
        newest = self._get("/detections")["items"][0]["id"]
        path = f"/detections/{newest}/image"
        etag = self._client.get(API_PREFIX + path).headers["etag"]
        person = self._get("/persons", {"kind": "known"})["items"][0]
        return [
            Question("picture", path),
            Question("picture, small", path, {"size": "160"}),
            Question("picture, unchanged", path, headers={"If-None-Match": etag}),
            Question("face's picture", f"/persons/{person['id']}/faces/{person['face_id']}/image"),
        ]

    def _alerts_and_changes(self) -> list[Question]:
        statuses = [Question(f"alerts, {one}", "/alerts", {"status": one}) for one in AlertStatus]
        deep = self._get("/alerts", {"limit": "200"})["next_cursor"]
        return [
            Question("alerts, newest", "/alerts"),
            Question("alerts, second page", "/alerts", {"cursor": deep}),
            *statuses,
            Question("history", "/identity/changes"),
            Question("audit, of an action", "/audit", {"action": "person.create"}),
            Question("audit, of nobody's action", "/audit", {"action": "session.open"}),
            Question("audit, of somebody", "/audit", {"actor": "seed"}),
        ]

    def _visits(self) -> list[Question]:
        today = {"from": self._times["day"].isoformat(), "limit": "200"}
        return [
            Question(f"visits of a day, {kind}", "/visits", {**today, "kind": kind})
            for kind in PersonKind
        ]

    def _figures(self) -> list[Question]:
        return [
            Question("figures, ever", "/stats"),
            Question("figures, since yesterday", "/stats", _since(self._times["day"])),
            Question("figures, of two weeks", "/stats", _since(self._times["middle"])),
            Question("figures of identity", "/stats/identity"),
        ]

    def _others(self, named: Sequence[Question]) -> list[Question]:
        """Every other list that the API's own document names, so that none is forgotten."""
        asked = {question.path for question in named if not question.params}
        found = []
        for path, operations in self._document["paths"].items():
            short = path.removeprefix(API_PREFIX)
            if "get" in operations and "{" not in path and short not in asked | {"/events"}:
                found.append(Question(short, short, self._required(operations["get"])))
        return found

    def _required(self, operation: dict[str, Any]) -> dict[str, str]:
        """Values of the parameters that it does not go without: of a moment, the day's ends."""
        required = [it for it in operation.get("parameters", ()) if it["required"]]
        ends = {"from": "day", "since": "day", "to": "end"}
        return {
            it["name"]: _as_asked(self._times[ends[it["name"]]], it["schema"])
            for it in required
            if it["name"] in ends
        }

    def _posts(self) -> list[Question]:
        """What takes photographs, as the API's own document says: forms of pictures alone."""
        found = []
        for short in ("/identify", "/search", "/verify"):
            operation = self._document["paths"].get(API_PREFIX + short, {}).get("post")
            if operation is not None:
                form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]
                fields = tuple(name for name in form.get("required", ()))
                found.append(Question(short, short, method="POST", images=fields))
        return found

    def _get(self, path: str, params: dict[str, str] | None = None) -> Any:
        response = self._client.get(API_PREFIX + path, params=params)
        response.raise_for_status()
        return response.json()


def _as_asked(moment: datetime, schema: dict[str, Any]) -> str:
    return (moment.date() if schema.get("format") == "date" else moment).isoformat()


def _since(moment: datetime) -> dict[str, str]:
    return {"since": moment.isoformat()}


# ---- Measuring -----------------------------------------------------------------------------------


class Panel:
    """Asks questions: by the clock, and under the profiler."""

    def __init__(self, client: httpx2.Client, database: Database, photograph: bytes | None) -> None:
        self._client = client
        self._database = database
        self._photograph = photograph

    def ask(self, question: Question) -> httpx2.Response:
        """Ask once.

        Raises
        ------
        RuntimeError
            If the answer is an error: its time would mean nothing.
        """
        files = dict.fromkeys(question.images, ("photograph.jpg", self._photograph))
        response = self._client.request(
            question.method,
            API_PREFIX + question.path,
            params=question.params,
            headers=question.headers,
            files=files or None,
        )
        if response.status_code >= 400:
            raise RuntimeError(f"{question.name}: {response.status_code} {response.text[:300]}")
        return response

    def time(self, question: Question, rounds: int) -> tuple[list[float], int]:
        """Milliseconds of each round after a first one that does not count, and the body's size."""
        response = self.ask(question)
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            self.ask(question)
            times.append(1000 * (time.perf_counter() - start))
        return times, len(response.content)

    async def scans(self, questions: Sequence[Question]) -> dict[str, tuple[str, ...]]:
        """By question, the collections that its queries scanned, as the profiler saw them."""
        await self._database.command("profile", 0)
        await self._database["system.profile"].drop()
        await self._database.create_collection("system.profile", capped=True, size=_PROFILE_BYTES)
        await self._database.command("profile", 2)
        found = {}
        for question in questions:
            before = await self._profiled()
            await asyncio.to_thread(self.ask, question)
            rows = await self._rows(before)
            found[question.name] = tuple(_scanned(rows))
        await self._database.command("profile", 0)
        return found

    async def _profiled(self) -> int:
        return await self._database["system.profile"].estimated_document_count()

    async def _rows(self, skip: int) -> list[Document]:
        found = self._database["system.profile"].find().sort("$natural", 1).skip(skip)
        return await found.to_list()


def _scanned(rows: Sequence[Document]) -> list[str]:
    """What was scanned, each with what was looked for."""
    return [
        f"{row['ns'].partition('.')[2]}: {_asked(row)}"
        for row in rows
        if "COLLSCAN" in row.get("planSummary", "") and _is_a_query(row)
    ]


def _is_a_query(row: Document) -> bool:
    """Not the profile itself, and not a change stream, which reads the server's log."""
    collection = row["ns"].partition(".")[2]
    return not collection.startswith(("system.", "$cmd"))


def _asked(row: Document) -> str:
    command = row.get("command", {})
    command = row.get("originatingCommand", command)
    wanted = {name: command[name] for name in ("filter", "pipeline", "query") if name in command}
    return json.dumps(wanted, default=str)[:200]


async def measure(
    size: Size, rounds: int, photograph: bytes | None
) -> tuple[list[Answered], dict[str, float]]:
    """Seed, start, ask, and look at pages."""
    with tempfile.TemporaryDirectory(prefix="usher-bench-") as folder:
        data = Path(folder)
        async with EmbeddedServer(data / "mongodb") as server:
            uri = server.uri
            async with connected(uri, "panel") as database:
                await bootstrap(database)
                model = make_embedder(DLIB_CROPS).model_id
                start = time.perf_counter()
                await Seed(database, data / "crops", size, model).plant()
                _say(f"seeded in {time.perf_counter() - start:.0f} s")
                async with running_api(uri, "panel", data) as url:
                    return await _asked_all(database, url, rounds, photograph)


async def _asked_all(
    database: Database, url: str, rounds: int, photograph: bytes | None
) -> tuple[list[Answered], dict[str, float]]:
    with await signed_in(database, url) as client:
        panel = Panel(client, database, photograph)
        questions = Questions(client).all(photograph)
        times = {one.name: await asyncio.to_thread(panel.time, one, rounds) for one in questions}
        scans = await panel.scans(questions)
        shown = await shown_within(url, client.cookies[SESSION_COOKIE])
    answers = [
        Answered(name, median(spent), max(spent), size / 1000, scans[name])
        for name, (spent, size) in times.items()
    ]
    return answers, shown


async def shown_within(url: str, session: str) -> dict[str, float]:
    """By page, milliseconds from its address to its contents, in Chromium with an empty cache.

    Nothing where there is no Chromium.
    """
    browsers = (os.environ.get("USHER_TEST_CHROMIUM"), "chromium", "chromium-browser")
    program = next((found for one in browsers if one and (found := shutil.which(one))), None)
    if program is None:
        _say("no Chromium: how soon pages show something is not measured")
        return {}
    async with async_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = await playwright.chromium.launch(executable_path=program, args=options)
        times = {
            path: [await _shown(browser, url, path, selector, session) for _ in range(_LOADS)]
            for path, selector in _PAGES.items()
        }
        await browser.close()
    return {path: median(spent) for path, spent in times.items()}


async def _shown(browser: Browser, url: str, path: str, selector: str, session: str) -> float:
    async with await browser.new_context(base_url=url) as context:
        await context.add_cookies([{"name": SESSION_COOKIE, "value": session, "url": url}])
        page = await context.new_page()
        await page.goto(path, wait_until="commit")
        await page.locator(selector).first.wait_for()
        return float(await page.evaluate("performance.now()"))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def show(answers: Sequence[Answered], shown: Mapping[str, float]) -> None:
    """The table, and below it what was scanned."""
    print(f"{'':36}{'median ms':>10}{'slowest':>10}{'kB':>8}{'scans':>7}")
    for one in answers:
        print(
            f"{one.question:36}{one.median_ms:10.1f}{one.slowest_ms:10.1f}"
            f"{one.kilobytes:8.1f}{len(one.scans):7}"
        )
    for one in answers:
        for scan in one.scans:
            print(f"{one.question} scanned {scan}")
    for path, spent in shown.items():
        print(f"{path:36}{spent:10.0f} until it shows its contents")


def summary(
    size: Size, answers: Sequence[Answered], shown: Mapping[str, float]
) -> dict[str, object]:
    """What `--json` ends with."""
    return {
        "detections": size.detections,
        "persons": size.persons,
        "median_ms": {one.question: round(one.median_ms, 2) for one in answers},
        "slowest_median_ms": round(max(one.median_ms for one in answers), 2),
        "collection_scans": sum(len(one.scans) for one in answers),
        "shown_ms": {path: round(spent) for path, spent in shown.items()},
        "load_average": os.getloadavg(),
    }


def _a_photograph(folder: Path | None) -> bytes | None:
    folder = folder_of(folder)
    found = next(iter(sorted(folder.glob("*/*.jpg"))), None) if folder else None
    return found.read_bytes() if found else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--detections", type=int, default=100_000)
    parser.add_argument("--persons", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=15, help="requests of each, one by one")
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    size = Size(options.detections, options.persons)
    answers, shown = asyncio.run(measure(size, options.rounds, _a_photograph(options.data)))
    show(answers, shown)
    if options.json:
        print(json.dumps(summary(size, answers, shown)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
