"""The graph of dlib's residual network, against arithmetic written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from usher.domain.errors import ConfigurationError
from usher.vision.images import RgbImage
from usher.vision.networks.descriptor import build_descriptor
from usher.vision.networks.dlib_format import (
    AddPrevious,
    Affine,
    Convolution,
    FullyConnected,
    Layer,
    Mark,
    Pool,
    Relu,
    SizedRgbInput,
    read_network,
)
from usher.vision.runtime import make_session

from . import saved
from .saved import TAG, Saved, small_network

Values = np.ndarray[Any, Any]
"""float64, (channels, rows, columns)."""


def slowly(chip: RgbImage, source: SizedRgbInput, layers: Sequence[Layer]) -> Values:
    """What dlib does, by its documentation: one image, one window at a time."""
    value = (chip.transpose(2, 0, 1) - np.reshape(source.averages, (3, 1, 1))) / 256
    tagged: Values | None = None
    branch: Values | None = None
    for before, layer, after in zip([Relu(), *layers], layers, [*layers[1:], Relu()], strict=False):
        if isinstance(layer, AddPrevious):
            other = tagged if branch is None else branch
            assert other is not None
            value, branch = added(value, other), None
        elif not isinstance(layer, Mark):
            value = applied(layer, value)
        elif isinstance(before, Mark):
            pass
        elif not isinstance(after, Mark):
            tagged = value
        else:
            assert tagged is not None
            value, branch = tagged, value
    return cast(Values, value)


def applied(layer: Layer, value: Values) -> Values:
    match layer:
        case Convolution(filters, bias, stride, (pad, _)):
            padded = np.pad(value, ((0, 0), (pad, pad), (pad, pad)))
            windows = windowed(padded, filters.shape[2], stride[0])
            return cast(
                Values, np.einsum("rcixy,oixy->orc", windows, filters) + bias[:, None, None]
            )
        case Affine(gamma, beta):
            return value * gamma[:, None, None] + beta[:, None, None]
        case Relu():
            return np.maximum(value, 0)
        case Pool(_, (0, 0)):
            return cast(Values, value.mean((1, 2), keepdims=True))
        case Pool(kind, (size, _), (stride, _)):
            pooled = windowed(value, size, stride)
            best = pooled.max((3, 4)) if kind == "max" else pooled.mean((3, 4))
            return cast(Values, best.transpose(2, 0, 1))
        case FullyConnected(weights):
            return cast(Values, (value.ravel() @ weights)[:, None, None])
    raise AssertionError(layer)


def windowed(value: Values, size: int, stride: int) -> Values:
    """float64, (rows, columns, channels, size, size)."""
    rows, columns = ((side - size) // stride + 1 for side in value.shape[1:])
    return np.array(
        [
            [
                value[:, r * stride : r * stride + size, c * stride : c * stride + size]
                for c in range(columns)
            ]
            for r in range(rows)
        ]
    )


def added(one: Values, other: Values) -> Values:
    total = np.zeros(np.maximum(one.shape, other.shape))
    for value in (one, other):
        total[tuple(slice(side) for side in value.shape)] += value
    return total


@pytest.mark.parametrize("seed", range(5))
def test_build_descriptor_computes_what_the_layers_say(seed: int) -> None:
    data = small_network(seed).file()
    network = read_network(data)
    chips = np.random.default_rng(seed).integers(0, 256, (3, 9, 9, 3), np.uint8)
    expected = [slowly(chip, network.source, network.layers).ravel() for chip in chips]
    (vectors,) = make_session(build_descriptor(data), threads=1).run(None, {"chips": chips})
    assert vectors.dtype == np.float32
    assert np.abs(vectors - expected).max() < 1e-4 * np.abs(expected).max()


def test_build_descriptor_gives_the_same_bytes_for_the_same_weights() -> None:
    data = small_network().file()
    assert build_descriptor(data) == build_descriptor(data)
    assert build_descriptor(data) != build_descriptor(small_network(1).file())


F4 = saved.convolution(np.ones((4, 4, 1, 1), np.float32), np.ones(4, np.float32))
F8 = saved.convolution(np.ones((4, 8, 1, 1), np.float32), np.ones(4, np.float32))
WIDE = saved.convolution(np.ones((4, 4, 5, 5), np.float32), np.ones(4, np.float32))


@pytest.mark.parametrize(
    ("keep", "more", "reason"),
    [
        (3, [], "does not end in one vector"),
        (3, [F8], "filters for 8 channels where there are 4"),
        (3, [WIDE], "a window of"),
        (3, [saved.add_previous()], "a sum of one value"),
        (3, [TAG, TAG], "no shortcut explains"),
        (3, [TAG, F4, TAG, TAG, TAG], "no shortcut explains"),
        (3, [saved.affine(np.ones(4, np.float32), np.ones(4, np.float32))], "follows no conv"),
        (1, [saved.affine(np.ones(3, np.float32), np.ones(3, np.float32))], "3 factors for 4"),
        (3, [saved.pool("avg", 2, 2, padding=1)], "pooling with padding"),
        (3, [saved.fully_connected(np.ones((4, 2), np.float32))], "4 weights for an input"),
        (16, [saved.relu(), TAG], "does not end in one vector"),
    ],
)
def test_build_descriptor_refuses_layers_that_do_not_fit(
    keep: int, more: list[bytes], reason: str
) -> None:
    network = small_network()
    layers = [*network.layers[:keep], *more]
    with pytest.raises(ConfigurationError, match=reason):
        build_descriptor(replace(network, layers=layers).file())


def test_build_descriptor_refuses_a_network_without_a_convolution_at_the_input() -> None:
    with pytest.raises(ConfigurationError, match="does not begin with a convolution"):
        build_descriptor(Saved([saved.relu()], side=9).file())
