"""Graphs are built once, and kept.

A graph lies in the cache under the hash of the weights that it was built from and the version of
its builder, so that no other weights and no older builder is ever mistaken for it. Its own hash
lies beside it and is checked on every load. The folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the graph of a kind of network comes about.

    Attributes
    ----------
    name
        Of the kind; begins the file's name.
    version
        Of the builder: another one builds another graph from the same weights.
    build
        Weights to an ONNX model.
    """

    name: str
    version: int
    build: Callable[[bytes], bytes]


def load_graph(weights: bytes, recipe: Recipe, folder: Path | None) -> bytes:
    """The graph of a network, built where the cache does not hold it whole.

    Any number of processes may do this at once: each sees no graph or a whole one. Where the cache
    cannot be read or written, the graph is built (a quarter of a second) and not kept.

    Parameters
    ----------
    weights
        The file as published.
    recipe
        How to build the graph.
    folder
        The cache, made if it is missing; None: there is none.

    Raises
    ------
    ConfigurationError
        If the weights do not fit the recipe.
    """
    if folder is None:
        return recipe.build(weights)
    path = graph_path(weights, recipe, folder)
    cached = _verified(path)
    if cached is not None:
        return cached
    graph = recipe.build(weights)
    _keep(path, graph)
    return graph


def graph_path(weights: bytes, recipe: Recipe, folder: Path) -> Path:
    """Where the cache keeps the graph of these weights."""
    return folder / f"{recipe.name}-{_digest(weights)[:32]}-{recipe.version}.onnx"


def user_cache_folder() -> Path | None:
    """The cache of this account: `usher` in `XDG_CACHE_HOME`, or in `.cache` of its home.

    Returns
    -------
    Path or None
        None where the account has no home. A relative `XDG_CACHE_HOME` does not count, as the XDG
        Base Directory Specification says.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "usher"
    try:
        return Path.home() / ".cache" / "usher"
    except RuntimeError:
        return None


def _verified(path: Path) -> bytes | None:
    """The graph, if it is there and is what was written."""
    try:
        graph = path.read_bytes()
        expected = _hash_path(path).read_text("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        log.warning("a cached network cannot be read", path=str(path), error=str(error))
        return None
    if _digest(graph) == expected:
        return graph
    log.warning("a cached network is damaged: it is built again", path=str(path))
    return None


def _keep(path: Path, graph: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, graph)
        _write(_hash_path(path), _digest(graph).encode())
    except OSError as error:
        log.info("a network is not cached", path=str(path), error=str(error))


def _write(path: Path, content: bytes) -> None:
    """Put a whole file in place at once."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _hash_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
