"""The bot's plugin on Errbot's own test backend, in the bot's own environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from usher.wire import Alert

ROOT = Path(__file__).resolve().parents[3]
BOT_PYTHON = ROOT / ".venv-bot" / "bin" / "python"
SUITE = Path(__file__).parent / "errbot_suite"


@pytest.fixture(scope="session")
def bot_python() -> Path:
    """The Python of the bot's environment."""
    if not BOT_PYTHON.exists():
        missing = "the bot's environment is missing: run `make bot`"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return BOT_PYTHON


@pytest.mark.slow
def test_bot_tells_managers_and_takes_their_answers(
    bot_python: Path, api: Any, stranger: Alert, tmp_path: Path
) -> None:
    assert stranger.person is not None
    done = subprocess.run(
        [bot_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", SUITE],
        env={
            "PATH": os.environ["PATH"],
            "USHER_API_URL": api.url,
            "USHER_API_KEY": api.notifier_key,
            "USHER_DATA": str(tmp_path),
            "USHER_CHAT_BACKEND": "Test",
            "USHER_CHAT_RECIPIENTS": "@ann,@bob",
            "USHER_TEST_PERSON": stranger.person.id,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
