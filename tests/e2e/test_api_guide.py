"""The example in the guide to the REST API, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.running import RunningSystem
from usher.client import UsherClient
from usher.domain.records import Role
from usher.wire import TokenCreate

GUIDE = Path(__file__).parents[2] / "docs" / "api.md"


def test_example_of_the_guide_runs(test_data: Path, running_system: RunningSystem) -> None:
    running_system.upload(test_data / "enrol/joe-biden/1.jpg", "door")
    with UsherClient(running_system.url, timeout_s=60) as client:
        client.sign_in(running_system.admin_username, running_system.admin_password)
        token = client.create_token(TokenCreate(name="guide", role=Role.MANAGER))
    (example,) = re.findall(r"^```python$(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    result = subprocess.run(
        [sys.executable, "-c", example],
        env={
            **os.environ,
            "USHER_URL": running_system.url,
            "USHER_TOKEN": token.key,
            "PHOTOGRAPH": str(test_data / "enrol/barack-obama/1.jpg"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    *detections, last = result.stdout.splitlines()
    assert detections
    assert last.startswith("there is no person p-")
