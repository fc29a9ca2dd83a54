"""`usher models`: which model describes faces, and how to change it without losing anybody."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.classifier.comparison import Errors, Share
from services.classifier.models import Models, Report
from usher.domain.errors import ConfigurationError
from usher.observability import configure_logging
from usher.settings import Settings, load_settings
from usher.storage.database import Database, connected
from usher.storage.embedded import uri_of_running
from usher.storage.embeddings import KINDS, Embeddings
from usher.storage.operating import Operating
from usher.storage.serving import Named
from usher.vision.pipeline import FacePipeline, make_pipeline
from usher.vision.runtime import Runtime

app = typer.Typer(rich_markup_mode=None)

Result = TypeVar("Result")
Work = Callable[[Models, Database], Awaitable[Result]]

_NICENESS = 10
_REASONS_SHOWN = 5
_WORDS = {"detections": "detections", "faces": "references"}

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Data = Annotated[Path | None, typer.Option(help="Data directory, with the crops.")]
Incomplete = Annotated[
    bool, typer.Option(help="At once, also where vectors are missing: these are left out.")
]


@app.callback(invoke_without_command=True)
def models(context: typer.Context, as_json: Json = False, data: Data = None) -> None:
    """Show which model describes faces, and change it: prepare, compare, switch, back.

    Works on the database of USHER_MONGODB_URI, or on that of the `usher up` that runs on the data
    directory.
    """
    context.obj = load_settings(Settings, data=data)
    configure_logging("models", context.obj.log_level)
    if context.invoked_subcommand is None:
        _print_status(_run(context.obj, _status), as_json=as_json)


@app.command()
def prepare(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="dlib-crops, dlib-mirrored, dlib, or a model card's path.")
    ],
) -> None:
    """Describe all faces by another model too, from their pictures, while Usher runs.

    May be broken off and begun again.
    """
    os.nice(_NICENESS)
    settings = load_settings(Settings, data=context.obj.data, embedder=name)

    async def work(models: Models, database: Database) -> dict[str, Any]:
        await models.prepare(settings.embedder_name)
        return await _status(models, database)

    _print_status(_run(settings, work), as_json=False)


@app.command()
def compare(context: typer.Context, as_json: Json = False) -> None:
    """Compare both models on the references of the people you know."""

    async def work(models: Models, database: Database) -> dict[str, Any]:
        beside, errors = await models.compare()
        serving = await models.serving()
        return {
            "people": len(set(beside.person_ids)),
            "references": len(beside.person_ids),
            "models": {
                embedder.name: _figures(errors[embedder.model])
                for embedder in (serving.embedder, serving.other)
                if embedder is not None
            },
        }

    found = _run(context.obj, work)
    if as_json:
        _write_json(found)
    else:
        _print_comparison(found)


@app.command()
def switch(context: typer.Context, incomplete: Incomplete = False) -> None:
    """Let the prepared model serve. Also ends a change that was broken off."""
    _announce(_run(context.obj, lambda models, _: models.switch(incomplete=incomplete)))


@app.command()
def back(context: typer.Context, incomplete: Incomplete = False) -> None:
    """Let the model serve that did before. Also takes back a change that was broken off."""
    _announce(_run(context.obj, lambda models, _: models.back(incomplete=incomplete)))


# ---- Running -------------------------------------------------------------------------------------


def _run(settings: Settings, work: Work[Result]) -> Result:
    runtime = Runtime(
        threads=settings.threads, provider=settings.provider, model_cache=settings.model_cache
    )

    def load(name: str) -> FacePipeline:
        return make_pipeline(runtime, name)

    async def run() -> Result:
        async with _database(settings) as database:
            budget = await Operating(database).identity_budget(settings.identity_budget)
            current = settings.model_copy(update={"identity_budget": budget})
            with _bars() as report:
                models = Models(current, database, load=load, report=report)
                return await work(models, database)

    return asyncio.run(run())


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    if settings.mongodb_uri is not None:
        uri: str | None = settings.mongodb_uri.get_secret_value()
    else:
        uri = uri_of_running(settings.data / "mongodb")
    if uri is None:
        raise ConfigurationError(
            f"no `usher up` runs on {settings.data}: start it, or set USHER_MONGODB_URI"
        )
    async with connected(uri, settings.mongodb_database) as database:
        yield database


@contextmanager
def _bars() -> Iterator[Report]:
    """Bars on a terminal, one a kind from its first progress on."""
    console = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        tasks = {kind: progress.add_task(_WORDS[kind], visible=False) for kind in KINDS}

        def report(kind: str, done: int, total: int) -> None:
            progress.update(tasks[kind], completed=done, total=total, visible=True)

        yield report


# ---- What it says --------------------------------------------------------------------------------


async def _status(models: Models, database: Database) -> dict[str, Any]:
    serving = await models.serving()
    embeddings = Embeddings(database)
    found: dict[str, Any] = {"changing": serving.changing, "served_before": serving.served_before}
    for role, embedder in (("serving", serving.embedder), ("other", serving.other)):
        found[role] = embedder and {
            "name": embedder.name,
            "model": embedder.model,
            **{kind: await _standing(embeddings, kind, embedder.model) for kind in KINDS},
        }
    return found


async def _standing(embeddings: Embeddings, kind: str, model: str) -> dict[str, Any]:
    standing = await embeddings.standing(kind, model)
    return {
        "total": standing.total,
        "ready": standing.ready,
        "beside": standing.beside,
        "failed": await embeddings.failures(kind, model) if standing.failed else {},
    }


def _print_status(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        _write_json(found)
        return
    other = "served before" if found["served_before"] else "prepared"
    for role, word in (("serving", "serves"), ("other", other)):
        embedder = found[role]
        if embedder is not None:
            _say(f"{word:<14} {embedder['name']} ({embedder['model']}): {_told(embedder)}")
            _print_failures(embedder)
    if not found["changing"] and any(found["serving"][kind]["beside"] for kind in KINDS):
        name = found["serving"]["name"]
        _say(f"Some of its vectors are not in their place yet: `usher models prepare {name}`.")
    if found["changing"]:
        _say(
            "A change to the other model was begun: `usher models switch` ends it, `usher models "
            "back` takes it back. Until then nobody is assigned."
        )


def _print_failures(embedder: dict[str, Any]) -> None:
    for kind in KINDS:
        for reason, count in list(embedder[kind]["failed"].items())[:_REASONS_SHOWN]:
            _say(f"{'':<14} {count} {_WORDS[kind]}: {reason}")


def _told(standings: dict[str, Any]) -> str:
    return ", ".join(
        f"{standings[kind]['ready']} of {standings[kind]['total']} {_WORDS[kind]}" for kind in KINDS
    )


def _announce(embedder: Named) -> None:
    _say(
        f"{embedder.name} ({embedder.model}) serves. Services of another model end by themselves, "
        "and whatever keeps them running starts them again with this one."
    )


def _figures(errors: Errors) -> dict[str, Any]:
    return {
        "missed": _share(errors.missed),
        "accepted": _share(errors.accepted),
    }


def _share(share: Share) -> dict[str, Any]:
    return {"count": share.count, "total": share.total, "interval": share.interval}


def _print_comparison(found: dict[str, Any]) -> None:
    table = Table("", *found["models"], box=None, pad_edge=False)
    each = list(found["models"].values())
    table.add_row("references missed", *(_in_words(figures["missed"]) for figures in each))
    table.add_row("strangers accepted", *(_in_words(figures["accepted"]) for figures in each))
    _say(
        f"{found['references']} references of {found['people']} people, each compared with all "
        "others. Shares are followed by their 95% intervals."
    )
    Console(highlight=False).print(table)


def _in_words(share: dict[str, Any]) -> str:
    if not share["total"]:
        return "nothing to tell from"
    low, high = share["interval"]
    return f"{share['count']} of {share['total']}, {low:.1%} to {high:.1%}"


def _say(words: str) -> None:
    Console(highlight=False).print(words, markup=False, soft_wrap=True)


def _write_json(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
