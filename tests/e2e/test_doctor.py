"""`usher doctor` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

WITHIN_S = 120.0


def run_doctor(folder: Path, *options: str, **extra: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
    return subprocess.run(
        [sys.executable, "-m", "usher", "doctor", *options],
        env={**ours, **extra},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def test_doctor_finds_every_network_right(tmp_path: Path) -> None:
    result = run_doctor(tmp_path, "--json")
    assert result.returncode == 0, result.stdout
    report = json.loads(result.stdout)
    networks = [found for found in report["findings"] if found["section"] == "networks"]
    names = {"descriptor", "mmod", "pnet", "rnet", "onet"}
    assert report["ok"]
    assert {found["name"] for found in networks} == names
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_what_to_do_when_the_provider_is_missing(tmp_path: Path) -> None:
    result = run_doctor(tmp_path, USHER_PROVIDER="coreml", COLUMNS="200")
    assert result.returncode == 1
    assert "failed" in result.stdout
    assert "coreml is not installed here" in result.stdout
    assert "Traceback" not in result.stderr


def test_doctor_shows_no_secret(tmp_path: Path) -> None:
    uri = "mongodb://usher:hunter2@127.0.0.1/"
    result = run_doctor(tmp_path, USHER_MONGODB_URI=uri, USHER_API_KEY="hunter2")
    assert "hunter2" not in result.stdout + result.stderr
    assert "not shown" in result.stdout
