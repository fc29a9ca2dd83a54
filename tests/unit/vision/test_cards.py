"""Model cards: what they accept, and how they refuse."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from usher.domain.errors import ConfigurationError
from usher.vision.cards import EmbedderCard, is_card, read_card, read_model

CARD = """
kind = "embedder"
id = "mine"
file = "mine.onnx"
licence = "MIT"
colour = "rgb"
layout = "nchw"
size = [4, 4]
dimension = 3
metric = "cosine"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "card.toml"
    path.write_text(text)
    return path


def test_reads_a_card(tmp_path: Path) -> None:
    card = read_card(written(tmp_path, CARD))
    assert isinstance(card, EmbedderCard)
    assert (card.size, card.impostor_distances()) == ((4, 4), None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (CARD.replace("rgb", "grey"), "colour"),
        (CARD.replace('licence = "MIT"', ""), "licence"),
        (CARD.replace("dimension = 3", "dimension = 0"), "dimension"),
        (CARD.replace('"mine"', '"My model"'), "id"),
        (CARD + "std = [1, 0, 1]", "std"),
        (CARD + "scale = nan", "scale"),
        (CARD + "surprise = 1", "surprise"),
        (CARD + 'dtype = "uint8"\nscale = 2.0', "uint8"),
        (CARD + "[eyes]\nleft = [3, 1]\nright = [3, 1]", "eyes"),
        (CARD + "[impostors]\nshares=[0.1]\ndistances=[1]\nloosest=1", "impostors"),
        (CARD.replace('"cosine"', '"euclidean"') + "mirrored = true", "mirrored"),
        (CARD.replace("[4, 4]", "[4, 5]"), "eyes"),
        (CARD + "padding = 0.3\n[eyes]\nleft = [1, 1]\nright = [3, 1]", "padding"),
        (CARD.replace("embedder", "oracle"), "kind"),
        ("kind = ", "TOML"),
    ],
)
def test_names_the_card_and_the_field(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"card\.toml.*{named}"):
        read_card(written(tmp_path, text))


def test_a_missing_card_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_card(tmp_path / "none.toml")


def test_the_model_is_the_one_that_the_card_means(tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"model")
    digest = hashlib.sha256(b"model").hexdigest()
    path = written(tmp_path, CARD + f'sha256 = "{digest}"')
    assert read_model(path, read_card(path)) == (b"model", digest)
    (tmp_path / "mine.onnx").write_bytes(b"other")
    with pytest.raises(ConfigurationError, match="sha256"):
        read_model(path, read_card(path))


def test_a_missing_model_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, CARD)
    with pytest.raises(ConfigurationError, match=r"file: mine\.onnx"):
        read_model(path, read_card(path))


def test_tells_cards_from_names() -> None:
    assert is_card("models/mine.toml")
    assert not is_card("dlib")


def test_cards_of_the_documentation_can_be_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "models.md").read_text()
    cards = [
        read_card(written(tmp_path, text)) for text in re.findall(r"```toml\n(.*?)```", page, re.S)
    ]
    assert {card.kind for card in cards} == {"embedder", "detector"}
    assert len(cards) == 4
