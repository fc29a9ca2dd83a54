"""The bot's own tests (`errbot_suite/`), run in its environment on Errbot's test backend."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.running import RunningSystem
from usher.client import UsherClient
from usher.wire import UserUpdate

SUITE = Path(__file__).parent / "errbot_suite"
_WITHIN_S = 120.0


def run_suite(
    bot_python: Path,
    tests: Path,
    api: RunningSystem,
    folder: Path,
    recipients: str,
    **environment: str,
) -> None:
    """Run `tests` with the bot's data in `folder`; in the chat, `@ann` is the administrator."""
    with UsherClient(api.url) as admin:
        user = admin.sign_in(api.admin_username, api.admin_password).user
        admin.update_user(user.id, UserUpdate(accounts=["@ann"]))
    done = subprocess.run(
        [bot_python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests],
        env={
            "PATH": os.environ["PATH"],
            "USHER_API_URL": api.url,
            "USHER_API_KEY": api.notifier_key,
            "USHER_DATA": str(folder),
            "USHER_CHAT_BACKEND": "Test",
            "USHER_CHAT_RECIPIENTS": recipients,
            **environment,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
