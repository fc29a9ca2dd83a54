"""`usher up` as a user runs it: real processes, a real database, a real clip."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.running import RunningSystem, free_port
from usher.client import UsherClient
from usher.domain.errors import UsherError

CLIP = Path("videos") / "short_hamilton_clip.mp4"
ENDS_WITHIN_S = 120.0


def _command(data: Path, *arguments: str) -> list[str]:
    up = [sys.executable, "-m", "usher", "up", "--data", str(data)]
    return [*up, "--port", str(free_port()), *arguments]


def _environment(**extra: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
    return {**ours, **extra}


def run_to_the_end(data: Path, *arguments: str) -> dict[str, Any]:
    """Run `usher up … --exit-when-idle --json`; its summary."""
    result = subprocess.run(
        _command(data, "--exit-when-idle", "--json", *arguments),
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


@contextmanager
def up(data: Path, *arguments: str) -> Iterator[psutil.Popen]:
    """`usher up` in the background, its output in `up.out`; killed if it is left running."""
    data.mkdir(exist_ok=True)
    with (data / "up.out").open("wb") as output:
        process = psutil.Popen(
            _command(data, *arguments), env=_environment(), stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=30)


def until(condition: Callable[[], bool], *, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)


def processes_of(data: Path) -> dict[str, psutil.Process]:
    """The services that work on a data directory, by name."""
    found = {}
    for process in psutil.process_iter(["cmdline", "environ"]):
        command = process.info["cmdline"] or []
        if "leash.py" in " ".join(command):
            continue
        if command[1:3] == ["-m", "usher"] and command[3] != "up":
            if (process.info["environ"] or {}).get("USHER_DATA") == str(data):
                found[command[3]] = process
        elif str(data / "mongodb" / "data") in command:
            found["mongod"] = process
    return found


def output_of(data: Path) -> str:
    return (data / "up.out").read_text()


def test_up_classifies_the_clip_and_sends_an_alert_when_given_it(
    test_data: Path, tmp_path: Path
) -> None:
    first = run_to_the_end(tmp_path, "--source", str(test_data / CLIP))
    assert first["detections"] > 0
    assert first["classified"] + first["unidentifiable"] == first["detections"]
    assert first["failed"] == 0
    assert first["persons"] >= 1
    assert first["alerts_sent"] >= 1

    second = run_to_the_end(tmp_path, "--source", str(test_data / CLIP))
    assert second["detections"] == first["detections"]
    assert second["persons"] >= 1
    assert second["new_persons"] == 0
    assert not processes_of(tmp_path)


def test_detections_carry_the_name_when_the_person_was_enrolled_before(
    test_data: Path, running_system: RunningSystem
) -> None:
    miranda = _enrolled(
        running_system, "Lin-Manuel Miranda", test_data / "enrol/lin-manuel-miranda/1.png"
    )
    _detect(running_system, test_data / CLIP)
    until(lambda: running_system.admin.stats().queue == 0)

    seen = running_system.admin.detections(limit=200).items
    named = [found for found in seen if found.person and found.person.id == miranda]
    # He is on stage from 2.8 s to 7.1 s; a face at the left from 7.3 s on is somebody else's.
    his = [found for found in seen if found.box and found.frame and found.frame.box.x1 > 100]
    others = [found for found in seen if found.frame and found.frame.box.x1 <= 60]
    assert len(named) >= 0.8 * len(his) > 0
    assert others
    assert not {found.id for found in others} & {found.id for found in named}


def test_killing_any_process_loses_nothing(test_data: Path, tmp_path: Path) -> None:
    config = tmp_path / "detector.json"
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    people = sorted((test_data / "lfw-dev" / "images").glob("A*/*_0001.jpg"))[:30]
    for person in people:
        (photographs / person.name).symlink_to(person)
    camera = {"camera_id": "archive", "source": str(photographs)}
    config.write_text(json.dumps({"cameras": [camera]}))
    data = tmp_path / "data"
    with up(data, "--config", str(config), "--exit-when-idle", "--json") as process:
        until(lambda: "detector    running" in output_of(data))
        url = _panel_url(data)
        key = (data / "notifier.key").read_text().strip()
        with UsherClient(url, key, timeout_s=5) as client:
            for number, name in enumerate(("detect", "api", "mongod", "classify", "notify")):
                until(lambda at_least=3 + 5 * number: _stored(client) >= at_least)
                processes_of(data)[name].kill()
        assert process.wait(timeout=ENDS_WITHIN_S) == 0
    summary = json.loads(output_of(data).strip().splitlines()[-1])

    uploads = _finished_line(data)
    assert output_of(data).count("starting again") == 5
    assert uploads["dropped"] == uploads["refused"] == uploads["waiting"] == 0
    assert summary["detections"] >= 0.9 * len(people)
    assert summary["classified"] + summary["unidentifiable"] == summary["detections"]
    assert summary["alerts_sent"] >= 1


def test_up_stops_everything_when_interrupted(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        until(lambda: "First login" in output_of(tmp_path))
        until(lambda: set(processes_of(tmp_path)) == {"mongod", "api", "classify", "notify"})
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
    assert not processes_of(tmp_path)
    assert output_of(tmp_path).count("stopped") == 4


def test_services_end_when_up_is_killed(tmp_path: Path) -> None:
    with up(tmp_path) as process:
        until(lambda: "First login" in output_of(tmp_path))
        process.kill()
        until(lambda: not processes_of(tmp_path), within_s=30)


def test_up_ends_with_the_panel_and_the_first_login_once(tmp_path: Path) -> None:
    first = _last_words(tmp_path)
    assert first[-1].startswith("First login  admin / ")
    assert first[-2].startswith("Panel        http://127.0.0.1:")
    assert any("--source rtsp://" in line for line in first)
    assert any("usher notify --init" in line for line in first)

    again = _last_words(tmp_path)
    assert again[-1].startswith("Panel        http://127.0.0.1:")


def test_up_says_what_to_do_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = _refused("--data", str(tmp_path), "--port", port)
    assert f"port {port} is in use" in result.stderr
    assert "--port" in result.stderr


def test_up_says_what_to_do_when_the_data_directory_is_in_use(tmp_path: Path) -> None:
    with up(tmp_path):
        until(lambda: "First login" in output_of(tmp_path))
        result = _refused("--data", str(tmp_path), "--port", str(free_port()))
    assert "in use" in result.stderr


def test_up_says_why_when_the_source_does_not_exist(tmp_path: Path) -> None:
    result = _refused(
        *("--data", str(tmp_path), "--port", str(free_port())),
        *("--source", "missing.mp4", "--exit-when-idle", "--json"),
    )
    assert "missing.mp4" in result.stderr
    assert not result.stdout


def _refused(*arguments: str) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, "-m", "usher", "up", *arguments],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result


def _last_words(data: Path) -> list[str]:
    """What `usher up` has printed when all runs."""
    with up(data) as process:
        until(lambda: "Panel " in output_of(data))
        time.sleep(1)
        lines = output_of(data).strip().splitlines()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
    return lines


def _panel_url(data: Path) -> str:
    until(lambda: "Panel " in output_of(data))
    (line,) = [line for line in output_of(data).splitlines() if line.startswith("Panel ")]
    return line.split()[-1]


def _stored(client: UsherClient) -> int:
    """How many detections are stored; 0 while the API or its database is away."""
    try:
        return client.stats().detections
    except UsherError:
        return 0


def _finished_line(data: Path) -> dict[str, Any]:
    """The last run's summary in the detector's log."""
    text = (data / "logs" / "detect.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    found: dict[str, Any] = [line for line in lines if line["event"] == "finished"][-1]
    return found


def _detect(system: RunningSystem, clip: Path) -> None:
    options = ["--camera-id", "stage", "--min-face-px", "60", "--api", system.url]
    command = ["detect", "--source", str(clip), *options]
    subprocess.run(
        [sys.executable, "-m", "usher", *command],
        env=_environment(USHER_API_KEY=system.device_key),
        check=True,
        timeout=ENDS_WITHIN_S,
        capture_output=True,
    )


def _enrolled(system: RunningSystem, name: str, photograph: Path) -> str:
    """Add a person with a photograph, as the panel does."""
    with httpx2.Client(base_url=system.url, timeout=30) as http:
        login = {"username": system.admin_username, "password": system.admin_password}
        session = http.post("/api/v1/session", json=login).raise_for_status().json()
        headers = {"X-CSRF-Token": session["csrf_token"]}
        created = http.post("/api/v1/persons", json={"name": name}, headers=headers)
        person_id: str = created.raise_for_status().json()["id"]
        http.post(
            f"/api/v1/persons/{person_id}/faces",
            files={"image": photograph.read_bytes()},
            headers=headers,
        ).raise_for_status()
    return person_id


def test_changed_setting_is_taken_up_without_anybody_starting_anything(tmp_path: Path) -> None:
    with up(tmp_path):
        until(lambda: "First login" in output_of(tmp_path))
        login = re.search(r"First login  (\w+) / (\S+)", output_of(tmp_path))
        assert login is not None
        log = tmp_path / "logs" / "classify.log"
        until(lambda: log.exists() and '"ready"' in log.read_text())
        before = processes_of(tmp_path)
        with httpx2.Client(base_url=f"{_panel_url(tmp_path)}/api/v1/") as client:
            credentials = {"username": login[1], "password": login[2]}
            session = client.post("session", json=credentials).json()
            client.headers["X-CSRF-Token"] = session["csrf_token"]
            changed = client.patch("settings", json={"identity_budget": 0.002}).json()
            assert changed["taken_up"] is False

            def taken_up() -> bool:
                try:
                    return bool(client.get("settings").json()["taken_up"])
                except (httpx2.TransportError, ValueError, KeyError):
                    return False  # it is starting again

            until(taken_up)
            assert client.get("settings").json()["identity_budget"] == 0.002
            assert client.get("stats/identity").json()["budget"] == 0.002
        until(lambda: processes_of(tmp_path)["classify"].pid != before["classify"].pid)
        assert processes_of(tmp_path)["mongod"].pid == before["mongod"].pid
