"""Settings that follow from one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from usher.domain.errors import ConfigurationError
from usher.settings import Settings, load_settings
from usher.vision.embed import EMBEDDERS


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no `.env` lies, and with nothing in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("USHER_EMBEDDER", "USHER_IDENTITY_RULE", "USHER_IDENTITY_FIXED_DISTANCE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "dlib-crops"),
        ({"identity_rule": "budget"}, "dlib-crops"),
        ({"identity_rule": "fixed"}, "dlib"),  # its classic distance belongs to raw descriptors
        ({"identity_rule": "fixed", "embedder": "dlib-mirrored"}, "dlib-mirrored"),
        ({"identity_rule": "budget", "embedder": "dlib"}, "dlib"),
    ],
)
def test_embedder_follows_from_the_rule_when_none_is_chosen(
    given: dict[str, str], name: str
) -> None:
    assert load_settings(Settings, **given).embedder_name == name
    assert name in EMBEDDERS


def test_embedder_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USHER_EMBEDDER", "dlib")
    assert load_settings(Settings).embedder_name == "dlib"


def test_path_of_a_card_is_absolute_wherever_it_is_named(tmp_path: Path) -> None:
    assert load_settings(Settings, embedder="cards/own.toml").embedder_name == str(
        tmp_path / "cards" / "own.toml"
    )


def test_embedder_is_refused_with_its_variable_when_it_is_unknown() -> None:
    with pytest.raises(ConfigurationError, match="USHER_EMBEDDER"):
        load_settings(Settings, embedder="facenet")
