"""`usher audit`: whether the audit trail is as it was written."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from usher.domain.errors import ConfigurationError
from usher.observability import configure_logging
from usher.settings import Settings, load_settings
from usher.storage.audit import Audit, Verdict
from usher.storage.database import connected
from usher.storage.embedded import uri_of_running

app = typer.Typer()


@app.command()
def audit(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    expect: Annotated[
        str | None,
        typer.Option(help="The digest of an earlier run: it has to be in the chain still."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data directory.")] = None,
) -> None:
    """Check that no entry of the audit was changed, put in or taken out. Exit status 1: one was.

    Note the digest that it prints where nobody who can write to the database can change it: given
    back as --expect, it shows that the end was not cut off and the whole was not made anew.
    """
    settings = load_settings(Settings, data=data)
    configure_logging("audit", settings.log_level)
    verdict, expected = asyncio.run(_verified(settings, expect))
    holds = verdict.broken_at is None and expected
    found = {
        "intact": holds,
        "entries": verdict.entries,
        "broken_at": verdict.broken_at,
        "digest": verdict.digest,
        "expected": expected,
    }
    sys.stdout.write(f"{json.dumps(found) if as_json else _in_words(verdict, expected)}\n")
    if not holds:
        raise typer.Exit(1)


async def _verified(settings: Settings, expect: str | None) -> tuple[Verdict, bool]:
    """What came of the check, and whether the expected digest, if any, is in the chain."""
    async with connected(_uri(settings), settings.mongodb_database) as database:
        trail = Audit(database)
        return await trail.verify(), expect is None or await trail.holds(expect)


def _uri(settings: Settings) -> str:
    if settings.mongodb_uri is not None:
        return settings.mongodb_uri.get_secret_value()
    running = uri_of_running(settings.data / "mongodb")
    if running is None:
        raise ConfigurationError(
            f"no `usher up` runs on {settings.data}: start it, or set USHER_MONGODB_URI"
        )
    return running


def _in_words(verdict: Verdict, expected: bool) -> str:
    if verdict.broken_at is not None:
        return f"Entry {verdict.broken_at} was changed or taken out; those before it are whole."
    if not expected:
        return "The expected digest is not in the chain: entries were cut off or made anew."
    return f"All {verdict.entries} entries are as they were written.\nDigest: {verdict.digest}"
