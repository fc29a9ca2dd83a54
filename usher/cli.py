"""The command line. Each command is loaded when it is asked for.

So `usher detect` runs where only the detector's packages are installed, and `--help` is quick.
This module and `usher.commands` are the outermost layer: nothing imports them.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, NamedTuple

import typer
from rich.console import Console

from usher.domain.errors import ConfigurationError, UsherError


class _Lazy(NamedTuple):
    module: str
    extra: str
    help: str


_COMMANDS = {
    "up": _Lazy("usher.commands.up", "all", "Run everything on this machine."),
    "enrol": _Lazy("usher.commands.enrol", "all", "Add people from a folder of photographs."),
    "annotate": _Lazy("usher.commands.annotate", "vision", "Write names and boxes into a video."),
    "doctor": _Lazy("usher.commands.doctor", "all", "Check what is installed, and the networks."),
    "models": _Lazy("services.classifier.models_command", "classifier", "Change the face model."),
    "audit": _Lazy("services.api.audit_command", "api", "Check that the audit is as written."),
    "openapi": _Lazy("services.api.openapi_command", "api", "Print the REST API's description."),
    "detect": _Lazy("services.detector.command", "detector", "Find faces and upload them."),
    "api": _Lazy("services.api.command", "api", "Serve the REST API and the panel."),
    "classify": _Lazy("services.classifier.command", "classifier", "Say who each face is."),
    "notify": _Lazy("services.notifier.command", "notifier", "Send alerts to managers."),
}


class _LazyGroup(typer.core.TyperGroup):
    """A command group that imports a command's module when the command is used.

    `Any` stands for the types of the click that typer brings along and does not export.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        lazy = _COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        try:
            module = importlib.import_module(lazy.module)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"`usher {cmd_name}` needs the package {error.name}: "
                f"install usher with the extra [{lazy.extra}]"
            ) from error
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in _COMMANDS.items()])


_app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, rich_markup_mode=None)


@_app.callback()
def _root() -> None:
    """Usher: face recognition for the cameras of a place."""


def app() -> None:
    """Run the command line: an error that Usher foresaw is one line and exit status 1."""
    # Before NumPy is loaded: its products are small, and threads of their own would fight with the
    # networks' for the same cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        _app()
    except UsherError as error:
        console = Console(stderr=True)
        console.print(f"usher: {error}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(1)
