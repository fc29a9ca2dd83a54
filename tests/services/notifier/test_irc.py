"""The bot in a real chat: Errbot's IRC backend and an IRC server on this machine."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from usher.client import UsherClient
from usher.domain.records import PersonKind
from usher.wire import Alert, UserUpdate

from .conftest import alert_of, eventually
from .test_channels import free_port, listens
from .test_command import environment

_BEGINS_WITHIN_S = 60.0
_ANSWERS_WITHIN_S = 20.0
NAMED_WITHIN_S = 2.0

pytestmark = pytest.mark.slow


class Speaker:
    """Somebody in the chat, by the lines of the protocol."""

    def __init__(self, port: int, nick: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\r\n")
        self.nick = nick
        self._send(f"NICK {nick}")
        self._send(f"USER {nick} 0 * :{nick}")

    def say(self, to: str, words: str) -> None:
        self._send(f"PRIVMSG {to} :{words}")

    def hear(self, pattern: str, *, within_s: float) -> re.Match[str]:
        """What somebody says to this person that has the pattern in it."""
        deadline = time.monotonic() + within_s
        while (left := deadline - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                line = self._lines.readline()
            except TimeoutError:
                break
            if line.startswith("PING"):
                self._send("PONG" + line[4:].rstrip())
            elif " PRIVMSG " in line and (found := re.search(pattern, line)):
                return found
        pytest.fail(f"nobody said {pattern!r} within {within_s} s")

    def is_there(self, nick: str) -> bool:
        self._send(f"ISON {nick}")
        while not (found := re.match(r"\S+ 303 \S+ :?(.*)", self._lines.readline())):
            pass
        return nick in found[1]

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def _send(self, line: str) -> None:
        self._socket.sendall(f"{line}\r\n".encode())


@contextmanager
def irc_server(python: Path, port: int) -> Iterator[None]:
    command = [str(python), "-m", "irc.server", "-a", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port) or None, within_s=_BEGINS_WITHIN_S)
        yield
    finally:
        server.kill()
        server.wait()


@contextmanager
def bot(directory: Path, **given: str) -> Iterator[subprocess.Popen[bytes]]:
    """`usher notify --chat`, as `usher up` starts it."""
    command = [sys.executable, "-c", "from usher.cli import app; app()", "notify", "--chat"]
    with (directory / "bot.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment(**given), cwd=directory, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def test_alert_is_answered_in_the_chat(
    bot_python: Path, api: Any, stranger: Alert, tmp_path: Path
) -> None:
    port = free_port()
    given = {
        "API_URL": api.url,
        "API_KEY": api.notifier_key,
        "DATA": str(tmp_path),
        "CHAT_BACKEND": "IRC",
        "CHAT_RECIPIENTS": "ann",
        "CHAT_CREDENTIALS": f'{{"nickname": "usher", "server": "127.0.0.1", "port": {port}}}',
    }
    assert stranger.person is not None
    person_id = stranger.person.id
    with irc_server(bot_python, port), bot(tmp_path, **given):
        ann = Speaker(port, "ann")
        eventually(lambda: ann.is_there("usher") or None, within_s=_BEGINS_WITHIN_S)
        ann.hear(person_id, within_s=_BEGINS_WITHIN_S)
        pictures = r"(http://\S+/alerts/pictures/[^\s\x03\x0f]+)"
        link = ann.hear(pictures, within_s=_ANSWERS_WITHIN_S)[1]
        assert httpx2.get(link).content.startswith(b"\xff\xd8")

        ann.say("usher", f"!name {person_id} Alice Smith")
        account = ann.hear(r"(chat:\S+?)['`]? is linked to no user", within_s=_ANSWERS_WITHIN_S)[1]
        assert api.admin.person(person_id).kind is PersonKind.UNKNOWN
        with UsherClient(api.url) as admin:
            user = admin.sign_in(api.admin_username, api.admin_password).user
            admin.update_user(user.id, UserUpdate(accounts=[account]))

        begun = time.monotonic()
        ann.say("usher", f"!name {person_id} Alice Smith")
        eventually(
            lambda: api.admin.person(person_id).name == "Alice Smith" or None,
            within_s=_ANSWERS_WITHIN_S,
        )
        assert time.monotonic() - begun < NAMED_WITHIN_S
        ann.hear("Settled: .*Alice Smith", within_s=_ANSWERS_WITHIN_S)
        answered = alert_of(api.admin, stranger.detection_id)
        assert answered is not None
        assert (answered.answered_by, answered.answer) == (api.admin_username, "is Alice Smith")

        for command, answer in (
            ("!who today", "seen today"),
            ("!last", "Alice Smith"),
            ("!person Alice Smith", person_id),
            ("!status", "without trouble"),
            ("!mute 1m", "in the next 1 minute"),
            ("!mute off", "everything again"),
            ("!find", "photograph"),
            ("!help", "mute"),
        ):
            ann.say("usher", command)
            ann.hear(re.escape(answer), within_s=_ANSWERS_WITHIN_S)
        ann.close()
    assert api.notifier_key not in (tmp_path / "bot.log").read_text(errors="replace")
    assert "Alice" not in (tmp_path / "bot.log").read_text(errors="replace")
    assert (tmp_path / "errbot").stat().st_mode & 0o077 == 0
