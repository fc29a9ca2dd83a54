"""`usher enrol` as a user runs it: a real API, real photographs, a real clip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningSystem, free_port
from usher.client import UsherClient
from usher.wire import Person, PersonCreate

WITHIN_S = 120.0
MIRANDA = Path("enrol/lin-manuel-miranda/1.png")
OBAMA = Path("enrol/barack-obama")
CLIP = Path("videos/head-pose-face-detection-male.gif")


def run_enrol(
    system: RunningSystem, folder: Path, *options: str, password: str | None = None
) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("USHER_")}
    return subprocess.run(
        [sys.executable, "-m", "usher", "enrol", str(folder), "--api", system.url, *options],
        env={
            **ours,
            "USHER_USERNAME": system.admin_username,
            "USHER_PASSWORD": password or system.admin_password,
        },
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def enrol(system: RunningSystem, folder: Path, *, status: int = 0) -> dict[str, Any]:
    """Run `usher enrol … --json`; its summary."""
    result = run_enrol(system, folder, "--json")
    assert result.returncode == status, result.stderr
    summary: dict[str, Any] = json.loads(result.stdout)
    return summary


def persons_named(system: RunningSystem, name: str) -> list[Person]:
    return [person for person in system.admin.persons(q=name).items if person.name == name]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "people").mkdir()
    return tmp_path / "people"


def test_enrol_adds_people_named_by_file_and_by_folder(
    test_data: Path, running_system: RunningSystem, folder: Path
) -> None:
    shutil.copy(test_data / MIRANDA, folder / "Lin-Manuel Miranda.png")
    shutil.copytree(test_data / OBAMA, folder / "Barack Obama")
    summary = enrol(running_system, folder)
    assert (summary["persons"], summary["new_persons"], summary["added"]) == (2, 2, 3)
    assert summary["refused"] == []
    (obama,) = persons_named(running_system, "Barack Obama")
    assert obama.faces == 2

    again = enrol(running_system, folder)
    assert (again["new_persons"], again["added"], again["present"]) == (0, 0, 3)
    (obama,) = persons_named(running_system, "Barack Obama")
    assert obama.faces == 2


def test_enrol_says_whom_somebody_new_looks_like(
    test_data: Path, running_system: RunningSystem, folder: Path
) -> None:
    forget(running_system, test_data / OBAMA / "1.jpg")
    shutil.copytree(test_data / OBAMA, folder / "Barack Obama")
    (first,) = enrol(running_system, folder)["people"]
    assert first["looks_like"] is None

    (folder / "Barack Obama").rename(folder / "Barack H. Obama")
    (second,) = enrol(running_system, folder)["people"]
    assert second["is_new"]
    assert second["looks_like"] == {"id": first["id"], "name": "Barack Obama"}
    (folder / "Barack H. Obama").rename(folder / "B. Obama")
    assert "looks like" in run_enrol(running_system, folder).stdout


def forget(system: RunningSystem, photograph: Path) -> None:
    """Delete everybody whom a photograph shows."""
    with UsherClient(system.url, timeout_s=60) as client:
        client.sign_in(system.admin_username, system.admin_password)
        while person := client.identify(photograph.read_bytes()).faces[0].person:
            client.delete_person(person.id)


def test_enrolled_person_is_recognised(
    test_data: Path, running_system: RunningSystem, folder: Path
) -> None:
    shutil.copy(test_data / OBAMA / "1.jpg", folder / "Obama by one photograph.jpg")
    enrol(running_system, folder)
    detection_id = running_system.upload(test_data / OBAMA / "2.jpg", "door")
    deadline = time.monotonic() + WITHIN_S
    while (seen := running_system.admin.detection(detection_id)).person is None:
        assert time.monotonic() < deadline, seen.status
        time.sleep(0.1)
    assert "Obama" in (seen.person.name or "")


def test_enrol_keeps_different_poses_of_a_video_and_no_more_of_them_when_repeated(
    test_data: Path, running_system: RunningSystem, folder: Path
) -> None:
    shutil.copy(test_data / CLIP, folder / "Man Who Turns.gif")
    summary = enrol(running_system, folder)
    assert 2 <= summary["added"] <= 8
    (man,) = persons_named(running_system, "Man Who Turns")
    assert man.faces == summary["added"]

    again = enrol(running_system, folder)
    assert (again["added"], again["present"]) == (0, summary["added"])


def test_enrol_lists_what_is_refused_and_goes_on(
    test_data: Path, running_system: RunningSystem, folder: Path
) -> None:
    shutil.copy(test_data / "bad-images/truncated.jpg", folder / "Ada.jpg")
    shutil.copy(test_data / "groups/bald_guys.jpg", folder / "Bob.jpg")
    shutil.copy(test_data / "enrol/joe-biden/1.jpg", folder / "Joe Biden.jpg")
    (folder / "notes.txt").write_text("nothing to see")
    result = run_enrol(running_system, folder)
    assert result.returncode == 1
    assert "Joe Biden" in result.stdout
    assert "1 photograph added" in result.stdout
    refused = result.stdout.partition("Refused:")[2]
    assert "Ada.jpg: the JPEG is truncated" in refused
    assert "Bob.jpg: the photograph shows" in refused
    assert "notes.txt: neither a photograph" in refused
    assert "3 refused" in refused
    assert persons_named(running_system, "Joe Biden")
    assert not persons_named(running_system, "Ada")
    assert not persons_named(running_system, "Bob")


def test_enrol_refuses_a_name_that_two_people_have(
    test_data: Path, running_system: RunningSystem, folder: Path
) -> None:
    with UsherClient(running_system.url, timeout_s=60) as client:
        client.sign_in(running_system.admin_username, running_system.admin_password)
        twins = [client.create_person(PersonCreate(name="Twin")) for _ in range(2)]
    shutil.copy(test_data / MIRANDA, folder / "Twin.png")
    summary = enrol(running_system, folder, status=1)
    (refused,) = summary["refused"]
    assert refused["file"] == "Twin.png"
    assert all(twin.id in refused["reason"] for twin in twins)
    assert [person.faces for person in persons_named(running_system, "Twin")] == [0, 0]


def test_enrol_says_so_when_the_password_is_wrong(
    running_system: RunningSystem, folder: Path
) -> None:
    (folder / "Ada.jpg").write_bytes(b"x")
    result = run_enrol(running_system, folder, password="not the password")
    assert result.returncode == 1
    assert "the name or the password is wrong" in result.stderr
    assert "not the password" not in result.stderr
    assert not result.stdout


def test_enrol_says_so_when_no_api_answers(running_system: RunningSystem, folder: Path) -> None:
    (folder / "Ada.jpg").write_bytes(b"x")
    url = f"http://127.0.0.1:{free_port()}"
    result = run_enrol(running_system, folder, "--api", url)
    assert result.returncode == 1
    assert "does not answer" in result.stderr
    assert "Traceback" not in result.stderr


def test_enrol_refuses_a_photograph_that_is_too_large_and_goes_on(
    test_data: Path, running_system: RunningSystem, folder: Path
) -> None:
    (folder / "Huge.jpg").write_bytes(b"\xff\xd8\xff" + bytes(40_000_000))
    shutil.copy(test_data / MIRANDA, folder / "Small.png")
    summary = enrol(running_system, folder, status=1)
    (refused,) = summary["refused"]
    assert refused["file"] == "Huge.jpg"
    assert "larger than" in refused["reason"]
    assert summary["added"] == 1
