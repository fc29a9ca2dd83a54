"""Slack's Web API and Socket Mode, as far as the bot uses them. Runs in the bot's environment.

    python slack_standin.py PORT

A test reads `GET /calls`, has somebody press with `POST /press`, and `POST /away?now=true` makes
every method of the API fail until `now=false`.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

PORT = int(sys.argv[1])
CALLS: list[dict[str, Any]] = []
SOCKETS: list[web.WebSocketResponse] = []
NUMBERS = count(1)
AWAY = {"now": False}
PERSON = {"display_name": "ann", "real_name": "Ann", "email": "ann@example.org"}


async def method(request: web.Request) -> web.Response:
    """One method of the Web API."""
    name = request.match_info["method"]
    given: dict[str, Any] = dict(request.query)
    if request.content_type != "application/json":
        given |= await request.post()
    elif body := await request.text():
        given |= json.loads(body)
    if AWAY["now"] and name != "apps.connections.open":
        return web.json_response({"ok": False, "error": "internal_error"}, status=503)
    given.pop("token", None)
    CALLS.append({"method": name, **{key: _read(value) for key, value in given.items()}})
    # Scopes that no classic bot has.
    headers = {"x-oauth-scopes": "chat:write,files:write,im:write"}
    return web.json_response({"ok": True, **_answer(name, given)}, headers=headers)


def _read(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value
    except ValueError:
        return value


def _answer(name: str, given: dict[str, Any]) -> dict[str, Any]:
    number = next(NUMBERS)
    channel = given.get("channel") or f"D{given.get('users', '')}"
    user = given.get("user", "")
    profile = PERSON | {"display_name": user.lower()}
    file = f"F{number}"
    answers: dict[str, dict[str, Any]] = {
        "auth.test": {"user_id": "UBOT", "team_id": "T1", "user": "usher", "team": "place"},
        "users.info": {"user": {"id": user, "team_id": "T1", "profile": profile}},
        "team.info": {"team": {"domain": "place"}},
        "conversations.open": {"channel": {"id": channel}},
        "conversations.info": {"channel": {"id": channel, "is_im": True, "user": channel[1:]}},
        "apps.connections.open": {"url": f"ws://127.0.0.1:{PORT}/socket"},
        "chat.postMessage": {"channel": channel, "ts": f"1000.{number:06}"},
        "files.getUploadURLExternal": {
            "upload_url": f"http://127.0.0.1:{PORT}/upload/{file}",
            "file_id": file,
        },
        "files.completeUploadExternal": {"files": _read(given.get("files", "[]"))},
    }
    return answers.get(name, {})


async def upload(request: web.Request) -> web.Response:
    """The bytes of a file."""
    content = await request.read()
    CALLS.append({"method": "upload", "file": request.match_info["file"], "size": len(content)})
    return web.Response(text="OK")


async def socket(request: web.Request) -> web.WebSocketResponse:
    """Socket Mode: says hello, and hands on what is pressed."""
    response = web.WebSocketResponse()
    await response.prepare(request)
    SOCKETS.append(response)
    await response.send_json({"type": "hello", "num_connections": 1})
    async for message in response:
        if message.type is WSMsgType.TEXT:
            CALLS.append({"method": "acknowledged", **json.loads(message.data)})
    SOCKETS.remove(response)
    return response


async def press(request: web.Request) -> web.Response:
    """Send an envelope over the newest connection."""
    envelope = {"envelope_id": f"e{next(NUMBERS)}", "accepts_response_payload": True}
    await SOCKETS[-1].send_json({**envelope, **await request.json()})
    return web.Response()


async def calls(_: web.Request) -> web.Response:
    return web.json_response(CALLS)


async def away(request: web.Request) -> web.Response:
    AWAY["now"] = request.query["now"] == "true"
    return web.Response()


app = web.Application(client_max_size=20_000_000)
app.add_routes(
    [
        web.post("/api/{method}", method),
        web.get("/api/{method}", method),
        web.post("/upload/{file}", upload),
        web.get("/socket", socket),
        web.get("/calls", calls),
        web.post("/press", press),
        web.post("/away", away),
    ]
)
web.run_app(app, host="127.0.0.1", port=PORT, print=None)
