from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from usher import cli

COMMANDS = (
    "up",
    "enrol",
    "annotate",
    "doctor",
    "models",
    "audit",
    "openapi",
    "detect",
    "api",
    "classify",
    "notify",
)


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "usher", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
    )


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.returncode == 0
    listed = [line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines()[1:]]
    assert tuple(listed) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"usage: python -m usher {command}" in result.stdout.lower()


def test_unknown_command_is_refused() -> None:
    result = run("enroll")
    assert result.returncode == 2
    assert "enroll" in result.stderr


def test_foreseen_error_is_one_line(tmp_path: Path) -> None:
    result = run("annotate", "missing.mp4", "-o", "out.mp4", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr == "usher: there is no file missing.mp4: check the path\n"


def test_command_says_what_to_install_where_a_package_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    for name in [name for name in sys.modules if name.startswith("usher.commands")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "argv", ["usher", "annotate", "in.mp4", "-o", "out.mp4"])
    with pytest.raises(SystemExit) as ending:
        cli.app()
    assert ending.value.code == 1
    assert "[vision]" in capsys.readouterr().err
