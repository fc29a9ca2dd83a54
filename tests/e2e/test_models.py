"""The model changed under a system that runs, and back: nobody's name is lost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pymongo
import pytest

from tests.e2e import test_up
from tests.e2e.test_up import output_of, processes_of, until, up
from usher.client import UsherClient
from usher.domain.records import UNFINISHED
from usher.storage.embedded import uri_of_running
from usher.wire import Detection, DetectionMetadata, PersonCreate

PEOPLE = {"Ada": "Ann_Veneman", "Bob": "Condoleezza_Rice"}
"""With six photographs of one face each."""
REFERENCES, CROWD = 3, 48


@dataclass(frozen=True)
class System:
    """`usher up` with raw descriptors, and clients of its API."""

    data: Path
    environment: dict[str, str]
    admin: UsherClient
    device: UsherClient

    def models(self, *arguments: str) -> Any:
        """Run `usher models` beside it; the JSON that it prints, or its words."""
        result = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "usher", "models", "--data", str(self.data), *arguments]

    def kill_preparing(self, embedder: str) -> None:
        """Begin to prepare, and kill it when some vectors are there."""
        uri = uri_of_running(self.data / "mongodb")
        with pymongo.MongoClient[dict[str, Any]](uri) as client:
            process = subprocess.Popen(self.command("prepare", embedder), env=self.environment)
            detections = client["usher"]["detections"]
            while not detections.count_documents({"other_embedding": {"$exists": True}}):
                assert process.poll() is None
                time.sleep(0.005)
            process.kill()
            process.wait()

    def enrol(self, name: str, *photographs: Path) -> str:
        person = self.admin.create_person(PersonCreate(name=name))
        for path in photographs:
            self.admin.enrol_face(person.id, path.read_bytes())
        return person.id

    def upload(self, photograph: Path) -> str:
        metadata = DetectionMetadata(camera_id="door", captured_at=datetime.now(UTC))
        return self.device.upload_detection(
            photograph.read_bytes(), metadata, idempotency_key=uuid.uuid4().hex
        ).id

    def see(self, photograph: Path) -> Detection:
        """What becomes of a photograph that a camera sends."""
        detection_id = self.upload(photograph)
        until(lambda: self.admin.detection(detection_id).status not in UNFINISHED)
        return self.admin.detection(detection_id)

    def names(self, *photographs: Path) -> list[str | None]:
        """By whose names the people in photographs are called."""
        found = [self.see(path).person for path in photographs]
        return [person.name if person else None for person in found]

    def until_started_anew(self, before: dict[str, psutil.Process]) -> None:
        """Wait until the API and the classifier are others than before, and work."""
        for name in ("api", "classify"):
            until(lambda name=name: not before[name].is_running())
            until(lambda name=name: name in processes_of(self.data))
        until(self.admin.is_ready)


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    data = tmp_path / "data"
    environment = test_up._environment(USHER_EMBEDDER="dlib")
    monkeypatch.setattr(test_up, "_environment", lambda: environment)
    with ExitStack() as stack:
        stack.enter_context(up(data))
        until(lambda: "First login" in output_of(data))
        url = test_up._panel_url(data)
        login = re.search(r"First login +(\S+) / (\S+)", output_of(data))
        assert login is not None
        admin = stack.enter_context(UsherClient(url, timeout_s=30))
        admin.sign_in(login[1], login[2])
        key = (data / "detector.key").read_text().strip()
        yield System(data, environment, admin, stack.enter_context(UsherClient(url, key)))


def test_names_survive_when_the_model_is_changed_and_changed_back(
    system: System, test_data: Path
) -> None:
    images = test_data / "lfw-dev" / "images"
    photographs = {name: sorted((images / folder).iterdir()) for name, folder in PEOPLE.items()}
    for name, found in photographs.items():
        system.enrol(name, *found[:REFERENCES])
    new = {
        number: [found[REFERENCES + number] for found in photographs.values()]
        for number in range(3)
    }
    assert system.names(*new[0]) == list(PEOPLE)
    for path in sorted(images.glob("*/*_0001.jpg"))[:CROWD]:
        system.upload(path)
    until(lambda: not system.admin.stats().queue, within_s=120)
    persons = system.admin.stats().persons

    system.kill_preparing("dlib-mirrored")
    half = system.models("--json")
    assert half["serving"]["name"] == "dlib"
    assert 0 < half["other"]["detections"]["ready"] < half["other"]["detections"]["total"]
    system.models("prepare", "dlib-mirrored")
    whole = system.models("--json")["other"]
    for kind in ("detections", "faces"):
        assert whole[kind]["ready"] == whole[kind]["total"] > 0
        assert whole[kind]["failed"] == {}

    compared = system.models("compare", "--json")
    assert (compared["people"], compared["references"]) == (2, 2 * REFERENCES)
    assert list(compared["models"]) == ["dlib", "dlib-mirrored"]

    for command, serving, expected in (
        ("switch", "dlib-mirrored", new[1]),
        ("back", "dlib", new[2]),
    ):
        before = processes_of(system.data)
        assert f"{serving} (" in system.models(command)
        system.until_started_anew(before)
        assert system.models("--json")["serving"]["name"] == serving
        assert system.names(*expected) == list(PEOPLE)
        assert system.names(*new[0]) == list(PEOPLE)
    assert system.admin.stats().persons == persons
    assert "another model serves now" in (system.data / "logs" / "api.log").read_text()
    assert "another model serves now" in (system.data / "logs" / "classify.log").read_text()
