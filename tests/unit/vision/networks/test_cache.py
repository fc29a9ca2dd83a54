"""Built graphs are kept, checked, and built again where they are damaged."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from usher.vision.networks.cache import Recipe, graph_path, load_graph, user_cache_folder


class Builder:
    """Counts what it builds."""

    def __init__(self) -> None:
        self.built = 0

    def __call__(self, weights: bytes) -> bytes:
        self.built += 1
        return b"graph of " + weights


@pytest.fixture
def builder() -> Builder:
    return Builder()


@pytest.fixture
def recipe(builder: Builder) -> Recipe:
    return Recipe("net", 1, builder)


def test_load_graph_builds_once(tmp_path: Path, builder: Builder, recipe: Recipe) -> None:
    folder = tmp_path / "not" / "yet"
    assert [load_graph(b"a", recipe, folder) for _ in range(3)] == [b"graph of a"] * 3
    assert builder.built == 1


def test_load_graph_keeps_other_weights_apart(
    tmp_path: Path, builder: Builder, recipe: Recipe
) -> None:
    assert load_graph(b"a", recipe, tmp_path) == b"graph of a"
    assert load_graph(b"b", recipe, tmp_path) == b"graph of b"
    assert load_graph(b"a", recipe, tmp_path) == b"graph of a"
    assert builder.built == 2
    assert len(list(tmp_path.glob("*.onnx"))) == 2


def test_load_graph_builds_again_when_the_builder_is_newer(
    tmp_path: Path, builder: Builder, recipe: Recipe
) -> None:
    load_graph(b"a", recipe, tmp_path)
    load_graph(b"a", Recipe("net", 2, builder), tmp_path)
    assert builder.built == 2


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _binary(path: Path) -> None:
    path.write_bytes(b"\xff" * 64)


@pytest.mark.parametrize("damage", [_truncate, _flip, _empty, _binary, Path.unlink])
@pytest.mark.parametrize("suffix", ["", ".sha256"])
def test_load_graph_builds_again_when_the_cache_is_damaged(
    tmp_path: Path,
    builder: Builder,
    recipe: Recipe,
    damage: Callable[[Path], None],
    suffix: str,
) -> None:
    load_graph(b"a", recipe, tmp_path)
    path = graph_path(b"a", recipe, tmp_path)
    damage(path.with_name(path.name + suffix))
    assert load_graph(b"a", recipe, tmp_path) == b"graph of a"
    assert builder.built == 2
    assert load_graph(b"a", recipe, tmp_path) == b"graph of a"
    assert builder.built == 2


def test_load_graph_gives_every_builder_at_once_a_whole_graph(tmp_path: Path) -> None:
    graph = bytes(3_000_000)
    recipe = Recipe("net", 1, lambda _: graph)
    with ThreadPoolExecutor(8) as pool:
        graphs = list(pool.map(lambda _: load_graph(b"a", recipe, tmp_path), range(40)))
    assert all(found == graph for found in graphs)
    assert len(list(tmp_path.iterdir())) == 2  # the graph and its hash: nothing half-written


def test_load_graph_goes_without_a_cache_when_there_is_none(
    builder: Builder, recipe: Recipe
) -> None:
    assert load_graph(b"a", recipe, None) == b"graph of a"
    assert builder.built == 1


def test_load_graph_goes_without_a_cache_when_it_cannot_be_written(
    tmp_path: Path, builder: Builder, recipe: Recipe
) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    assert load_graph(b"a", recipe, file / "cache") == b"graph of a"


def test_load_graph_goes_without_a_cache_when_it_cannot_be_read(
    tmp_path: Path, builder: Builder, recipe: Recipe
) -> None:
    graph_path(b"a", recipe, tmp_path).mkdir()
    assert load_graph(b"a", recipe, tmp_path) == b"graph of a"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/var/cache/me", "/var/cache/me/usher"),
        ("", "/home/me/.cache/usher"),
        ("not/absolute", "/home/me/.cache/usher"),
    ],
)
def test_user_cache_folder_follows_the_xdg_specification(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", "/home/me")
    assert user_cache_folder() == Path(expected)


def test_user_cache_folder_is_none_when_the_account_has_no_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert user_cache_folder() is None
