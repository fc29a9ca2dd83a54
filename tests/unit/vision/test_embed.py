"""Aligned faces to vectors: the same as dlib's own, only faster."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from usher.domain.geometry import Box
from usher.vision.align import FaceAligner
from usher.vision.embed import Chips, Embeddings, OnnxEmbedder
from usher.vision.models import model_path
from usher.vision.runtime import Runtime

from .conftest import photograph

LARGEST_DIFFERENCE = 1e-5


class DlibPeer:
    """The same network on dlib's own code."""

    def __init__(self) -> None:
        path = model_path("dlib_face_recognition_resnet_model_v1.dat")
        self._network = dlib.face_recognition_model_v1(str(path))

    def embed(self, chips: Chips) -> Embeddings:
        return np.array(list(self._network.compute_face_descriptor(list(chips))), np.float32)


def stretched(values: NDArray[Any]) -> NDArray[Any]:
    """From 0 to 255."""
    return np.asarray(np.interp(values, (values.min(), values.max()), (0, 255)), np.uint8)


@pytest.fixture(scope="module")
def embedder(model_cache: Path) -> OnnxEmbedder:
    return OnnxEmbedder(Runtime(model_cache=model_cache))


@pytest.fixture(scope="module")
def peer() -> DlibPeer:
    return DlibPeer()


@pytest.fixture(scope="module")
def chips() -> Chips:
    """Generated: noise, noise blurred more and more, one colour each, ramps, a checkerboard."""
    random = np.random.default_rng(3)
    noise = random.integers(0, 256, (4, 150, 150, 3), np.uint8)
    blurred = [
        stretched(cv2.GaussianBlur(chip, (0, 0), sigma))
        for chip, sigma in zip(noise, (1, 4, 12, 40), strict=True)
    ]
    colours = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255), (123, 117, 104)]
    plain = [np.full((150, 150, 3), colour, np.uint8) for colour in colours]
    ramp = np.linspace(0, 255, 150).astype(np.uint8)
    across = np.broadcast_to(ramp[None, :, None], (150, 150, 3))
    board = np.broadcast_to((np.indices((150, 150)).sum(0) % 2 * 255)[..., None], (150, 150, 3))
    ramps = [across, across.transpose(1, 0, 2), board]
    return np.array([*noise, *blurred, *plain, *ramps], np.uint8)


@pytest.fixture(scope="module")
def vectors(embedder: OnnxEmbedder, chips: Chips) -> Embeddings:
    return embedder.embed(chips)


def test_embed_agrees_with_dlib_on_generated_chips(
    vectors: Embeddings, peer: DlibPeer, chips: Chips
) -> None:
    assert np.abs(vectors - peer.embed(chips)).max() < LARGEST_DIFFERENCE


@pytest.mark.slow
def test_embed_agrees_with_dlib_on_real_faces(
    embedder: OnnxEmbedder, peer: DlibPeer, test_data: Path
) -> None:
    paths = sorted((test_data / "lfw-dev" / "images").glob("*/*_0001.jpg"))[:200]
    assert len(paths) == 200
    aligner, face = FaceAligner(), Box(73, 73, 177, 177)  # where these photographs have it
    chips = np.array([aligner.align(photograph(path), face) for path in paths])
    assert np.abs(embedder.embed(chips) - peer.embed(chips)).max() < LARGEST_DIFFERENCE


def test_embed_is_several_times_as_fast_as_dlib(
    embedder: OnnxEmbedder, peer: DlibPeer, chips: Chips
) -> None:
    def seconds(network: OnnxEmbedder | DlibPeer) -> float:
        start = time.perf_counter()
        network.embed(chips)
        return time.perf_counter() - start

    ours = min(seconds(embedder) for _ in range(5))
    theirs = min(seconds(peer) for _ in range(2))
    assert theirs > 4 * ours  # about 20 on one core, and more on several


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 16), max_size=70))
def test_embed_keeps_the_order_of_batches_of_any_size(
    embedder: OnnxEmbedder, chips: Chips, vectors: Embeddings, order: list[int]
) -> None:
    found = embedder.embed(chips[order])
    assert found.shape == (len(order), 128)
    assert found.dtype == np.float32
    assert np.allclose(found, vectors[order], rtol=0, atol=1e-6)


def test_embed_gives_every_thread_its_own_answer(
    embedder: OnnxEmbedder, chips: Chips, vectors: Embeddings
) -> None:
    orders = [np.random.default_rng(seed).permutation(17)[: seed + 1] for seed in range(17)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda order: embedder.embed(chips[order]), orders))
    for order, answer in zip(orders, answers, strict=True):
        assert np.allclose(answer, vectors[order], rtol=0, atol=1e-6)


def test_embed_gives_the_same_on_any_number_of_cores(
    model_cache: Path, chips: Chips, vectors: Embeddings
) -> None:
    for threads in (1, 3):
        found = OnnxEmbedder(Runtime(threads=threads, model_cache=model_cache)).embed(chips)
        assert np.allclose(found, vectors, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(150, 150, 3), (1, 149, 150, 3), (1, 150, 150), (1, 3, 150, 150)]
)
def test_embed_refuses_chips_of_another_shape(
    embedder: OnnxEmbedder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="shape"):
        embedder.embed(np.zeros(shape, np.uint8))


def test_embed_refuses_chips_of_another_type(embedder: OnnxEmbedder) -> None:
    with pytest.raises(ValueError, match="uint8"):
        embedder.embed(np.zeros((1, 150, 150, 3), np.float32))


def test_embedder_keeps_the_network_that_it_built(tmp_path: Path, chips: Chips) -> None:
    first = OnnxEmbedder(Runtime(model_cache=tmp_path)).embed(chips[:1])
    (graph,) = tmp_path.glob("dlib-resnet-*.onnx")
    built_at = graph.stat().st_mtime_ns
    assert np.array_equal(OnnxEmbedder(Runtime(model_cache=tmp_path)).embed(chips[:1]), first)
    assert graph.stat().st_mtime_ns == built_at
