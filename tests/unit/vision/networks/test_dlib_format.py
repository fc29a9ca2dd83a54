"""dlib's files of weights: read whole, or refused."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usher.domain.errors import ConfigurationError
from usher.vision.models import model_path
from usher.vision.networks.dlib_format import (
    Affine,
    Convolution,
    FullyConnected,
    Mark,
    OverlapTest,
    Pool,
    read_detector,
    read_network,
)

from . import saved
from .saved import Saved, small_detector, small_network

SMALL = small_network().file()
DETECTOR = small_detector().file()


def test_read_network_gives_layers_from_the_input_to_the_output() -> None:
    network = read_network(SMALL)
    names = [type(layer).__name__ for layer in network.layers]
    assert names[:6] == ["Convolution", "Affine", "Relu", "Mark", "Convolution", "Affine"]
    assert names[-2:] == ["Pool", "FullyConnected"]
    assert names.count("Mark") == 4
    assert (network.source.rows, network.source.columns) == (9, 9)
    assert network.source.averages == (120.0, 110.0, 100.0)


def test_read_network_gives_the_values_that_were_saved() -> None:
    random = np.random.default_rng(3)
    filters = random.normal(size=(2, 3, 4, 5)).astype(np.float32)
    bias, gamma, beta = random.normal(size=(3, 2)).astype(np.float32)
    weights = random.normal(size=(2, 7)).astype(np.float32)
    layers = [
        saved.convolution(filters, bias, stride=2, padding=1),
        saved.affine(gamma, beta),
        saved.pool("max", 3, 2),
        saved.fully_connected(weights),
    ]
    convolution, affine, pool, connected = read_network(Saved(layers, side=20).file()).layers
    assert isinstance(convolution, Convolution)
    assert np.array_equal(convolution.filters, filters)
    assert np.array_equal(convolution.bias, bias)
    assert (convolution.stride, convolution.padding) == ((2, 2), (1, 1))
    assert isinstance(affine, Affine)
    assert np.array_equal(affine.gamma, gamma)
    assert np.array_equal(affine.beta, beta)
    assert pool == Pool("max", (3, 3), (2, 2), (0, 0))
    assert isinstance(connected, FullyConnected)
    assert np.array_equal(connected.weights, weights)


def test_read_network_reads_the_published_descriptor() -> None:
    data = model_path("dlib_face_recognition_resnet_model_v1.dat").read_bytes()
    network = read_network(data)
    assert network.source.averages == pytest.approx((122.782, 117.001, 104.298), abs=1e-5)
    assert (network.source.rows, network.source.columns) == (150, 150)
    convolutions = [layer for layer in network.layers if isinstance(layer, Convolution)]
    assert len(convolutions) == 29
    assert convolutions[0].filters.shape == (32, 3, 7, 7)
    assert sum(isinstance(layer, Mark) for layer in network.layers) == 22
    last = network.layers[-1]
    assert isinstance(last, FullyConnected)
    assert last.weights.shape == (256, 128)


# ---- Files that are something else ---------------------------------------------------------------


@pytest.mark.parametrize("size", range(0, len(SMALL), 7))
def test_read_network_refuses_a_file_that_is_cut_off(size: int) -> None:
    with pytest.raises(ConfigurationError, match=r"bytes too early, before byte \d+"):
        read_network(SMALL[:size])


@pytest.mark.parametrize(
    "file_name",
    ["mmod_human_face_detector.dat", "shape_predictor_5_face_landmarks.dat"],
)
def test_read_network_refuses_other_files_of_dlib(file_name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not a network that can be used here"):
        read_network(model_path(file_name).read_bytes())


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"PK\x03\x04", b"\0" * 100])
def test_read_network_refuses_foreign_files(data: bytes) -> None:
    with pytest.raises(ConfigurationError, match="is not a network that can be used here"):
        read_network(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_read_network_refuses_any_other_bytes(data: bytes) -> None:
    with pytest.raises(ConfigurationError):
        read_network(data)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(SMALL) - 1), bit=st.integers(0, 7))
def test_read_network_reads_or_refuses_a_file_with_one_bit_changed(at: int, bit: int) -> None:
    changed = bytearray(SMALL)
    changed[at] ^= 1 << bit
    with suppress(ConfigurationError):
        read_network(bytes(changed))


def _with_layer(layer: bytes) -> Callable[[Saved], Saved]:
    return lambda network: replace(network, layers=[*network.layers, layer])


def _convolution_for(outputs: int) -> bytes:
    """One whose filters say that they are for other outputs."""
    whole = saved.convolution(np.ones((2, 3, 1, 1), np.float32), np.ones(2, np.float32))
    at = whole.index(saved.sizes(2, 1, 1, 1, 1, 0, 0))
    return whole[:at] + saved.integer(outputs) + whole[at + 2 :]


ONES = np.ones(2, np.float32)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda network: replace(network, loss=saved.name("loss_mmod_")), "the loss 'loss_mmod_'"),
        (lambda network: replace(network, source=saved.name("input")), "the input 'input'"),
        (lambda network: replace(network, opening=4), "a layer of version 4"),
        (lambda network: replace(network, expansion=2), "an expansion factor of 1"),
        (lambda network: replace(network, end=b"more"), "4 bytes follow the last layer"),
        (_with_layer(saved.name("dropout_")), "the layer 'dropout_', none of"),
        (_with_layer(saved.name("x" * 101)), "101 is not between 0 and 100"),
        (_with_layer(saved.name("\x80" * 3)), "is no name"),
        (_with_layer(saved.pool("max", 2, 0)), "in steps of"),
        (_with_layer(_convolution_for(3)), "for 3 of"),
        (_with_layer(saved.affine(ONES, np.full(2, np.inf, np.float32))), "not finite"),
        (_with_layer(saved.affine(ONES, ONES) + b"\x70"), "truth value"),
        (_with_layer(saved.affine(ONES, ONES)[:-2] + saved.integer(1)), "the mode of convolutions"),
        (_with_layer(saved.relu() + b"2"), "no truth value"),
    ],
)
def test_read_network_refuses_what_it_does_not_know(
    change: Callable[[Saved], Saved], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        read_network(change(small_network()).file())


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (saved.integer(1) + saved.integer(32000), "not finite"),
        (saved.integer(1) + saved.integer(31999), "too large"),
        (b"\x11\x01", "begins no integer"),
        (b"\x00", "begins no integer"),
        (b"\x09" + b"\x01" * 9, "begins no integer"),
    ],
)
def test_read_network_refuses_a_number_that_is_none(number: bytes, reason: str) -> None:
    loss = saved.name("loss_metric_2") + number + saved.floating(0.6)
    with pytest.raises(ConfigurationError, match=reason):
        read_network(replace(small_network(), loss=loss).file())


# ---- Detectors -----------------------------------------------------------------------------------


def test_read_detector_gives_what_was_saved() -> None:
    network = read_detector(DETECTOR)
    assert network.source.averages == (120.0, 110.0, 100.0)
    assert (network.source.padding_px, network.source.outer_padding_px) == (10, 11)
    assert (network.options.window_width_px, network.options.window_height_px) == (80, 60)
    assert network.options.suppression == OverlapTest(hull_share=0.25, box_share=0.75)
    names = [type(layer).__name__ for layer in network.layers]
    assert names[:6] == ["Convolution", "Affine", "Relu"] * 2
    assert names[6:] == ["Convolution", "Relu", "Convolution"]


def test_read_detector_takes_a_batch_normalisation_for_what_it_amounts_to() -> None:
    gamma, beta, means, variances = np.random.default_rng(5).uniform(1, 2, (4, 3)).astype("f4")
    layers = [
        saved.convolution(np.ones((3, 3, 1, 1), np.float32), np.ones(3, np.float32)),
        saved.normalisation(gamma, beta, means, variances, epsilon=0.5),
    ]
    affine = read_detector(replace(small_detector(), layers=layers).file()).layers[1]
    assert isinstance(affine, Affine)
    pixels = np.linspace(-2, 2, 3)
    expected = gamma * (pixels - means) / np.sqrt(variances + 0.5) + beta
    assert affine.gamma * pixels + affine.beta == pytest.approx(expected, abs=1e-6)


def test_read_detector_reads_the_published_face_detector() -> None:
    network = read_detector(model_path("mmod_human_face_detector.dat").read_bytes())
    assert network.source.averages == pytest.approx((122.782, 117.001, 104.298), abs=1e-5)
    assert (network.options.window_width_px, network.options.window_height_px) == (80, 80)
    assert network.options.suppression.hull_share == pytest.approx(0.338, abs=1e-3)
    assert network.options.suppression.box_share == 1
    shapes = [layer.filters.shape for layer in network.layers if isinstance(layer, Convolution)]
    assert shapes[0] == (16, 3, 5, 5)
    assert shapes[-1] == (1, 45, 9, 9)
    assert len(shapes) == 7


@pytest.mark.parametrize("size", range(0, len(DETECTOR), 29))
def test_read_detector_refuses_a_file_that_is_cut_off(size: int) -> None:
    with pytest.raises(ConfigurationError, match=r"bytes too early, before byte \d+"):
        read_detector(DETECTOR[:size])


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0, len(DETECTOR) - 1), bit=st.integers(0, 7))
def test_read_detector_reads_or_refuses_a_file_with_one_bit_changed(at: int, bit: int) -> None:
    changed = bytearray(DETECTOR)
    changed[at] ^= 1 << bit
    with suppress(ConfigurationError):
        read_detector(bytes(changed))


def _normalised(variances: list[float], epsilon: float = 0.0) -> Callable[[Saved], Saved]:
    values = np.array(variances, np.float32)
    return _with_layer(saved.normalisation(ONES, ONES, ONES, values, epsilon))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda network: replace(network, loss=small_network().loss), "the loss 'loss_metric_2'"),
        (
            lambda network: replace(network, source=small_network().source),
            "the input 'input_rgb_im",
        ),
        (
            lambda network: replace(network, loss=saved.name("loss_mmod_") + saved.integer(2)),
            "options of version 1",
        ),
        (lambda network: replace(network, loss=saved.mmod_loss(0)), "a window of 0 by 60"),
        (lambda network: replace(network, loss=saved.mmod_loss(80, 0)), "a window of 80 by 0"),
        (
            lambda network: replace(network, loss=saved.mmod_loss(suppression=(1.5, 1))),
            "1.5 and 1.0 as shares",
        ),
        (
            lambda network: replace(network, loss=saved.mmod_loss(suppression=(0.5, -1))),
            "0.5 and -1.0 as shares",
        ),
        (_normalised([1.0, -1.0]), "one below zero"),
        (_normalised([1.0, 0.0]), "one below zero"),
        (_normalised([1.0]), "2 means and 1 variances"),
    ],
)
def test_read_detector_refuses_what_it_does_not_know(
    change: Callable[[Saved], Saved], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        read_detector(change(small_detector()).file())
