from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pymongo.errors import OperationFailure

from services.api import state as state_module
from services.api.app import create_app
from services.api.errors import STATUS, problem_response
from usher.domain import errors
from usher.settings import Settings
from usher.storage.database import connect
from usher.storage.embedded import EmbeddedServer
from usher.storage.schema import prepare
from usher.vision.pipeline import FacePipeline
from usher.wire import API_PREFIX

from .conftest import Api, check_problem


def subclasses(kind: type[errors.UsherError]) -> set[type[errors.UsherError]]:
    below = {found for child in kind.__subclasses__() for found in subclasses(child)}
    return {kind, *below}


def test_table_has_a_status_for_every_error() -> None:
    ours = {kind for kind in subclasses(errors.UsherError) if kind.__module__ == errors.__name__}
    assert len(ours) > 10
    assert set(STATUS) == ours - {errors.UsherError}
    assert all(status >= 400 for status in STATUS.values())


@pytest.mark.parametrize("kind", STATUS, ids=lambda kind: kind.__name__)
def test_problem_names_the_error_and_says_what_was_wrong(kind: Any) -> None:
    options = {"retry_after_s": 7} if kind is errors.TooManyRequests else {}
    response = problem_response(kind("what was wrong", **options))
    assert response.status_code == STATUS[kind]
    assert response.media_type == "application/problem+json"
    body = httpx2.Response(response.status_code, content=response.body).json()
    assert body == {
        "type": "about:blank",
        "title": HTTPStatus(STATUS[kind]).phrase,
        "status": STATUS[kind],
        "detail": "what was wrong",
        "code": kind.__name__,
    }


def test_problem_says_when_to_come_back_where_that_helps() -> None:
    many = problem_response(errors.TooManyRequests("slow down", retry_after_s=7))
    away = problem_response(errors.Unavailable("gone"))
    assert (many.headers["retry-after"], away.headers["retry-after"]) == ("7", "2")
    assert "retry-after" not in problem_response(errors.NotFound("none")).headers


@pytest.mark.parametrize("error", [RuntimeError("secret"), OperationFailure("secret", 2)])
async def test_problem_tells_nothing_when_the_error_was_not_foreseen(
    own_api: Api, error: Exception
) -> None:
    @own_api.app.router.get(f"{API_PREFIX}/broken")
    async def broken() -> None:
        raise error

    _first_route_last(own_api)
    async with own_api.client(raise_app_exceptions=False) as client:
        response = await client.get("/broken")
    detail = check_problem(response, 500, "InternalError")
    assert "secret" not in detail
    assert response.headers["x-content-type-options"] == "nosniff"


def _first_route_last(api: Api) -> None:
    """Put the newest route before the panel's, which takes every address."""
    routes = api.app.router.routes
    routes.insert(0, routes.pop())


async def test_api_answers_503_when_the_database_is_away(
    pipeline: FacePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "make_pipeline", lambda *_: pipeline)
    async with AsyncExitStack() as stack:
        async with EmbeddedServer(tmp_path / "mongodb") as server:
            away = connect(server.uri, "away", timeout_ms=500)
            stack.push_async_callback(away.client.close)
            await prepare(away)
            app = create_app(Settings(data=tmp_path, admin_dist=tmp_path), away)
            # It must end too, while PyMongo looks for a server.
            await stack.enter_async_context(asyncio.timeout(60))
            await stack.enter_async_context(app.router.lifespan_context(app))
        key = {"Authorization": "Bearer any"}
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, headers=key) as client:
            for path in ("/detections", "/persons", "/stats"):
                response = await client.get(f"http://usher.test{API_PREFIX}{path}")
                detail = check_problem(response, 503, "Unavailable")
                assert response.headers["retry-after"] == "2"
                assert "127.0.0.1" not in detail
            sign_in = {"username": "admin", "password": "x"}
            response = await client.post(f"http://usher.test{API_PREFIX}/session", json=sign_in)
            check_problem(response, 503, "Unavailable")
            ready = await client.get("http://usher.test/readyz")
            assert (ready.status_code, ready.json()["ok"]) == (503, False)
            assert (await client.get("http://usher.test/healthz")).status_code == 200
            check_problem(await client.get("http://usher.test/metrics"), 503, "Unavailable")
