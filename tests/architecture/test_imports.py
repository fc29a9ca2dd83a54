"""Imports point one way: the contracts of `pyproject.toml`, and what loading a service loads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]

# Third-party packages that each room may import directly. What is not here is not allowed there.
ALLOWED = {
    "usher.domain": {"numpy"},
    "usher.identity": {"numpy"},
    "usher.vision": {"numpy", "cv2", "dlib", "lz4", "onnx", "onnxruntime", "PIL", "pydantic"}
    | {"structlog"},
    "usher.storage": {"numpy", "pymongo", "bson", "gridfs", "structlog"},
    "usher.wire": {"pydantic"},
    "usher.client": {"httpx2", "pydantic"},
}

SERVICES = {
    "services.detector.command": {"pymongo", "fastapi", "starlette", "uvicorn", "errbot"},
    "services.notifier.command": {"pymongo", "fastapi", "starlette", "uvicorn", "errbot", "cv2"},
    "services.classifier.command": {"fastapi", "starlette", "uvicorn", "errbot"},
    "services.classifier.models_command": {"fastapi", "starlette", "uvicorn", "errbot"},
    "usher.commands.enrol": {"pymongo", "fastapi", "starlette", "uvicorn", "errbot"},
    "usher.commands.annotate": {"pymongo", "fastapi", "starlette", "uvicorn", "errbot", "httpx2"},
    "usher.commands.doctor": {"pymongo", "fastapi", "cv2", "dlib", "numpy", "errbot"},
    "services.api.command": {"errbot"},
    "usher.cli": {"pymongo", "fastapi", "cv2", "dlib", "numpy", "errbot"},
}


# ---- Contracts ----------------------------------------------------------------------------------


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the `pyproject.toml` in `tree` against the packages beside it."""
    lint_imports = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [lint_imports, "--no-cache", "--no-logo"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source to break rules in."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in ("usher", "services"):
        shutil.copytree(
            ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return tmp_path


def test_imports_keep_every_contract() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in result.stdout


class Violation(NamedTuple):
    contract: str
    file: str
    statement: str


VIOLATIONS = [
    Violation("one-way", "usher/domain/geometry.py", "import usher.vision.align"),
    Violation("one-way", "usher/vision/align.py", "import usher.identity.decide"),
    Violation("one-way", "usher/identity/decide.py", "import services.api.errors"),
    Violation("one-way", "services/detector/config.py", "import usher.commands.up"),
    Violation("services-apart", "services/detector/config.py", "import services.api.errors"),
    Violation("storage-for-two", "services/notifier/sender.py", "import usher.storage.database"),
    Violation("light-detector", "services/detector/config.py", "import fastapi"),
    # Not the detector itself: something that it imports.
    Violation("light-detector", "usher/client.py", "import pymongo"),
    Violation("light-notifier", "services/notifier/sender.py", "import cv2"),
    Violation("errbot-apart", "usher/wire.py", "import errbot"),
]


@pytest.mark.parametrize("violation", VIOLATIONS, ids=lambda it: f"{it.contract}: {it.file}")
def test_contract_is_broken_by_an_import_against_it(tree: Path, violation: Violation) -> None:
    name = next(it["name"] for it in CONTRACTS if it["id"] == violation.contract)
    with (tree / violation.file).open("a", encoding="utf-8") as module:
        module.write(f"\n{violation.statement}\n")
    result = lint(tree)
    assert result.returncode != 0
    assert f"{name} BROKEN" in result.stdout


def test_every_contract_is_shown_to_break() -> None:
    assert {it["id"] for it in CONTRACTS} == {it.contract for it in VIOLATIONS}


def test_every_module_of_the_core_has_a_layer() -> None:
    layers = " ".join(next(it for it in CONTRACTS if it["id"] == "one-way")["layers"])
    modules = {path.stem for path in (ROOT / "usher").glob("*.py")} - {"__init__"}
    packages = {path.parent.name for path in (ROOT / "usher").glob("*/__init__.py")}
    assert {f"usher.{name}" for name in modules | packages} <= set(layers.split())


# ---- Third-party packages -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("usher", include_external_packages=True, cache_dir=None)


@pytest.mark.parametrize("room", ALLOWED)
def test_room_imports_only_the_packages_that_it_is_for(graph: grimp.ImportGraph, room: str) -> None:
    modules = {room, *graph.find_descendants(room)}
    imported = {
        target.partition(".")[0]
        for module in modules
        for target in graph.find_modules_directly_imported_by(module)
    }
    assert imported - {"usher", *sys.stdlib_module_names} <= ALLOWED[room]


# ---- What loading does --------------------------------------------------------------------------

_PROBE = """
import importlib, json, os, sys

done = []
EVENTS = ("socket.connect", "socket.bind", "subprocess.Popen", "os.exec", "os.posix_spawn",
          "os.mkdir", "os.remove", "os.rename")
CODE = (".py", ".pyc", ".so", ".pth", ".zip", ".toml", ".cfg", "METADATA", "entry_points.txt")
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/")
EDITABLE = "__editable__"  # no file: an entry of sys.path, where usher is installed from its source

def watch(event, arguments):
    if event in EVENTS:
        done.append([event, str(arguments[0])])
    if event == "open" and isinstance(arguments[0], str | os.PathLike):
        path = os.fspath(arguments[0])
        if not path.endswith(CODE) and not path.startswith((*SYSTEM, EDITABLE)):
            done.append([event, path])

sys.addaudithook(watch)
importlib.import_module(sys.argv[1])
packages = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"packages": packages, "done": done}))
"""


def load(module: str) -> dict[str, Any]:
    """Import a module in a process of its own: the packages loaded, and what was done meanwhile."""
    result = subprocess.run(
        [sys.executable, "-B", "-c", _PROBE, module],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


@pytest.fixture(scope="module", params=SERVICES)
def service(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    yield request.param, load(request.param)


def test_service_loads_no_package_that_it_can_do_without(
    service: tuple[str, dict[str, Any]],
) -> None:
    name, loaded = service
    assert not SERVICES[name] & set(loaded["packages"])


def test_service_opens_nothing_when_imported(service: tuple[str, dict[str, Any]]) -> None:
    _, loaded = service
    assert loaded["done"] == []


def test_probe_notices_a_module_that_opens_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "eager.py").write_text(
        "import socket\nsocket.socket().bind(('127.0.0.1', 0))\nopen('model.dat', 'w')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    events = [event for event, _ in load("eager")["done"]]
    assert "socket.bind" in events
    assert "open" in events
