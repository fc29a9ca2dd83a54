"""Schemathesis asks what the OpenAPI document allows and forbids: no answer breaks the document.

The API is a process of its own on a real database, asked as an admin, a device and a notifier.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from services.api.app import create_app
from services.api.contract import describe
from usher.domain.identifiers import new_id
from usher.domain.records import Role, User
from usher.settings import Settings
from usher.storage.access import Users
from usher.storage.database import Database, connected
from usher.wire import API_PREFIX, CSRF_HEADER, SESSION_COOKIE

from .conftest import serving, upload

schemathesis = pytest.importorskip("schemathesis")
from hypothesis import HealthCheck, Phase, settings  # noqa: E402 - comes with it

_EXAMPLES = 10
_FOR_MACHINES = {
    "/cameras/{camera_id}/report": "device_key",
    "/alerts/deliveries/claim": "notifier_key",
    "/alerts/deliveries/settle": "notifier_key",
}
_HARMLESS = {
    "/alerts/deliveries/claim": {"wait_s": 0},  # where nothing is due, it waits so long
    "/settings": {"identity_budget": None},  # with another one, the API ends and is started again
}
"""By path, what a body is not left to say."""
_ENDS_SESSION = {"/session", "/session/password"}
_ASKS_FOR_SECRETS = {*_ENDS_SESSION, "/pair"}
"""Here a refusal says that a made-up password or code is wrong."""

schema = schemathesis.openapi.from_dict(
    describe(create_app(Settings(), None).router)  # type: ignore[arg-type]
).include(path_regex=f"^{API_PREFIX}/(?!events)")
# Who asks is ours to say: left to itself it sends made-up keys, and is refused.
schema.config.generation.update(with_security_parameters=False)


@dataclass(frozen=True)
class Keys:
    """How to come in, and what is there: a session for what may end it, and one for the rest."""

    url: str
    device_key: str
    notifier_key: str
    admin: tuple[str, str]
    leaving: tuple[str, str]
    there: Mapping[str, str]

    def headers(self, path: str) -> dict[str, str]:
        if name := _FOR_MACHINES.get(path):
            return {"Authorization": f"Bearer {getattr(self, name)}"}
        token, csrf_token = self.leaving if path in _ENDS_SESSION else self.admin
        return {"Cookie": f"{SESSION_COOKIE}={token}", CSRF_HEADER: csrf_token}


@pytest.fixture(scope="module")
async def keys(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Keys]:
    """An API that is asked by nobody else: made-up passwords have it refuse this address."""
    async with serving(mongodb_uri, tmp_path_factory.mktemp("fuzzed")) as served:
        place = served.place
        async with connected(place.mongodb_uri, place.database) as database:
            admin, leaving = [await session(database) for _ in range(2)]
        keys = Keys(place.url, place.device_key, place.notifier_key, admin, leaving, {})
        yield replace(keys, there=await planted(keys))


async def planted(keys: Keys) -> dict[str, str]:
    """A person and a detection at a camera, by what paths call them."""
    async with httpx2.AsyncClient(base_url=keys.url + API_PREFIX) as client:
        by = keys.headers("/persons")
        person = await client.post("/persons", json={"name": "Alice"}, headers=by)
        client.headers["Authorization"] = f"Bearer {keys.device_key}"
        detection = await upload(client)
    return {
        "person_id": person.json()["id"],
        "detection_id": detection.json()["id"],
        "camera_id": "door",
    }


async def session(database: Database) -> tuple[str, str]:
    """The token of a new admin's session, and its CSRF token."""
    name = f"a{uuid.uuid4().hex}"
    user = User(id=new_id(), username=name, role=Role.ADMIN, password_hash="none")
    await Users(database).insert(user)
    token, csrf_token = uuid.uuid4().hex, uuid.uuid4().hex
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    await Users(database).open_session(token, user, csrf_token=csrf_token, expires_at=expires_at)
    return token, csrf_token


CHECKS = (
    schemathesis.checks.not_a_server_error,
    schemathesis.specs.openapi.checks.status_code_conformance,
    schemathesis.specs.openapi.checks.content_type_conformance,
    schemathesis.specs.openapi.checks.response_headers_conformance,
    schemathesis.specs.openapi.checks.response_schema_conformance,
)


# Parametrised, so that Schemathesis gives each test an id of its own: of those that share one, only
# one is run where tests run side by side.
@pytest.mark.parametrize("_", [""])
@schema.parametrize()
@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answer_keeps_to_the_document(case, keys: Keys, _: str) -> None:  # type: ignore[no-untyped-def]
    path = case.operation.path.removeprefix(API_PREFIX)
    if case.meta.generation.mode == "positive" and case.method != "DELETE":
        case.path_parameters = {
            name: keys.there.get(name, made_up) for name, made_up in case.path_parameters.items()
        }
        if path in _HARMLESS and isinstance(case.body, dict):
            case.body = {**case.body, **_HARMLESS[path]}
    response = case.call(base_url=keys.url, headers=keys.headers(path))
    case.validate_response(response, checks=CHECKS)
    assert response.status_code not in (401, 403) or path in _ASKS_FOR_SECRETS, response.text
