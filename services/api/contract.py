"""The OpenAPI document of version 1: what FastAPI derives, and what integrators need besides.

Each operation has a name that a generated client can use, says in a sentence what it does and who
may do it, and names every error that it answers, as problem details.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic.json_schema import models_json_schema

from services.api.dependencies import Policy
from services.api.examples import EXAMPLES
from usher import __version__, wire
from usher.wire import SESSION_COOKIE

Json = dict[str, Any]

PROBLEM_TYPE = "application/problem+json"
_ABOUT = """
People sign in with `POST /session` and send the session's `csrf_token` as `X-CSRF-Token` with every
changing request; machines send a key as `Authorization: Bearer`. Errors are problem details
(RFC 9457) whose `code` is stable; a query parameter that does not exist is one. Times are ISO 8601
with an offset, and come in UTC.

Lists that grow come newest first, a page at a time: send `next_cursor` back as `cursor`. Short ones
(alert rules, cameras, classes, devices, tokens, users, and the faces of a person) come whole: they
take no `cursor`, and their `next_cursor` is null.

A request whose answer was lost can be sent again. What adds persons, photographs or alert rules
takes an `Idempotency-Key` for that, and a repeat answers 200 with what the first one made; an
upload of a detection has to have one. What shows a secret once (users, tokens, devices and pairing
codes) takes none, since the secret is kept nowhere: remove what was made, and make another.
""".strip()
_SCHEMES: Json = {
    "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
    "key": {"type": "http", "scheme": "bearer"},
}
_REASONS: Mapping[HTTPStatus, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("InvalidInput", "What was sent cannot be used."),
    HTTPStatus.UNAUTHORIZED: ("NotAuthenticated", "Nobody is signed in, or the key is not known."),
    HTTPStatus.FORBIDDEN: ("PermissionDenied", "Whoever asks may not do that."),
    HTTPStatus.NOT_FOUND: ("NotFound", "There is no such thing."),
    HTTPStatus.CONFLICT: ("Conflict", "The state of things forbids it."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("TooLarge", "The body is over its cap."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("UnsupportedImage", "The body is of another type."),
    HTTPStatus.UNPROCESSABLE_ENTITY: ("InvalidInput", "What was sent is not as it should be."),
    HTTPStatus.TOO_MANY_REQUESTS: ("TooManyRequests", "Too often: wait for `Retry-After`."),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Unavailable", "Something is away: try again in a moment."),
}
_WITH_PAUSE = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """What a client calls an operation: its topic and what it does, as `detections_upload`."""
    topic = str(route.tags[0]) if route.tags else "usher"
    return f"{topic}_{route.name}".replace("-", "_")


def describe(router: APIRouter) -> Json:
    """The OpenAPI document of a router, also of what comes as text within a form."""
    document = get_openapi(
        title="Usher", version=__version__, description=_ABOUT, routes=router.routes
    )
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.update(_schemas_beside_routes())
    for name in _FASTAPIS_OWN:
        schemas.pop(name, None)
    _add_examples(schemas)
    components["securitySchemes"] = _SCHEMES
    policies = dict(_policies(router))
    for path, method, operation in operations(document):
        _complete(operation, path, method, policies.get((path, method)))
    return document


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method and description of each operation of a document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _schemas_beside_routes() -> Json:
    """What comes as text in a form, and problem details."""
    _, found = models_json_schema(
        [
            (wire.DetectionMetadata, "validation"),
            (wire.CameraReport, "validation"),
            (wire.Problem, "serialization"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    definitions: Json = found["$defs"]
    return definitions


def _add_examples(schemas: Json) -> None:
    for name, example in EXAMPLES.items():
        if name in schemas:
            schemas[name]["examples"] = [example]
        if f"Page_{name}_" in schemas:
            schemas[f"Page_{name}_"]["examples"] = [{"items": [example], "next_cursor": None}]


def _policies(router: APIRouter) -> Iterator[tuple[tuple[str, str], Policy]]:
    """By path and method, who may do it."""
    for route in iter_route_contexts(router.routes):
        if not isinstance(route.original_route, APIRoute):
            continue
        for policy in _policies_of(route.dependant):
            for one in route.methods or ():
                yield (str(route.path_format), one.lower()), policy


def _policies_of(dependant: Dependant) -> Iterator[Policy]:
    if isinstance(dependant.call, Policy):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from _policies_of(inner)


def _complete(operation: Json, path: str, method: str, policy: Policy | None) -> None:
    description = operation.get("description", "")
    operation["summary"] = _first_sentence(description) or operation["summary"]
    operation["security"] = [{name: []} for name in _SCHEMES] if policy else []
    if policy:
        roles = ", ".join(sorted(policy.roles))
        operation["description"] = f"{description}\n\nFor: {roles}.".strip()
    problems = _problems(operation, path, method, is_open=policy is None)
    for status in sorted(problems):
        operation["responses"][str(status.value)] = _problem(status)


def _first_sentence(text: str) -> str:
    paragraph = " ".join(text.partition("\n\n")[0].split())
    return paragraph.partition(". ")[0].removesuffix(".")


def _problems(operation: Json, path: str, method: str, *, is_open: bool) -> Iterable[HTTPStatus]:
    """The errors that an operation can answer."""
    body = operation.get("requestBody", {}).get("content", {})
    found = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
    if not is_open or body:
        found |= {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if body or operation.get("parameters"):
        found |= {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
    if "{" in path or method != "get":
        found |= {HTTPStatus.NOT_FOUND}
    if method != "get":
        found |= {HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
    if "multipart/form-data" in body:
        found |= {HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
    return found


def _problem(status: HTTPStatus) -> Json:
    code, reason = _REASONS[status]
    example = wire.Problem(title=status.phrase, status=status, detail=reason, code=code)
    content = {
        "schema": {"$ref": "#/components/schemas/Problem"},
        "example": example.model_dump(mode="json"),
    }
    described: Json = {"description": reason, "content": {PROBLEM_TYPE: content}}
    if status in _WITH_PAUSE:
        described["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait.",
                "schema": {"type": "string", "pattern": "^[0-9]+$"},
            }
        }
    return described
