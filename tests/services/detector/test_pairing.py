"""A device comes to its key, from the real API."""

from __future__ import annotations

import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from services.detector import pairing
from services.detector.pairing import is_private, pair
from tests.running import RunningSystem, run_system
from usher.client import UsherClient
from usher.domain.errors import ConfigurationError, NotAuthenticated, Unavailable
from usher.wire import API_PREFIX, CSRF_HEADER, CameraReport

from .test_command import USHER


@pytest.fixture(scope="module")
def system(mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with run_system(mongodb_uri, tmp_path_factory.mktemp("api"), classify=False) as system:
        yield system


@pytest.fixture(scope="module")
def admin(system: RunningSystem) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=system.url + API_PREFIX) as admin:
        credentials = {"username": system.admin_username, "password": system.admin_password}
        session = admin.post("/session", json=credentials).json()
        admin.headers[CSRF_HEADER] = session["csrf_token"]
        yield admin


@pytest.fixture
def code(admin: httpx2.Client) -> str:
    return str(admin.post("/pairing-codes", json={"name": "Front door"}).json()["code"])


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "detector.key"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def report_with(system: RunningSystem, key: str) -> None:
    report = CameraReport.model_validate({"state": "live", "since": "2026-03-01T12:00:00Z"})
    with UsherClient(system.url, key) as client:
        client.report_camera("door", report)


def test_key_is_fetched_and_kept_for_this_user_alone(
    system: RunningSystem, code: str, key_file: Path
) -> None:
    umask = os.umask(0)  # the worst that a shell may have set
    try:
        device = pair(system.url, code.lower(), key_file)
    finally:
        os.umask(umask)
    assert device.name == "Front door"
    assert key_file.read_text() == device.key + "\n"
    assert (mode_of(key_file), mode_of(key_file.parent)) == (0o600, 0o700)
    assert list(key_file.parent.iterdir()) == [key_file]
    report_with(system, device.key)


def test_key_is_never_overwritten_and_the_code_stays_good(
    system: RunningSystem, code: str, key_file: Path
) -> None:
    key_file.parent.mkdir()
    key_file.write_text("of before\n")
    with pytest.raises(ConfigurationError, match=r"already: .* delete that file .* --key-file"):
        pair(system.url, code, key_file)
    assert key_file.read_text() == "of before\n"
    pair(system.url, code, key_file.with_name("other.key"))


def test_key_is_not_written_through_a_link_that_leads_elsewhere(
    system: RunningSystem, code: str, key_file: Path, tmp_path: Path
) -> None:
    key_file.parent.mkdir()
    key_file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="already"):
        pair(system.url, code, key_file)
    assert not (tmp_path / "elsewhere").exists()


def test_nothing_is_left_and_the_code_stays_good_when_the_key_cannot_be_kept(
    system: RunningSystem, code: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"no key can be kept in .*: "):
        pair(system.url, code, tmp_path / "file" / "detector.key")
    pair(system.url, code, tmp_path / "detector.key")


def test_nothing_is_left_when_the_code_is_wrong_or_the_api_is_away(
    system: RunningSystem, key_file: Path
) -> None:
    with pytest.raises(NotAuthenticated, match="make a new one in the panel"):
        pair(system.url, "0000-0000", key_file)
    with pytest.raises(Unavailable):
        pair("http://127.0.0.1:1", "0000-0000", key_file)
    assert list(key_file.parent.iterdir()) == []


def test_file_that_came_meanwhile_is_not_replaced(
    system: RunningSystem, code: str, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = pairing._write

    def write(descriptor: int, content: bytes) -> None:
        written(descriptor, content)
        key_file.write_text("of another\n")

    monkeypatch.setattr(pairing, "_write", write)
    with pytest.raises(ConfigurationError, match="already"):
        pair(system.url, code, key_file)
    assert key_file.read_text() == "of another\n"
    assert list(key_file.parent.iterdir()) == [key_file]


def test_one_of_two_gets_the_key_when_they_come_with_one_code(
    system: RunningSystem, code: str, tmp_path: Path
) -> None:
    refused: list[Exception] = []

    def come(n: int) -> None:
        try:
            pair(system.url, code, tmp_path / f"{n}.key")
        except NotAuthenticated as error:
            refused.append(error)

    threads = [threading.Thread(target=come, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert len(list(tmp_path.glob("*.key"))) == 1


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://usher.example", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000/", True),
        ("http://[::1]:8000", True),
        ("http://10.0.0.7:8000", False),
        ("http://usher.example", False),
    ],
)
def test_address_is_private_when_nobody_on_the_way_can_read(url: str, private: bool) -> None:
    assert is_private(url) == private


def detect(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`usher detect`, in that directory, with nothing of ours in its environment."""
    inherited = {name: value for name, value in os.environ.items() if "USHER" not in name}
    return subprocess.run(
        [USHER, "detect", *arguments],
        cwd=directory,
        env=inherited,
        capture_output=True,
        text=True,
        check=False,
    )


def test_command_pairs_and_says_what_is_next(
    system: RunningSystem, code: str, tmp_path: Path
) -> None:
    done = detect(tmp_path, "--pair", code, "--api", system.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "“Front door”" in done.stdout
    assert f"usher detect --source 0 --camera-id front-door --api {system.url}" in done.stdout
    assert "plain HTTP" not in done.stdout
    key = (tmp_path / "data" / "detector.key").read_text().strip()
    assert key not in done.stdout
    report_with(system, key)


def test_command_says_for_which_cameras_the_key_is(
    system: RunningSystem, admin: httpx2.Client, tmp_path: Path
) -> None:
    wanted = {"name": "Yard", "cameras": ["yard", "gate"]}
    code = str(admin.post("/pairing-codes", json=wanted).json()["code"])
    done = detect(tmp_path, "--pair", code, "--api", system.url)
    assert (done.returncode, done.stderr) == (0, "")
    assert "It is for gate, yard and no other camera." in done.stdout
    assert "usher detect --source 0 --camera-id gate --api" in done.stdout


def test_command_fails_with_one_clear_line_when_the_code_is_wrong(
    system: RunningSystem, tmp_path: Path
) -> None:
    done = detect(tmp_path, "--pair", "0000-0000", "--api", system.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "make a new one in the panel" in done.stderr
    assert "Traceback" not in done.stderr
