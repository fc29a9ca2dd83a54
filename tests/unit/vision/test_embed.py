"""Aligned faces to vectors."""

from __future__ import annotations

import numpy as np
import pytest

from usher.vision.embed import DlibEmbedder


@pytest.fixture(scope="module")
def embedder() -> DlibEmbedder:
    return DlibEmbedder()


def test_embed_gives_no_vector_when_there_is_no_chip(embedder: DlibEmbedder) -> None:
    vectors = embedder.embed(np.empty((0, 150, 150, 3), np.uint8))
    assert vectors.shape == (0, 128)
    assert vectors.dtype == np.float32


def test_embed_keeps_the_order_of_chips_over_batches(embedder: DlibEmbedder) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (3, 150, 150, 3), np.uint8)
    order = np.arange(35) % 3  # one batch and a bit
    vectors = embedder.embed(noise[order])
    assert vectors.shape == (35, 128)
    assert vectors.dtype == np.float32
    assert np.allclose(vectors, embedder.embed(noise)[order], atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(150, 150, 3), (1, 149, 150, 3), (1, 150, 150), (1, 3, 150, 150)]
)
def test_embed_refuses_chips_of_another_shape(
    embedder: DlibEmbedder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="shape"):
        embedder.embed(np.zeros(shape, np.uint8))
