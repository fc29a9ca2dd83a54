"""The bot's plugin on Errbot's own test backend, in the bot's own environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from usher.client import UsherClient
from usher.wire import Alert, UserUpdate

SUITE = Path(__file__).parent / "errbot_suite"


@pytest.mark.slow
def test_bot_tells_managers_and_takes_their_answers(
    bot_python: Path, api: Any, stranger: Alert, tmp_path: Path
) -> None:
    assert stranger.person is not None
    with UsherClient(api.url) as admin:
        user = admin.sign_in(api.admin_username, api.admin_password).user
        admin.update_user(user.id, UserUpdate(accounts=["@ann"]))
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
