"""What holds for the repository as a whole: locks, sizes, decision records, settings."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from services.notifier.settings import NotifierSettings

ROOT = Path(__file__).resolve().parents[2]
LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), *sorted(ROOT.glob("services/**/*.lock"))]
PYTHON_LOCKS = [lock for lock in LOCKS if lock.name != "debian.txt"]
SERVICES = ("api", "classifier", "detector", "notifier")

MAX_FILE_BYTES = 1024 * 1024
ADDRESS = re.compile(
    r"://|--(extra-)?index|--find-links|@ *file:|\b[\w-]+(\.[\w-]+)*\.(org|com|io)\b"
)
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def _pins(lock: Path) -> dict[str, str]:
    return dict(PIN.findall(lock.read_text("utf-8")))


# ---- Locks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_lock_names_no_place_to_download_from(lock: Path) -> None:
    assert not ADDRESS.search(lock.read_text("utf-8"))


@pytest.mark.parametrize(
    "line",
    [
        "six @ https://files.example.org/six.whl",
        "--extra-index-url file:///srv/packages",
        "--find-links wheels",
        "# from packages.example.com",
    ],
)
def test_address_is_noticed_in_a_lock(line: str) -> None:
    assert ADDRESS.search(line)


@pytest.mark.parametrize("lock", PYTHON_LOCKS, ids=lambda path: path.name)
def test_lock_gives_a_hash_for_every_package(lock: Path) -> None:
    entries = re.split(r"\n(?=\S)", lock.read_text("utf-8").strip())
    assert all(PIN.match(entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("service", SERVICES)
def test_service_runs_the_versions_that_were_tested(service: str) -> None:
    tested = _pins(ROOT / "requirements" / "dev.txt")
    pins = _pins(ROOT / "requirements" / f"{service}.txt")
    assert pins.items() <= tested.items()


@pytest.mark.parametrize(
    ("service", "unwanted"),
    [
        ("detector", {"pymongo", "fastapi", "starlette", "uvicorn"}),
        ("notifier", {"pymongo", "fastapi", "starlette", "uvicorn", "dlib-bin"}),
        ("classifier", {"fastapi", "starlette", "uvicorn"}),
    ],
)
def test_service_installs_without_what_it_can_do_without(service: str, unwanted: set[str]) -> None:
    assert not unwanted & _pins(ROOT / "requirements" / f"{service}.txt").keys()


def test_errbot_is_locked_for_the_bot_alone() -> None:
    holders = {lock.name for lock in PYTHON_LOCKS if "errbot" in _pins(lock)}
    assert holders == {"requirements.lock"}


def test_panel_lock_names_no_place_to_download_from() -> None:
    lock = json.loads((ROOT / "admin" / "package-lock.json").read_text("utf-8"))
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_panel_lock_holds_every_package_that_it_refers_to() -> None:
    """Also those for other platforms: `npm ci` refuses a lock that left one out."""
    packages = json.loads((ROOT / "admin" / "package-lock.json").read_text("utf-8"))["packages"]
    known = {name.rpartition("node_modules/")[2] for name in packages}
    referred = {
        name
        for package in packages.values()
        for kind in ("dependencies", "optionalDependencies")
        for name in package.get(kind, {})
    }
    assert referred <= known


# ---- Files --------------------------------------------------------------------------------------


def _listed(*options: str) -> list[Path]:
    command = ["git", "ls-files", "-z", *options]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name]


def _tracked() -> list[Path]:
    return [path for path in _listed() if path.is_file()]


def test_nothing_that_is_ignored_is_tracked() -> None:
    assert _listed("--cached", "--ignored", "--exclude-standard") == []


def test_no_tracked_file_is_large() -> None:
    assert [path.name for path in _tracked() if path.stat().st_size > MAX_FILE_BYTES] == []


def test_no_secrets_file_is_tracked() -> None:
    secret = {".env", ".npmrc.local", "detector.key", "notifier.key"}
    assert [path.name for path in _tracked() if path.name in secret] == []


def test_nothing_names_the_weights_that_forbid_commercial_use() -> None:
    sources = [*(ROOT / "usher").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    assert [path for path in sources if "68_face" in path.read_text("utf-8")] == []


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    numbers = [int(name.partition("-")[0]) for name in names]
    assert numbers == list(range(1, len(numbers) + 1))


# ---- Words that must agree ----------------------------------------------------------------------


def _example() -> set[str]:
    text = (ROOT / ".env.example").read_text("utf-8")
    return set(re.findall(r"^#? ?(USHER_[A-Z_]+)=", text, re.MULTILINE))


def test_example_lists_every_setting() -> None:
    settings = {f"USHER_{name.upper()}" for name in NotifierSettings.model_fields}
    assert settings - _example() == set()


def test_example_lists_what_the_containers_read_and_nothing_unknown() -> None:
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    containers = set(re.findall(r"\$\{(USHER_[A-Z_]+)", compose))
    settings = {f"USHER_{name.upper()}" for name in NotifierSettings.model_fields}
    assert containers - _example() == set()
    assert _example() - settings - containers == set()


def test_readme_names_the_packages_that_ci_installs() -> None:
    packages = (ROOT / "requirements" / "debian.txt").read_text("utf-8").split()
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"apt-get install ([a-z0-9 -]+)", readme)
    assert sorted(" ".join(commands).split()) == sorted(packages)
