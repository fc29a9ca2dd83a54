from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest

from .conftest import Served
from .processes import Place, command, wait_until_ready


def test_api_prints_the_first_login_once_and_logs_neither_password_nor_keys(
    served: Served,
) -> None:
    output = (served.place.data / "api.out").read_text()
    found = re.fullmatch(r"First login \(shown once\): admin / (\S{12,})\n", output)
    assert found, output
    log = served.place.log.read_text()
    for secret in (found[1], served.place.device_key, served.place.notifier_key):
        assert secret not in log


def test_api_says_what_to_do_when_no_database_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USHER_MONGODB_URI", raising=False)
    result = subprocess.run(
        [sys.executable, "-m", "usher", "api", "--data", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert "USHER_MONGODB_URI" in result.stderr
    assert "Traceback" not in result.stderr


def test_api_ends_without_a_traceback_when_it_is_stopped_while_starting(
    mongodb_uri: str, tmp_path: Path
) -> None:
    place = Place.new(mongodb_uri, tmp_path)
    with command(place) as process:
        deadline = time.monotonic() + 60
        while "startup" not in place.log.read_text() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.terminate()
        process.wait(30)
    assert "Traceback" not in place.log.read_text()


@pytest.mark.parametrize(
    ("believed", "status"),
    [
        ("127.0.0.1", 401),  # each guesser has an address of their own
        ("10.0.0.1", 429),  # all come from the proxy
    ],
)
def test_guessers_are_told_apart_when_their_proxy_is_believed(
    mongodb_uri: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    believed: str,
    status: int,
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", believed)
    place = Place.new(mongodb_uri, tmp_path)

    def guess(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        body = {"code": "wrong"}
        return httpx2.post(f"{place.url}/api/v1/pair", json=body, headers=headers).status_code

    with command(place) as process:
        wait_until_ready(place, process)
        assert [guess("203.0.113.1") for _ in range(11)] == [401] * 10 + [429]
        assert guess("203.0.113.2") == status
