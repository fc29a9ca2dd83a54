"""The detector's unit of systemd, read as text: no systemd is needed to run this."""

from __future__ import annotations

import shlex
from pathlib import Path

from typer.testing import CliRunner

from services.detector.command import app

UNIT = Path(__file__).resolve().parents[2] / "deploy" / "usher-detector.service"


def settings_of_unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text("utf-8").splitlines():
        name, mark, value = line.partition("=")
        if mark and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_it_runs_as_an_ordinary_user_who_may_write_its_own_folders_only() -> None:
    unit = settings_of_unit()
    assert unit["User"] == ["usher"]
    assert unit["ProtectSystem"] == ["strict"]
    assert unit["StateDirectory"] == unit["CacheDirectory"] == ["usher"]
    assert unit["CapabilityBoundingSet"] == unit["AmbientCapabilities"] == [""]
    assert unit["NoNewPrivileges"] == ["yes"]
    assert "ReadWritePaths" not in unit
    # Without it a call that is not allowed kills: NumPy makes one when it is loaded.
    assert unit["SystemCallErrorNumber"] == ["EPERM"]


def test_it_is_started_again_and_given_time_to_stop() -> None:
    unit = settings_of_unit()
    assert unit["Restart"] == ["always"]
    assert int(unit["TimeoutStopSec"][0]) >= 10  # five seconds of uploads, two of a last report


def test_its_command_and_environment_exist() -> None:
    unit = settings_of_unit()
    program, command, option, file = shlex.split(unit["ExecStart"][0])
    assert program.endswith("/bin/usher") and command == "detect"
    assert option in CliRunner().invoke(app, ["--help"]).output
    assert Path(file).parent == Path("/etc") / unit["ConfigurationDirectory"][0]
    given = dict(pair.split("=") for pair in shlex.split(unit["Environment"][0]))
    assert given["USHER_DATA"] == f"/var/lib/{unit['StateDirectory'][0]}"
    assert {"USHER_DATA", "USHER_MODEL_CACHE"} == given.keys()


def test_no_secret_stands_in_it() -> None:
    assert "USHER_API_KEY" not in UNIT.read_text("utf-8")
