"""The application in this process, over one database that is emptied after each test."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from fastapi import FastAPI

from services.api import state as state_module
from services.api.app import create_app
from services.api.passwords import hash_password
from services.api.state import State
from usher.domain.identifiers import new_id
from usher.domain.records import Alert, Delivery, DeliveryKind, Device, Role, User
from usher.settings import Settings
from usher.storage.alert_rules import STRANGERS, AlertRules
from usher.storage.alerts import alert_document
from usher.storage.database import Database, connected
from usher.storage.documents import milliseconds
from usher.storage.schema import prepare
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.wire import API_PREFIX, CSRF_HEADER, IDEMPOTENCY_HEADER, SESSION_COOKIE

from . import pictures
from .processes import Place, command, wait_until_ready

PASSWORD = "correct horse battery"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PEOPLE = (Role.ADMIN, Role.MANAGER, Role.VIEWER)
MACHINES = (Role.DEVICE, Role.NOTIFIER)


@dataclass(frozen=True)
class Api:
    """The application with a client for each role."""

    app: FastAPI
    state: State
    database: Database
    crops: Path
    nobody: httpx2.AsyncClient
    clients: Mapping[Role, httpx2.AsyncClient]

    @property
    def admin(self) -> httpx2.AsyncClient:
        return self.clients[Role.ADMIN]

    @property
    def manager(self) -> httpx2.AsyncClient:
        return self.clients[Role.MANAGER]

    @property
    def viewer(self) -> httpx2.AsyncClient:
        return self.clients[Role.VIEWER]

    @property
    def device(self) -> httpx2.AsyncClient:
        return self.clients[Role.DEVICE]

    @property
    def notifier(self) -> httpx2.AsyncClient:
        return self.clients[Role.NOTIFIER]

    def client(self, **options: Any) -> httpx2.AsyncClient:
        """A client of its own; close it."""
        return _client(self.app, **options)

    async def device_for(self, *cameras: str) -> httpx2.AsyncClient:
        """A client with a detector's key for these cameras; close it."""
        body = {"name": f"for {cameras}", "cameras": cameras}
        response = await self.admin.post("/devices", json=body)
        assert response.status_code == 201, response.text
        return self.client(headers={"Authorization": f"Bearer {response.json()['key']}"})

    async def person(self, name: str | None = None) -> str:
        """A person's id: known where named, else a stranger who was seen once."""
        if name is not None:
            response = await self.manager.post("/persons", json={"name": name})
            return str(response.json()["id"])
        detection_id = await self.detection()
        return await self.assigned(detection_id)

    async def detection(self, seed: int = 0, **metadata: Any) -> str:
        """The id of a detection that a device uploaded."""
        response = await upload(self.device, image=pictures.jpeg(seed), **metadata)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def assigned(self, detection_id: str, person_id: str | None = None) -> str:
        """Give a detection to a person, or to a new one; whose it is now."""
        body = {"person_id": person_id} if person_id else {"new_person": True}
        response = await self.manager.post(f"/detections/{detection_id}/assign", json=body)
        assert response.status_code == 200, response.text
        return str(response.json()["person"]["id"])

    async def alert(self, person_id: str, **changes: Any) -> str:
        """The id of an alert that is due for the chat, as the classifier writes it."""
        visit_id = new_id()
        delivery = Delivery(
            id=new_id(),
            kind=DeliveryKind.ALERT,
            channel="chat",
            address="@ann",
            not_before=NOON,
        )
        fields = {
            "camera_id": "door",
            "detection_id": new_id(),
            "captured_at": NOON,
            "created_at": NOON,
            "deliveries": (delivery,),
            **changes,
        }
        alert = Alert(id=new_id(), visit_id=visit_id, person_id=person_id, **fields)
        await self.database["alerts"].insert_one(alert_document(alert))
        return alert.id

    def crop_files(self) -> list[Path]:
        return [path for path in self.crops.rglob("*") if path.is_file()]

    async def counts(self) -> dict[str, int]:
        """How much there is of what an upload may leave behind."""
        kept = ("detections", "persons", "faces", "cameras", "visits", "alerts")
        found = {name: await self.database[name].count_documents({}) for name in kept}
        return {**found, "crops": len(self.crop_files())}


async def upload(
    client: httpx2.AsyncClient,
    *,
    image: bytes | None = None,
    key: str | None = None,
    filename: str = "crop.jpg",
    content_type: str = "image/jpeg",
    **metadata: Any,
) -> httpx2.Response:
    """Post a crop as a detector does. `box=None` leaves the face to be found."""
    fields = {
        "camera_id": "door",
        "captured_at": NOON.isoformat(),
        "box": pictures.BOX,
        **metadata,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return await client.post(
        "/detections",
        headers={IDEMPOTENCY_HEADER: key or uuid.uuid4().hex},
        files={"image": (filename, image or pictures.jpeg(), content_type)},
        data={"metadata": json.dumps(given)},
    )


async def send_photo(client: httpx2.AsyncClient, path: str, photo: bytes) -> httpx2.Response:
    return await client.post(path, files={"image": ("photo", photo, "image/jpeg")})


def check_problem(response: httpx2.Response, status: int, code: str | None = None) -> str:
    """Hold a response to be this problem; its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["type"] == "about:blank"
    assert body["title"] and body["detail"]
    assert "Traceback" not in body["detail"]
    assert code is None or body["code"] == code
    return str(body["detail"])


@pytest.fixture(scope="session")
def pipeline() -> FacePipeline:
    return make_pipeline()


@pytest.fixture(scope="session")
async def password_hash() -> str:
    return await hash_password(PASSWORD)


@pytest.fixture(scope="session")
async def _prepared(mongodb_uri: str) -> AsyncIterator[Database]:
    name = f"test_{uuid.uuid4().hex}"
    async with connected(mongodb_uri, name) as database:
        await prepare(database)
        yield database
    # Anew: that connection may have slept while tests blocked the event loop, and be given up.
    async with connected(mongodb_uri, name) as database:
        await database.client.drop_database(name)


@pytest.fixture
async def database(_prepared: Database) -> AsyncIterator[Database]:
    """A database with its schema and nothing else: making a new one takes longer than a test."""
    yield _prepared
    kept = {"settings", "leases"}
    names = [name for name in await _prepared.list_collection_names() if name not in kept]
    await asyncio.gather(*(_prepared[name].delete_many({}) for name in names))
    await AlertRules(_prepared).save(STRANGERS)
    await _prepared["settings"].delete_one({"_id": "operating"})
    # Without an account of what changed: whoever holds people in memory reads them all anew.
    await _prepared["settings"].update_one({"_id": "gallery"}, {"$inc": {"version": 1}})


@pytest.fixture(scope="session")
async def _shared(
    _prepared: Database, pipeline: FacePipeline, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FastAPI]:
    async with _started(_prepared, pipeline, tmp_path_factory.mktemp("shared")) as app:
        yield app


@pytest.fixture
async def api(_shared: FastAPI, database: Database, password_hash: str) -> AsyncIterator[Api]:
    """An application that others use after this test: what is stored is emptied, no more."""
    async with _signed_in(_shared, database, password_hash) as api:
        yield api
    api.state.sightings._noted.clear()
    for directory in (api.crops, api.state.settings.data / "frames"):
        shutil.rmtree(directory)
        directory.mkdir(mode=0o700)


@pytest.fixture
async def own_api(
    database: Database, pipeline: FacePipeline, password_hash: str, tmp_path: Path
) -> AsyncIterator[Api]:
    """An application that the test may change or close."""
    async with (
        _started(database, pipeline, tmp_path) as app,
        _signed_in(app, database, password_hash) as api,
    ):
        yield api


@asynccontextmanager
async def _started(
    database: Database, pipeline: FacePipeline, data: Path
) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(data=data, admin_dist=data / "dist"), database)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "make_pipeline", lambda *_: pipeline)
        async with app.router.lifespan_context(app):
            yield app


@asynccontextmanager
async def _signed_in(app: FastAPI, database: Database, password_hash: str) -> AsyncIterator[Api]:
    state: State = app.state.usher
    clients = dict(await asyncio.gather(*_sign_in_all(app, state, password_hash)))
    async with _client(app) as nobody:
        yield Api(app, state, database, state.settings.data / "crops", nobody, clients)
    await asyncio.gather(*(client.aclose() for client in clients.values()))


def _client(app: FastAPI, **options: Any) -> httpx2.AsyncClient:
    raises = options.pop("raise_app_exceptions", True)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=raises)
    base_url = f"http://usher.test{API_PREFIX}"
    return httpx2.AsyncClient(transport=transport, base_url=base_url, timeout=30, **options)


def _sign_in_all(app: FastAPI, state: State, password_hash: str) -> Iterator[Any]:
    for role in PEOPLE:
        yield _person_client(app, state, role, password_hash)
    for role in MACHINES:
        yield _machine_client(app, state, role)


async def _person_client(
    app: FastAPI, state: State, role: Role, password_hash: str
) -> tuple[Role, httpx2.AsyncClient]:
    user = User(id=new_id(), username=role.value, role=role, password_hash=password_hash)
    await state.users.insert(user)
    return role, await signed_in(app, state, user)


async def signed_in(
    app: FastAPI, state: State, user: User, *, for_s: float = 3600
) -> httpx2.AsyncClient:
    """A client with a session of that user."""
    token, csrf_token = uuid.uuid4().hex, uuid.uuid4().hex
    expires_at = datetime.now(UTC) + timedelta(seconds=for_s)
    await state.users.open_session(token, user, csrf_token=csrf_token, expires_at=expires_at)
    return _client(app, cookies={SESSION_COOKIE: token}, headers={CSRF_HEADER: csrf_token})


async def _machine_client(
    app: FastAPI, state: State, role: Role
) -> tuple[Role, httpx2.AsyncClient]:
    key = uuid.uuid4().hex
    now = milliseconds(datetime.now(UTC))
    await state.devices.insert(Device(id=new_id(), name=role, role=role, created_at=now), key)
    return role, _client(app, headers={"Authorization": f"Bearer {key}"})


@pytest.fixture(scope="session")
async def place(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """Room for one API process at a time."""
    place = Place.new(mongodb_uri, tmp_path_factory.mktemp("place"))
    yield place
    async with connected(mongodb_uri, place.database) as database:
        await database.client.drop_database(place.database)
    shutil.rmtree(place.data)


@dataclass(frozen=True)
class Served:
    """An `usher api` that runs, to be weighed and streamed to."""

    place: Place
    process: psutil.Process


@pytest.fixture(scope="session")
async def served(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Served]:
    async with serving(mongodb_uri, tmp_path_factory.mktemp("served")) as served:
        yield served


@asynccontextmanager
async def serving(mongodb_uri: str, folder: Path) -> AsyncIterator[Served]:
    """An `usher api` of one's own, on a database that goes with it."""
    place = Place.new(mongodb_uri, folder)
    with command(place) as process:
        wait_until_ready(place, process)
        yield Served(place, psutil.Process(process.pid))
    async with connected(mongodb_uri, place.database) as database:
        await database.client.drop_database(place.database)
