"""Every benchmark runs as the program that the documents name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench"


@pytest.mark.parametrize("script", sorted(path.name for path in BENCH.glob("[a-z]*.py")))
def test_benchmark_says_how_it_is_used(script: str) -> None:
    command = [sys.executable, f"bench/{script}", "--help"]
    ran = subprocess.run(command, cwd=BENCH.parent, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "usage:" in ran.stdout
