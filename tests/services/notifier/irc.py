"""An IRC server on this machine, the bot in it, and somebody who speaks with it."""

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

import pytest

from usher.client import UsherClient
from usher.wire import UserUpdate

from .conftest import eventually
from .test_channels import listens
from .test_command import environment

BEGINS_WITHIN_S = 60.0
ANSWERS_WITHIN_S = 20.0


class Speaker:
    """Somebody in the chat, by the lines of the protocol."""

    def __init__(self, port: int, nick: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._rest = b""
        self.nick = nick
        self._send(f"NICK {nick}")
        self._send(f"USER {nick} 0 * :{nick}")

    def say(self, to: str, words: str) -> None:
        self._send(f"PRIVMSG {to} :{words}")

    def hear(self, pattern: str, *, within_s: float) -> re.Match[str]:
        """What somebody says to this person that has the pattern in it."""
        for line in self._lines(within_s):
            if " PRIVMSG " in line and (found := re.search(pattern, line)):
                return found
        pytest.fail(f"nobody said {pattern!r} within {within_s} s")

    def heard(self, *, for_s: float) -> list[str]:
        """All that is said to this person in that time."""
        return [line for line in self._lines(for_s) if " PRIVMSG " in line]

    def is_there(self, nick: str) -> bool:
        self._send(f"ISON {nick}")
        for line in self._lines(ANSWERS_WITHIN_S):
            if found := re.match(r"\S+ 303 \S+ :?(.*)", line):
                return nick in found[1]
        pytest.fail("the server does not answer")

    def close(self) -> None:
        self._socket.close()

    def _lines(self, within_s: float) -> Iterator[str]:
        """Line after line, while the time lasts."""
        until = time.monotonic() + within_s
        while (left := until - time.monotonic()) > 0:
            line, end, rest = self._rest.partition(b"\r\n")
            if end:
                self._rest = rest
                text = line.decode(errors="replace")
                if text.startswith("PING"):
                    self._send("PONG" + text[4:])
                yield text
                continue
            self._socket.settimeout(left)
            try:
                self._rest += self._socket.recv(65_536)
            except TimeoutError:
                return

    def _send(self, line: str) -> None:
        self._socket.sendall(f"{line}\r\n".encode())


@contextmanager
def irc_server(python: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [str(python), "-m", "irc.server", "-a", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: listens(port) or None, within_s=BEGINS_WITHIN_S)
        yield server
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


def settings(api: Any, directory: Path, port: int) -> dict[str, str]:
    """Of the bot, without the prefix of the variables; who is told by default is `ann`."""
    return {
        "API_URL": api.url,
        "API_KEY": api.notifier_key,
        "DATA": str(directory),
        "CHAT_BACKEND": "IRC",
        "CHAT_RECIPIENTS": "ann",
        "CHAT_CREDENTIALS": f'{{"nickname": "usher", "server": "127.0.0.1", "port": {port}}}',
    }


def link(api: Any, speaker: Speaker) -> None:
    """Let the admin speak by that nick; the bot itself says what the account is called."""
    speaker.say("usher", "!last")
    account = speaker.hear(r"(chat:\S+?)['`]? is linked to no user", within_s=ANSWERS_WITHIN_S)[1]
    with UsherClient(api.url) as admin:
        user = admin.sign_in(api.admin_username, api.admin_password).user
        admin.update_user(user.id, UserUpdate(accounts=sorted({*user.accounts, account})))
