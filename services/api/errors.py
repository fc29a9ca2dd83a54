"""How errors reach a client: RFC 9457 problem details, from one table."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException

from services.api.security import HEADERS
from usher.domain import errors
from usher.storage.database import is_passing
from usher.wire import Problem

log = structlog.get_logger()

STATUS: Mapping[type[errors.UsherError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.InvalidImage: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.SeveralFaces: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnsupportedImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NoFaceFound: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.IdempotencyConflict: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.PermissionDenied: HTTPStatus.FORBIDDEN,
    errors.CameraDenied: HTTPStatus.FORBIDDEN,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.LeaseLost: HTTPStatus.CONFLICT,
    errors.ConfigurationError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.SourceError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.EmbeddedServerError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of each error; a test holds the table complete."""

_RETRY_AFTER_S = 2
_AWAY = errors.Unavailable("the database does not answer: try again in a moment")


def problem_response(error: errors.UsherError) -> Response:
    """The problem details of an error."""
    status = STATUS[type(error)]
    headers = {}
    if isinstance(error, errors.TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_s)
    elif isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    elif isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return _problem(status, type(error).__name__, str(error), headers)


def _problem(
    status: HTTPStatus, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    body = Problem(title=status.phrase, status=status, detail=detail, code=code)
    return JSONResponse(
        body.model_dump(),
        status,
        headers=dict(headers or {}),
        media_type="application/problem+json",
    )


def handle_errors(app: FastAPI) -> None:
    """Turn every error of the application into problem details; tracebacks stay in the logs."""

    @app.exception_handler(errors.UsherError)
    async def foreseen(_: Request, error: errors.UsherError) -> Response:
        return problem_response(error)

    @app.exception_handler(PyMongoError)
    async def database(_: Request, error: PyMongoError) -> Response:
        log.warning("the database failed", error=str(error), kind=type(error).__name__)
        return problem_response(_AWAY) if is_passing(error) else _broken()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        found = "; ".join(_in_words(item) for item in error.errors())
        return _problem(HTTPStatus.UNPROCESSABLE_ENTITY, "InvalidInput", found)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        code = "".join(word.capitalize() for word in status.phrase.split())
        detail = str(error.detail)
        if isinstance(error.__cause__, UnicodeDecodeError):
            detail = "the body is not UTF-8"
        elif status is HTTPStatus.METHOD_NOT_ALLOWED and error.headers:
            detail = f"{request.method} is not for this address: {error.headers['Allow']} is"
        return _problem(status, code, detail, error.headers)

    @app.exception_handler(Exception)
    async def unforeseen(_: Request, __: Exception) -> Response:
        return _broken()


def _broken() -> Response:
    """Starlette sends it from outside of all middleware, so it brings the headers itself."""
    detail = "something went wrong in Usher; its log says what"
    return _problem(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", detail, HEADERS)


def _in_words(item: Mapping[str, Any]) -> str:
    """What is wrong with one part of a request, and what to do where Pydantic does not say."""
    kind, place, sent = item["type"], item["loc"], item.get("input")
    if kind == "json_invalid":
        return f"the body is not JSON: {item['ctx']['error']} after {place[-1]} characters"
    if place == ("body",) and kind in ("model_attributes_type", "dict_type"):
        return "the body has to be a JSON object, sent with `Content-Type: application/json`"
    words = f"{'.'.join(str(part) for part in place)}: {item['msg']}"
    if place[0] == "query" and kind.startswith("datetime") and " " in str(sent):
        words += "; a `+` in an address is written `%2B`"
    return words
