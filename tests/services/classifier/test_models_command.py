"""What `usher models` says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.classifier.models_command import _print_comparison, _print_status


def embedder(name: str, **references: Any) -> dict[str, Any]:
    none = {"total": 0, "ready": 0, "beside": 0, "failed": {}}
    return {
        "name": name,
        "model": f"{name}-v1",
        "detections": none,
        "faces": {**none, "total": 9, "ready": 9, **references},
    }


def status(**fields: Any) -> dict[str, Any]:
    given = {"changing": False, "served_before": False, "serving": embedder("old"), "other": None}
    return {**given, **fields}


def test_status_tells_what_serves_and_how_far_the_other_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = embedder("new", ready=6, beside=6, failed={"no picture": 2, "no face": 1})
    _print_status(status(other=other), as_json=False)
    assert capsys.readouterr().out.splitlines() == [
        "serves         old (old-v1): 0 of 0 detections, 9 of 9 references",
        "prepared       new (new-v1): 0 of 0 detections, 6 of 9 references",
        "               2 references: no picture",
        "               1 references: no face",
    ]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"served_before": True, "other": embedder("new")}, "served before  new"),
        ({"changing": True, "other": embedder("new")}, "Until then nobody is assigned"),
        ({"serving": embedder("old", beside=1)}, "`usher models prepare old`"),
    ],
)
def test_status_says_what_to_do_when_something_is_left_to_do(
    capsys: pytest.CaptureFixture[str], fields: dict[str, Any], told: str
) -> None:
    _print_status(status(), as_json=False)
    assert told not in capsys.readouterr().out
    _print_status(status(**fields), as_json=False)
    assert told in capsys.readouterr().out


def test_comparison_shows_both_models_with_intervals(capsys: pytest.CaptureFixture[str]) -> None:
    missed = {"count": 1, "total": 10, "interval": (0.0179, 0.4042)}
    nothing = {"count": 0, "total": 0, "interval": (0.0, 1.0)}
    figures = {"missed": missed, "accepted": nothing}
    _print_comparison({"people": 2, "references": 10, "models": {"old": figures, "new": figures}})
    shown = capsys.readouterr().out
    assert "10 references of 2 people" in shown
    assert shown.count("1 of 10, 1.8% to 40.4%") == 2
    assert shown.count("nothing to tell from") == 2


def test_command_says_what_to_do_when_no_database_runs(tmp_path: Path) -> None:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
    result = subprocess.run(
        [sys.executable, "-m", "usher", "models", "--data", str(tmp_path)],
        env=ours,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert f"no `usher up` runs on {tmp_path}" in result.stderr
