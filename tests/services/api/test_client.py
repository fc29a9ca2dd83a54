"""The typed client beside the routes: it has each of them, and asks as the document says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import date
from typing import Any, get_type_hints

import httpx2
import pytest
from pydantic import BaseModel

from services.api.app import create_app
from services.api.contract import describe, operations
from services.api.examples import EXAMPLES
from usher import wire
from usher.client import Event, UsherClient
from usher.domain.errors import NotAuthenticated, UsherError
from usher.settings import Settings
from usher.wire import API_PREFIX

NO_ROUTES = {"close", "is_ready"}
"""Methods that ask nothing below the API's prefix."""


def routes() -> set[tuple[str, str]]:
    """Method and path of every route below the API's prefix."""
    document = describe(create_app(Settings(), None).router)  # type: ignore[arg-type]
    return {
        (method.upper(), path.removeprefix(API_PREFIX))
        for path, method, _ in operations(document)
        if path.startswith(API_PREFIX)
    }


def asked() -> dict[str, str]:
    """By each method of the client, called with examples, the request that it makes."""
    requests: list[httpx2.Request] = []

    def refuse(request: httpx2.Request) -> httpx2.Response:
        requests.append(request)
        return httpx2.Response(401)

    with UsherClient("http://api.invalid", transport=httpx2.MockTransport(refuse)) as client:
        for name in methods():
            method = getattr(client, name)
            with pytest.raises(NotAuthenticated):
                found = method(**dict(arguments(method)))
                list(found if isinstance(found, Iterator) else ())
    paths = [f"{one.method} {one.url.path.removeprefix(API_PREFIX)}" for one in requests]
    return dict(zip(methods(), paths, strict=True))


def arguments(method: Any) -> Iterator[tuple[str, Any]]:
    """An example for each argument that a method does not go without."""
    hints = get_type_hints(method)
    for name, parameter in inspect.signature(method).parameters.items():
        required = parameter.default is parameter.empty and parameter.kind != parameter.VAR_KEYWORD
        if required:
            yield name, example(hints[name])


def example(kind: type) -> Any:
    if issubclass(kind, BaseModel):
        return kind.model_validate(EXAMPLES[kind.__name__])
    return {str: "none", bytes: b"none", int: 0, date: date(2026, 11, 22)}[kind]


def methods() -> list[str]:
    named = inspect.getmembers(UsherClient, inspect.isfunction)
    return [name for name, _ in named if not name.startswith("_") and name not in NO_ROUTES]


def template(route: tuple[str, str]) -> re.Pattern[str]:
    method, path = route
    return re.compile(f"{method} " + re.sub(r"\{[a-z_]+\}", "[^/]+", path))


def test_client_has_every_route_and_no_other() -> None:
    requests, templates = asked(), {route: template(route) for route in routes()}
    missing = {
        route
        for route, pattern in templates.items()
        if not any(map(pattern.fullmatch, requests.values()))
    }
    assert missing == set()
    unknown = {
        name
        for name, request in requests.items()
        if not any(pattern.fullmatch(request) for pattern in templates.values())
    }
    assert unknown == set()


def test_events_are_read_as_bodies_when_the_api_sends_them() -> None:
    detection = wire.Detection.model_validate(EXAMPLES["Detection"])
    stream = (
        ": keep-alive\n\n"
        f"event: detection\ndata: {detection.model_dump_json()}\n\n"
        "event: of_a_newer_api\ndata: {}\n\n"
        'event: camera_removed\ndata: {"id": "door"}\n\n'
    )
    answer = httpx2.Response(200, text=stream)
    transport = httpx2.MockTransport(lambda _: answer)
    with UsherClient("http://api.invalid", transport=transport) as client:
        assert list(client.events()) == [
            Event("detection", detection),
            Event("camera_removed", wire.CameraRemoved(id="door")),
        ]


def test_events_raise_what_the_api_refuses_with() -> None:
    transport = httpx2.MockTransport(lambda _: httpx2.Response(403))
    with (
        UsherClient("http://api.invalid", transport=transport) as client,
        pytest.raises(UsherError, match="403"),
    ):
        next(client.events())
