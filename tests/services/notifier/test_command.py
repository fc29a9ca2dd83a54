"""`usher notify` as people run it: a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from usher.domain.records import AlertStatus
from usher.wire import Alert

from .conftest import alert_of, eventually

COMMAND = [sys.executable, "-c", "from usher.cli import app; app()", "notify"]
STOP_WITHIN_S = 10


def environment(**given: str) -> dict[str, str]:
    """This process's, without what the notifier reads from it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
    return kept | {f"USHER_{name}": value for name, value in given.items()}


@contextmanager
def notifying(directory: Path, **given: str) -> Iterator[subprocess.Popen[str]]:
    """`usher notify`, up to its first log line, which says how to connect a chat."""
    process = subprocess.Popen(
        COMMAND,
        env=environment(**given),
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert "usher notify --init" in process.stderr.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_notify_stops_in_time_when_the_api_is_down(tmp_path: Path, number: int) -> None:
    with notifying(tmp_path, API_URL="http://127.0.0.1:9", API_KEY="k") as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(number)
        out, rest = process.communicate(timeout=STOP_WITHIN_S)
    assert (process.returncode, out) == (0, "")
    lines = [json.loads(line) for line in (first, *rest.splitlines())]
    assert {line["event"] for line in lines} == {"api_unavailable"}
    assert all(line["service"] == "notifier" for line in lines)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "USHER_API_KEY"),
        ({"PORT": "a lot"}, "USHER_PORT"),
        ({"API_KEY": "k", "SMTP_URL": "imap://host"}, "USHER_SMTP_URL"),
        ({"API_KEY": "k", "WEBHOOKS": "no"}, "USHER_WEBHOOKS"),
    ],
)
def test_notify_says_what_is_missing_in_one_line(
    tmp_path: Path, given: dict[str, str], says: str
) -> None:
    done = run(tmp_path, **given)
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 0)
    assert says in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"API_KEY": "k", "CHAT_BACKEND": ""}, "USHER_CHAT_BACKEND"),
        ({"API_KEY": "k", "BOT_ENVIRONMENT": "nowhere"}, "make bot"),
        ({"API_KEY": "k"}, "USHER_CHAT_RECIPIENTS"),
        ({"CHAT_RECIPIENTS": "@ann"}, "USHER_API_KEY"),
        (
            {"API_KEY": "k", "CHAT_RECIPIENTS": "@ann", "CHAT_CREDENTIALS": "no"},
            "USHER_CHAT_CREDENTIALS",
        ),
    ],
)
def test_notify_says_what_the_bot_lacks_before_it_starts(
    tmp_path: Path, given: dict[str, str], says: str
) -> None:
    usual = {"CHAT_BACKEND": "XMPP", "BOT_ENVIRONMENT": str(a_bot(tmp_path, ""))}
    done = run(tmp_path, "--chat", **{**usual, **given})
    assert done.returncode == 1
    assert says in " ".join(done.stderr.split())


def test_notify_becomes_the_bot_when_it_is_told_to(tmp_path: Path) -> None:
    bot = a_bot(tmp_path, 'echo "$USHER_API_URL $USHER_DATA $*"')
    done = run(
        tmp_path,
        "--chat",
        "--api",
        "http://usher.test",
        "--data",
        "here",
        CHAT_BACKEND="XMPP",
        CHAT_RECIPIENTS="@ann",
        API_KEY="k",
        BOT_ENVIRONMENT=str(bot),
    )
    url, data, option, config = done.stdout.split()
    assert (url, data, option) == ("http://usher.test", str(tmp_path / "here"), "--config")
    assert Path(config).name == "config.py"
    assert Path(config).exists()


def test_notify_prints_the_alert_of_the_running_system(
    api: Any, stranger: Alert, tmp_path: Path
) -> None:
    assert stranger.person is not None
    with notifying(tmp_path, API_URL=api.url, API_KEY=api.notifier_key) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if f"{api.url}/people/{stranger.person.id}" in line:
                break
        eventually(lambda: is_sent(api, stranger) or None, within_s=10)
        process.terminate()
        _, logs = process.communicate(timeout=STOP_WITHIN_S)
    assert process.returncode == 0
    assert stranger.detection_id in logs
    assert api.notifier_key not in logs


def is_sent(api: Any, alert: Alert) -> bool:
    now = alert_of(api.admin, alert.detection_id)
    return now is not None and now.status is AlertStatus.SENT


def run(directory: Path, *options: str, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *options],
        env=environment(**given),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def a_bot(directory: Path, script: str) -> Path:
    """An environment with something else in Errbot's place."""
    errbot = directory / "bot" / "bin" / "errbot"
    errbot.parent.mkdir(parents=True)
    errbot.write_text(f"#!/bin/sh\n{script}\n")
    errbot.chmod(0o700)
    return directory / "bot"
