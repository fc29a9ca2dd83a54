from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from services.api.app import create_app
from services.api.dependencies import READERS, Policy
from usher.domain.records import Role
from usher.settings import Settings
from usher.wire import API_PREFIX

from .conftest import MACHINES, PEOPLE, Api, check_problem, send_photo, upload

Route = tuple[str, str]

OPEN = {("POST", "/session"), ("POST", "/pair"), ("GET", "/alerts/pictures/{detection_id}")}
"""Whoever comes here has no session and no key yet; guessing is throttled."""
PLACEHOLDER = re.compile(r"\{[a-z_]+\}")

MAY = {
    "GET /session": "admin manager viewer, in person",
    "DELETE /session": "admin manager viewer, in person",
    "POST /session/password": "admin manager viewer, in person",
    "POST /detections": "admin manager device",
    "GET /detections": "admin manager viewer notifier",
    "GET /detections/{detection_id}": "admin manager viewer notifier",
    "GET /detections/{detection_id}/image": "admin manager viewer notifier",
    "POST /detections/{detection_id}/assign": "admin manager",
    "POST /detections/{detection_id}/reject": "admin manager",
    "POST /detections/{detection_id}/retry": "admin manager",
    "GET /persons": "admin manager viewer notifier",
    "POST /persons": "admin manager",
    "GET /persons/{person_id}": "admin manager viewer notifier",
    "PATCH /persons/{person_id}": "admin manager",
    "DELETE /persons/{person_id}": "admin manager",
    "POST /persons/{person_id}/merge": "admin manager",
    "POST /persons/{person_id}/split": "admin manager",
    "GET /persons/{person_id}/faces": "admin manager viewer notifier",
    "POST /persons/{person_id}/videos": "admin manager",
    "POST /persons/{person_id}/faces": "admin manager",
    "DELETE /persons/{person_id}/faces/{face_id}": "admin manager",
    "GET /persons/{person_id}/faces/{face_id}/image": "admin manager viewer notifier",
    "GET /identity/changes": "admin manager viewer notifier",
    "POST /identity/undo": "admin manager",
    "POST /identify": "admin manager",
    "POST /search": "admin manager",
    "POST /verify": "admin manager",
    "GET /visits": "admin manager viewer notifier",
    "GET /attendance": "admin manager viewer",
    "GET /persons/classes": "admin manager viewer notifier",
    "GET /persons/{person_id}/export": "admin manager",
    "GET /persons/{person_id}/visits": "admin manager viewer notifier",
    "GET /alerts": "admin manager viewer notifier",
    "POST /alerts/{alert_id}/answer": "admin manager",
    "POST /alerts/{alert_id}/retry": "admin manager",
    "POST /alerts/mute": "admin manager",
    "POST /alerts/deliveries/claim": "notifier",
    "POST /alerts/deliveries/settle": "notifier",
    "GET /alert-rules": "admin manager",
    "POST /alert-rules": "admin",
    "PUT /alert-rules/{rule_id}": "admin",
    "DELETE /alert-rules/{rule_id}": "admin",
    "POST /alert-rules/preview": "admin",
    "GET /cameras": "admin manager viewer notifier",
    "PATCH /cameras/{camera_id}": "admin manager",
    "DELETE /cameras/{camera_id}": "admin manager",
    "POST /cameras/{camera_id}/report": "device",
    "GET /cameras/{camera_id}/frame": "admin manager viewer notifier",
    "GET /devices": "admin manager",
    "POST /devices": "admin, in person",
    "DELETE /devices/{device_id}": "admin",
    "POST /pairing-codes": "admin, in person",
    "GET /pairing-codes/{code_id}": "admin",
    "GET /users": "admin, in person",
    "POST /users": "admin, in person",
    "PATCH /users/{user_id}": "admin, in person",
    "DELETE /users/{user_id}": "admin, in person",
    "POST /users/{user_id}/password": "admin, in person",
    "GET /tokens": "admin manager viewer, in person",
    "POST /tokens": "admin manager viewer, in person",
    "DELETE /tokens/{token_id}": "admin manager viewer, in person",
    "GET /settings": "admin manager",
    "PATCH /settings": "admin",
    "GET /settings/retention": "admin",
    "GET /system": "admin",
    "GET /audit": "admin",
    "GET /audit/chain": "admin",
    "GET /events": "admin manager viewer",
    "GET /stats": "admin manager viewer notifier",
    "GET /stats/identity": "admin manager viewer notifier",
    "GET /openapi.json": "admin manager viewer notifier",
}
"""Who may do what: a new route gets its row here, and a changed policy changes one.

A token of a role may what the role may, but for what is done in person.
"""
IN_PERSON = ", in person"


def allowed(row: str) -> tuple[set[Role], bool]:
    """The roles of a row of the table, and whether they have to come in person."""
    return {Role(name) for name in row.removesuffix(IN_PERSON).split()}, row.endswith(IN_PERSON)


def policies(app: FastAPI) -> dict[Route, list[Policy]]:
    """The policies of every route of the API, by method and path below its prefix."""
    found: dict[Route, list[Policy]] = {}
    for route in iter_route_contexts(app.router.routes):
        if route.path is None or not route.path.startswith(API_PREFIX):
            continue
        for method in route.methods or set():
            path = route.path.removeprefix(API_PREFIX)
            # The same one may be named twice: where the route asks who it is, too.
            found[method, path] = list(dict.fromkeys(_policies_of(route.dependant)))
    return found


def _policies_of(dependant: Dependant) -> Iterator[Policy]:
    if isinstance(dependant.call, Policy):
        yield dependant.call
    for part in dependant.dependencies:
        yield from _policies_of(part)


def without_policy(app: FastAPI) -> list[Route]:
    """Routes that would let anybody in, or of which nobody can say whom."""
    return [
        route for route, found in policies(app).items() if len(found) != 1 and route not in OPEN
    ]


async def test_every_route_has_one_policy(api: Api) -> None:
    assert len(policies(api.app)) >= len(MAY)
    assert without_policy(api.app) == []


@pytest.mark.parametrize("dependencies", [[], [Depends(READERS), Depends(Policy(Role.DEVICE))]])
async def test_route_is_noticed_when_it_has_no_policy_or_two(
    own_api: Api, dependencies: list[Any]
) -> None:
    @own_api.app.get(f"{API_PREFIX}/open", dependencies=dependencies)
    async def unguarded() -> None: ...

    assert without_policy(own_api.app) == [("GET", "/open")]


async def test_policies_are_those_of_the_table(api: Api) -> None:
    found = {
        f"{method} {path}": (set(policy.roles), policy.in_person)
        for (method, path), route_policies in policies(api.app).items()
        for policy in route_policies
    }
    assert found == {route: allowed(row) for route, row in MAY.items()}


async def test_device_may_upload_and_report_and_nothing_else(api: Api) -> None:
    found = [route for route, row in MAY.items() if Role.DEVICE in allowed(row)[0]]
    assert found == ["POST /detections", "POST /cameras/{camera_id}/report"]


@pytest.mark.parametrize("role", [None, *PEOPLE, *MACHINES])
async def test_every_route_lets_in_only_whom_its_policy_says(
    own_api: Api, role: Role | None
) -> None:
    own_api.state.hub.close()  # or the event stream would not end
    client = own_api.nobody if role is None else own_api.clients[role]
    routes = sorted(
        policies(own_api.app).items(), key=lambda item: item[0] == ("DELETE", "/session")
    )
    for (method, path), (*found,) in routes:
        if (method, path) in OPEN:
            continue
        url = PLACEHOLDER.sub("none", path)
        response = await client.request(method, url)
        if role is None:
            check_problem(response, 401, "NotAuthenticated")
            assert response.headers["www-authenticate"] == "Bearer"
        elif role not in found[0].roles:
            check_problem(response, 403, "PermissionDenied")
        else:
            assert response.status_code not in (401, 403), (method, path, response.text)


@pytest.mark.parametrize("role", PEOPLE)
async def test_every_route_lets_a_token_in_as_its_policy_says(own_api: Api, role: Role) -> None:
    own_api.state.hub.close()
    body = {"name": "till", "role": role.value}
    key = (await own_api.clients[role].post("/tokens", json=body)).json()["key"]
    async with own_api.client(headers={"Authorization": f"Bearer {key}"}) as client:
        for route, row in MAY.items():
            method, path = route.split()
            response = await client.request(method, PLACEHOLDER.sub("none", path))
            roles, in_person = allowed(row)
            if role not in roles or in_person:
                check_problem(response, 403, "PermissionDenied")
            else:
                assert response.status_code not in (401, 403), (route, response.text)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_health_is_open_to_all(api: Api, path: str) -> None:
    assert (await api.nobody.get(f"http://usher.test{path}")).status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/api/openapi.json"])
async def test_documentation_is_nowhere_without_signing_in(api: Api, path: str) -> None:
    response = await api.nobody.get(f"http://usher.test{path}")
    assert response.status_code == 404
    assert "openapi" not in response.text.lower().replace(path, "")


# ---- What leaves the API -------------------------------------------------------------------------

FORBIDDEN = re.compile(r"vector|embedding|descriptor|distance|score|similarity|hash|password")
# A new user's password is shown once, as a device's key is.
MAY_STAND_IN_REQUESTS = {"score", "password", "current_password", "new_password"}


def keys_of(body: Any) -> Iterator[str]:
    if isinstance(body, dict):
        for key, value in body.items():
            yield key
            yield from keys_of(value)
    elif isinstance(body, list):
        for item in body:
            yield from keys_of(item)


async def test_schema_names_no_vector_and_no_distance(api: Api) -> None:
    schema = (await api.viewer.get("/openapi.json")).json()
    models = schema["components"]["schemas"]
    assert {"Detection", "Person", "IdentifiedFace"} <= set(models)
    named = {
        (model, name)
        for model, content in models.items()
        for name in content.get("properties", {})
        if FORBIDDEN.search(name)
    }
    assert {name for _, name in named} <= MAY_STAND_IN_REQUESTS
    answered = {
        reference.rsplit("/", 1)[1]
        for path in schema["paths"].values()
        for operation in path.values()
        for reference in re.findall(r'"\$ref": "([^"]+)"', _as_text(operation["responses"]))
    }
    assert {model for model, _ in named} & answered <= {"UserCreated"}


async def test_schema_holds_everything_that_it_refers_to(api: Api) -> None:
    schema = (await api.viewer.get("/openapi.json")).json()
    referred = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', _as_text(schema)))
    assert {"CameraReport", "DetectionMetadata", "FramePlace", "CameraRates"} <= referred
    assert referred <= set(schema["components"]["schemas"])


def _as_text(body: Any) -> str:
    return httpx2.Response(200, json=body).text.replace('"$ref":"', '"$ref": "')


async def test_responses_hold_no_vector_and_no_distance(
    api: Api, test_data: Any, enrolled: str
) -> None:
    photo = (test_data / "enrol" / "barack-obama" / "1.jpg").read_bytes()
    uploaded = await upload(api.device, image=photo, box=None)
    assert uploaded.status_code == 201, uploaded.text
    stranger = await api.assigned(uploaded.json()["id"])
    await api.alert(stranger)
    responses = [
        uploaded,
        await send_photo(api.manager, "/identify", photo),
        await api.notifier.post("/alerts/deliveries/claim", json={"channels": ["chat"]}),
        await api.viewer.get(f"/persons/{enrolled}/faces"),
        *[
            await api.admin.get(path)
            for path in (
                "/detections",
                "/persons",
                "/alerts",
                "/cameras",
                "/devices",
                "/stats",
                "/stats/identity",
                "/identity/changes",
            )
        ],
    ]
    faces = responses[1].json()["faces"]
    assert [face["person"]["id"] for face in faces] == [enrolled]
    assert faces[0]["confidence"] in ("high", "medium", "low")
    for response in responses:
        assert response.is_success, response.text
        assert not [key for key in keys_of(response.json()) if FORBIDDEN.search(key)]


@pytest.fixture
async def enrolled(api: Api, test_data: Any) -> str:
    """Barack Obama's id, of whom one photograph is enrolled."""
    person_id = await api.person("Barack Obama")
    photo = (test_data / "enrol" / "barack-obama" / "1.jpg").read_bytes()
    response = await send_photo(api.manager, f"/persons/{person_id}/faces", photo)
    assert response.status_code == 201, response.text
    return person_id


# ---- User strings --------------------------------------------------------------------------------

PATHS = ["..%2f..%2fetc%2fpasswd", "%2e%2e", "a%2fb", "..%5c..", "%00", "a%0d%0aX-Evil:%201", "%ff"]


@pytest.mark.parametrize("text", PATHS)
async def test_strings_in_a_path_find_nothing_when_they_look_like_paths(
    api: Api, text: str
) -> None:
    for path in (
        "/persons/{}",
        "/persons/{}/faces",
        "/persons/p-1/faces/{}/image",
        "/detections/{}",
        "/detections/{}/image",
        "/cameras/{}/frame",
    ):
        response = await api.admin.get(_raw(path.format(text)))
        check_problem(response, 404)
        assert "x-evil" not in response.headers
    for path in ("/persons/{}", "/devices/{}", "/cameras/{}"):
        response = await api.admin.delete(_raw(path.format(text)))
        assert response.status_code in (404, 405)


def _raw(path: str) -> httpx2.URL:
    """The address as it is, percent signs and all."""
    return httpx2.URL(f"http://usher.test{API_PREFIX}{path}")


async def test_names_stay_text_when_they_look_like_something_else(api: Api) -> None:
    name = "../<script>alert(1)</script> {$ne: 1} %0d%0aX: y"
    person_id = await api.person(name)
    response = await api.viewer.get(f"/persons/{person_id}")
    assert response.json()["name"] == name
    assert response.headers["content-type"] == "application/json"
    assert "x" not in response.headers
    assert api.crop_files() == []


# ---- Malformed requests --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "content_type", "status", "says"),
    [
        (b"{", "application/json", 422, "the body is not JSON: "),
        (b'{"name": "\xff"}', "application/json", 400, "the body is not UTF-8"),
        (b'{"name": "Ada"}', "text/plain", 422, "a JSON object, sent with `Content-Type: "),
        (b"[1]", "application/json", 422, "a JSON object, sent with `Content-Type: "),
        (b'{"name": " "}', "application/json", 422, "body.name: String should have at least 1"),
    ],
)
async def test_body_that_cannot_be_read_is_answered_by_what_to_send(
    api: Api, content: bytes, content_type: str, status: int, says: str
) -> None:
    headers = {"content-type": content_type}
    response = await api.admin.post("/persons", content=content, headers=headers)
    assert says in check_problem(response, status)


async def test_moment_whose_plus_became_a_space_is_answered_by_how_to_write_it(api: Api) -> None:
    response = await api.admin.get("/stats?since=2026-11-01T00:00:00+01:00")
    assert "is written `%2B`" in check_problem(response, 422)


@pytest.mark.parametrize(
    "name", ["a\0b", "a\nb", "a\tb", "\u202eecilA", "Ada\u2066", "a\u2028b", "a\x85b"]
)
async def test_name_that_looks_like_another_one_is_refused(api: Api, name: str) -> None:
    for path, body in (
        ("/persons", {"name": name}),
        ("/persons", {"name": "Ada", "class": name}),
        ("/users", {"username": name}),
        ("/alert-rules", {"name": name, "to": ["@ann"]}),
    ):
        response = await api.admin.post(path, json=body)
        assert "characters that nobody sees" in check_problem(response, 422), path


@pytest.mark.parametrize(
    "name", ["José Ñandú", "李雷", "אדה\u200f", "\U0001f469\u200d\U0001f52c Ada", " Ada\n"]
)
async def test_name_in_any_writing_is_taken(api: Api, name: str) -> None:
    created = await api.admin.post("/persons", json={"name": name})
    assert created.json()["name"] == name.strip()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/", 404),
        ("PUT", "/persons", 405),
        ("DELETE", "/detections", 405),
        ("GET", "/identify", 404),
    ],
)
async def test_address_is_answered_by_a_problem_when_there_is_nothing(
    api: Api, method: str, path: str, status: int
) -> None:
    response = await api.admin.request(method, path)
    detail = check_problem(response, status)
    assert ("allow" in response.headers) == (status == 405)
    assert (response.headers.get("allow", "nothing")) in detail


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff",
        b'{"name": "\\ud800"}',
        b'{"name": "Ada", "more": 1}',
        b'{"name": "   "}',
        b'{"name": 1}',
        b'{"name": {"$gt": ""}}',
        b'{"name": "' + b"a" * 121 + b'"}',
        b"[" * 60_000,
        b'{"name": ' + b"1" * 60_000 + b"}",
    ],
)
async def test_json_is_refused_when_it_is_wrong(api: Api, content: bytes) -> None:
    headers = {"content-type": "application/json"}
    response = await api.admin.post("/persons", headers=headers, content=content)
    assert response.status_code in (400, 422)
    check_problem(response, response.status_code)


async def test_json_is_refused_when_its_type_says_something_else(api: Api) -> None:
    headers = {"content-type": "text/plain"}
    response = await api.admin.post("/persons", headers=headers, content=b'{"name": "Ada"}')
    check_problem(response, 422)


async def test_application_loads_nothing_before_it_starts(tmp_path: Any, database: Any) -> None:
    app = create_app(Settings(data=tmp_path, admin_dist=tmp_path), database)
    assert not hasattr(app.state, "usher")
    assert list(tmp_path.iterdir()) == []
