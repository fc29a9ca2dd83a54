"""`usher openapi`: what a client of the REST API is generated from."""

from __future__ import annotations

import json
import sys

import typer

from services.api.app import version_1
from services.api.contract import describe

app = typer.Typer()


@app.command()
def openapi() -> None:
    """Print the OpenAPI document of the REST API, as `GET /api/v1/openapi.json` answers it.

    It needs no database and no running system.
    """
    sys.stdout.write(f"{json.dumps(describe(version_1()), indent=2)}\n")
