"""The OpenAPI document: complete, and kept by the API, whatever a client makes of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from services.api.app import create_app
from services.api.contract import PROBLEM_TYPE, describe, operations
from services.api.examples import EXAMPLES
from services.api.openapi_command import openapi
from usher import wire
from usher.settings import Settings
from usher.wire import API_PREFIX

from .conftest import Api

OPEN = {("post", "/session"), ("post", "/pair"), ("get", "/alerts/pictures/{detection_id}")}

WHOLE = {
    "/alert-rules",
    "/cameras",
    "/devices",
    "/persons/classes",
    "/persons/{person_id}/faces",
    "/tokens",
    "/users",
}
"""The lists that the document's text says come whole."""


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app = create_app(Settings(), None)  # type: ignore[arg-type] - nothing connects for it
    described = describe(app.router)
    ours = {path: it for path, it in described["paths"].items() if path.startswith(API_PREFIX)}
    return {**described, "paths": ours}


async def test_document_is_what_the_api_serves(api: Api, document: dict[str, Any]) -> None:
    served = (await api.viewer.get("/openapi.json")).json()
    assert served["paths"].keys() == document["paths"].keys()
    assert served["components"]["securitySchemes"].keys() == {"session", "key"}


async def test_document_is_printed_as_the_api_serves_it(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    openapi()
    assert json.loads(capsys.readouterr().out) == (await api.viewer.get("/openapi.json")).json()


def test_every_operation_has_a_name_that_a_client_can_use(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        assert 3 < len(operation["summary"]) < 160, (method, path)
        assert not operation["summary"].endswith(".")


def test_every_operation_says_who_may_do_it(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        is_open = (method, path.removeprefix(API_PREFIX)) in OPEN
        assert bool(operation["security"]) is not is_open, (method, path)
        assert ("For: " in operation["description"]) is not is_open, (method, path)


def test_every_error_is_described_as_problem_details(document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["Problem"]
    assert set(problem["required"]) >= {"title", "status", "detail", "code"}
    for path, method, operation in operations(document):
        failures = {
            status: it for status, it in operation["responses"].items() if status[0] in "45"
        }
        assert {"401", "403"} <= failures.keys() or not operation["security"], (method, path)
        for status, response in failures.items():
            content = response["content"][PROBLEM_TYPE]
            assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
            assert wire.Problem.model_validate(content["example"]).status == int(status)
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_every_list_that_is_not_whole_takes_a_cursor(document: dict[str, Any]) -> None:
    whole = {
        path.removeprefix(API_PREFIX)
        for path, method, operation in operations(document)
        if method == "get"
        and "/Page_" in str(operation["responses"]["200"])
        and "cursor" not in {one["name"] for one in operation.get("parameters", ())}
    }
    assert whole == WHOLE


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_is_valid_and_in_the_document(document: dict[str, Any], name: str) -> None:
    model: type[BaseModel] = getattr(wire, name)
    model.model_validate(EXAMPLES[name], extra="forbid")
    assert document["components"]["schemas"][name]["examples"] == [EXAMPLES[name]]


def test_document_of_nothing_has_no_operation() -> None:
    assert list(operations(describe(APIRouter()))) == []
