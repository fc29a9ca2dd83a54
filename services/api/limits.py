"""Caps on request bodies, held while they stream in."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api.errors import problem_response
from usher.domain.errors import TooLarge
from usher.wire import API_PREFIX

KB: Final = 1024
MB: Final = 1024 * KB
CROP_MAX_BYTES: Final = 1 * MB
PHOTO_MAX_BYTES: Final = 20 * MB
VIDEO_MAX_BYTES: Final = 200 * MB
FRAME_MAX_BYTES: Final = 300 * KB
JSON_MAX_BYTES: Final = 64 * KB
_FORM_OVERHEAD_BYTES: Final = 64 * KB
"""Room for the other parts of a form and the lines between them."""

_CROP_ROUTE = re.compile(rf"{API_PREFIX}/detections/?")
_REPORT_ROUTE = re.compile(rf"{API_PREFIX}/cameras/[^/]+/report/?")
_PHOTO_ROUTE = re.compile(rf"{API_PREFIX}/(identify|search|persons/[^/]+/faces)/?")
_VIDEO_ROUTE = re.compile(rf"{API_PREFIX}/persons/[^/]+/videos/?")
_PAIR_ROUTE = re.compile(rf"{API_PREFIX}/verify/?")


def body_cap(path: str) -> int:
    """The largest body that a path takes, in bytes."""
    if _CROP_ROUTE.fullmatch(path):
        return CROP_MAX_BYTES + _FORM_OVERHEAD_BYTES
    if _REPORT_ROUTE.fullmatch(path):
        return FRAME_MAX_BYTES + _FORM_OVERHEAD_BYTES
    if _PHOTO_ROUTE.fullmatch(path):
        return PHOTO_MAX_BYTES + _FORM_OVERHEAD_BYTES
    if _VIDEO_ROUTE.fullmatch(path):
        return VIDEO_MAX_BYTES + _FORM_OVERHEAD_BYTES
    if _PAIR_ROUTE.fullmatch(path):
        return 2 * PHOTO_MAX_BYTES + _FORM_OVERHEAD_BYTES
    return JSON_MAX_BYTES


class BodyCap:
    """ASGI middleware: answers 413 as soon as a body is over its path's cap.

    A declared length over the cap is refused before anything is read; a body that declares none,
    or a false one, is counted as it comes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cap = body_cap(scope["path"])
        if _declared_length(scope) > cap:
            await _refuse(cap, scope, receive, send)
            return
        counted = _CountedBody(receive, send, cap)
        with suppress(TooLarge):
            await self._app(scope, counted.receive, counted.send)
        if counted.exceeded and not counted.started:
            await _refuse(cap, scope, receive, send)


class _CountedBody:
    """The two ends of one request, of which the receiving one counts.

    Once the body is over its cap, whatever the application answers to its sudden end is dropped.
    """

    def __init__(self, receive: Receive, send: Send, cap: int) -> None:
        self._receive = receive
        self._send = send
        self._left = cap
        self.started = False

    @property
    def exceeded(self) -> bool:
        return self._left < 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self.exceeded:
            raise TooLarge("the body is over its cap")
        return message

    async def send(self, message: Message) -> None:
        if self.exceeded and not self.started:
            return
        self.started = True
        await self._send(message)


async def _refuse(cap: int, scope: Scope, receive: Receive, send: Send) -> None:
    error = TooLarge(f"the request is larger than {cap // KB} KB: send a smaller file")
    await problem_response(error)(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
