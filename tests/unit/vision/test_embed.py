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

from usher.domain.errors import ConfigurationError
from usher.domain.geometry import Box
from usher.vision.align import DLIB_CHIP, ChipFormat, FaceAligner
from usher.vision.embed import (
    EMBEDDERS,
    AveragingEmbedder,
    Chips,
    Crop,
    DlibEmbedder,
    Embeddings,
    embed_with_raw,
    make_embedder,
    mirrored,
)
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
def embedder(model_cache: Path) -> DlibEmbedder:
    return DlibEmbedder(Runtime(model_cache=model_cache))


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
def vectors(embedder: DlibEmbedder, chips: Chips) -> Embeddings:
    return embedder.embed(chips)


def test_embed_agrees_with_dlib_on_generated_chips(
    vectors: Embeddings, peer: DlibPeer, chips: Chips
) -> None:
    assert np.abs(vectors - peer.embed(chips)).max() < LARGEST_DIFFERENCE


@pytest.mark.slow
def test_embed_agrees_with_dlib_on_real_faces(
    embedder: DlibEmbedder, peer: DlibPeer, test_data: Path
) -> None:
    paths = sorted((test_data / "lfw-dev" / "images").glob("*/*_0001.jpg"))[:200]
    assert len(paths) == 200
    aligner, face = FaceAligner(), Box(73, 73, 177, 177)  # where these photographs have it
    chips = np.array([aligner.align(photograph(path), face).chip_rgb for path in paths])
    assert np.abs(embedder.embed(chips) - peer.embed(chips)).max() < LARGEST_DIFFERENCE


def test_embed_is_several_times_as_fast_as_dlib(
    embedder: DlibEmbedder, peer: DlibPeer, chips: Chips
) -> None:
    def seconds(network: DlibEmbedder | DlibPeer) -> float:
        start = time.perf_counter()
        network.embed(chips)
        return time.perf_counter() - start

    ours = min(seconds(embedder) for _ in range(5))
    theirs = min(seconds(peer) for _ in range(2))
    assert theirs > 4 * ours  # about 20 on one core, and more on several


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 16), max_size=70))
def test_embed_keeps_the_order_of_batches_of_any_size(
    embedder: DlibEmbedder, chips: Chips, vectors: Embeddings, order: list[int]
) -> None:
    found = embedder.embed(chips[order])
    assert found.shape == (len(order), 128)
    assert found.dtype == np.float32
    assert np.allclose(found, vectors[order], rtol=0, atol=1e-6)


def test_embed_gives_every_thread_its_own_answer(
    embedder: DlibEmbedder, chips: Chips, vectors: Embeddings
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
        found = DlibEmbedder(Runtime(threads=threads, model_cache=model_cache)).embed(chips)
        assert np.allclose(found, vectors, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    "shape", [(150, 150, 3), (1, 149, 150, 3), (1, 150, 150), (1, 3, 150, 150)]
)
def test_embed_refuses_chips_of_another_shape(
    embedder: DlibEmbedder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="shape"):
        embedder.embed(np.zeros(shape, np.uint8))


def test_embed_refuses_chips_of_another_type(embedder: DlibEmbedder) -> None:
    with pytest.raises(ValueError, match="uint8"):
        embedder.embed(np.zeros((1, 150, 150, 3), np.float32))


def test_embedder_keeps_the_network_that_it_built(tmp_path: Path, chips: Chips) -> None:
    first = DlibEmbedder(Runtime(model_cache=tmp_path)).embed(chips[:1])
    (graph,) = tmp_path.glob("dlib-resnet-*.onnx")
    built_at = graph.stat().st_mtime_ns
    assert np.array_equal(DlibEmbedder(Runtime(model_cache=tmp_path)).embed(chips[:1]), first)
    assert graph.stat().st_mtime_ns == built_at


# ---- The mean of a face and its mirror image ----------------------------------------------------


class CountingEmbedder:
    """The first two values of a chip as its vector; it counts how often it is asked."""

    model_id = "counting"
    dimension = 2
    views = (DLIB_CHIP,)
    impostors = None

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, *views: Chips) -> Embeddings:
        (chips,) = views
        self.batches.append(len(chips))
        return chips[:, 0, [0, 1], 0].astype(np.float32)


@pytest.fixture(scope="module")
def mirrored_dlib(embedder: DlibEmbedder) -> AveragingEmbedder:
    return mirrored(embedder)


def test_mirrored_vector_is_the_mean_brought_to_the_length_one() -> None:
    chips = np.zeros((2, 150, 150, 3), np.uint8)
    chips[0, 0, [0, 1, -1, -2], 0] = 10, 20, 2, 12  # mean (6, 16)
    chips[1, 0, [0, 1, -1, -2], 0] = 3, 0, 3, 8  # mean (3, 4)
    vectors, raw = mirrored(CountingEmbedder()).embed_with_raw(chips)
    assert vectors[0] == pytest.approx(np.array([6, 16]) / np.hypot(6, 16))
    assert vectors[1] == pytest.approx([0.6, 0.8])
    assert raw.tolist() == [[10, 20], [3, 0]]
    assert vectors.dtype == raw.dtype == np.float32


def test_mirrored_vector_of_zeros_stays_finite() -> None:
    chips = np.zeros((1, 150, 150, 3), np.uint8)
    assert mirrored(CountingEmbedder()).embed(chips).tolist() == [[0, 0]]


def test_mirrored_embedder_asks_once_for_all_faces_and_their_mirror_images() -> None:
    base = CountingEmbedder()
    mirrored(base).embed(np.zeros((7, 150, 150, 3), np.uint8))
    assert base.batches == [14]


def test_mirrored_embedder_gives_a_face_and_its_mirror_image_one_vector(
    mirrored_dlib: AveragingEmbedder, chips: Chips
) -> None:
    vectors = mirrored_dlib.embed(chips)
    assert np.allclose(mirrored_dlib.embed(chips[:, :, ::-1]), vectors, rtol=0, atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, rtol=0, atol=1e-6)


def test_raw_vectors_beside_the_mirrored_ones_are_the_bases_own(
    mirrored_dlib: AveragingEmbedder, embedder: DlibEmbedder, chips: Chips, vectors: Embeddings
) -> None:
    assert np.allclose(embed_with_raw(mirrored_dlib, chips)[1], vectors, rtol=0, atol=1e-6)
    same, raw = embed_with_raw(embedder, chips[:2])
    assert same is raw


def test_mirrored_embedder_has_a_model_id_of_its_own(
    mirrored_dlib: AveragingEmbedder, embedder: DlibEmbedder
) -> None:
    assert embedder.model_id == "dlib-resnet-v1"
    assert mirrored_dlib.model_id == "dlib-resnet-v1-mirrored"
    assert mirrored_dlib.dimension == embedder.dimension == 128


def test_mirrored_embedder_gives_nothing_for_nothing(mirrored_dlib: AveragingEmbedder) -> None:
    for vectors in mirrored_dlib.embed_with_raw(np.empty((0, 150, 150, 3), np.uint8)):
        assert vectors.shape == (0, 128)
        assert vectors.dtype == np.float32


@pytest.mark.parametrize("shape", [(150, 150, 3), (1, 149, 150, 3), (1, 150, 150)])
def test_mirrored_embedder_refuses_chips_of_another_shape(
    mirrored_dlib: AveragingEmbedder, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="shape"):
        mirrored_dlib.embed(np.zeros(shape, np.uint8))


def test_averaging_embedder_takes_each_crop_from_its_view() -> None:
    wide = ChipFormat(padding=0.4)
    crops = (Crop(), Crop(wide), Crop(wide, mirrored=True))
    embedder = AveragingEmbedder(CountingEmbedder(), "three", crops)
    chip, around = np.zeros((2, 1, 150, 150, 3), np.uint8)
    chip[0, 0, :2, 0] = 3, 0
    around[0, 0, [0, 1, -1, -2], 0] = 0, 6, 6, 18
    vectors, raw = embedder.embed_with_raw(chip, around)
    assert embedder.views == (DLIB_CHIP, wide)
    assert vectors[0] == pytest.approx(np.array([9, 24]) / np.hypot(9, 24))
    assert raw.tolist() == [[3, 0]]


def test_averaging_embedder_refuses_too_few_views() -> None:
    embedder = make_embedder("dlib-crops")
    assert len(embedder.views) == 3
    with pytest.raises(ValueError, match="shorter"):
        embedder.embed(np.zeros((1, 150, 150, 3), np.uint8))


def test_make_embedder_makes_each_by_its_name(runtime: Runtime) -> None:
    found = [make_embedder(name, runtime).model_id for name in EMBEDDERS]
    assert found == ["dlib-resnet-v1-crops", "dlib-resnet-v1-mirrored", "dlib-resnet-v1"]


def test_make_embedder_says_what_there_is_when_the_name_is_unknown() -> None:
    with pytest.raises(ConfigurationError, match="dlib-mirrored, dlib"):
        make_embedder("dlib-mirored")
