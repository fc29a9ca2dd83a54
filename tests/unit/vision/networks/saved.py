"""Writes small networks as dlib saves them: what the reader reads, from the other side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

TAG = b"\x01\x01"


def integer(value: int) -> bytes:
    size = max((abs(value).bit_length() + 7) // 8, 1)
    return bytes([size | (0x80 if value < 0 else 0)]) + abs(value).to_bytes(size, "little")


def floating(value: float) -> bytes:
    fraction, exponent = math.frexp(value)
    return integer(int(fraction * 2**24)) + integer(exponent - 24)


def name(text: str) -> bytes:
    return integer(len(text)) + text.encode()


def sizes(*values: int) -> bytes:
    return b"".join(integer(value) for value in values)


def tensor(values: NDArray[np.float32], *shape: int) -> bytes:
    return integer(2) + sizes(*shape) + values.astype("<f4").tobytes()


def state() -> bytes:
    """What follows each layer, as a file that was cleaned has it."""
    return b"110" + tensor(np.empty(0, np.float32), 0, 0, 0, 0) * 3


def multipliers() -> bytes:
    return floating(1.0) * 3 + floating(0.0)


def convolution(
    filters: NDArray[np.float32], bias: NDArray[np.float32], stride: int = 1, padding: int = 0
) -> bytes:
    count = filters.size + bias.size
    return (
        name("con_4")
        + tensor(np.concatenate([filters.ravel(), bias]), count, 1, 1, 1)
        + sizes(*filters.shape[:1], *filters.shape[2:], stride, stride, padding, padding)
        + sizes(1, *filters.shape)
        + sizes(1, 1, len(bias), 1, 1)
        + multipliers()
    )


def affine(gamma: NDArray[np.float32], beta: NDArray[np.float32]) -> bytes:
    view = sizes(1, 1, len(gamma), 1, 1)
    parameters = np.concatenate([gamma, beta])
    return name("affine_") + tensor(parameters, 2 * len(gamma), 1, 1, 1) + view * 2 + integer(0)


def normalisation(
    gamma: NDArray[np.float32],
    beta: NDArray[np.float32],
    means: NDArray[np.float32],
    variances: NDArray[np.float32],
    epsilon: float = 2**-10,
) -> bytes:
    view = sizes(1, 1, len(gamma), 1, 1)
    of_the_last_batch = [np.full_like(means, 7), np.full_like(means, 8)]
    return (
        name("bn_con2")
        + tensor(np.concatenate([gamma, beta]), 2 * len(gamma), 1, 1, 1)
        + view * 2
        + b"".join(
            tensor(values, 1, values.size, 1, 1)
            for values in [*of_the_last_batch, means, variances]
        )
        + sizes(500, 100)
        + multipliers()
        + floating(epsilon)
    )


def mmod_loss(
    width: int = 80, height: int = 60, suppression: tuple[float, float] = (0.25, 0.75)
) -> bytes:
    hull_share, box_share = suppression
    return (
        name("loss_mmod_")
        + sizes(1, width, height)
        + floating(1.0) * 2
        + floating(0.5)
        + floating(hull_share)
        + floating(box_share)
        + floating(0.5)
        + floating(1.0)
    )


def relu() -> bytes:
    return name("relu_")


def add_previous() -> bytes:
    return name("add_prev_")


def pool(kind: str, size: int, stride: int, padding: int = 0) -> bytes:
    return name(f"{kind}_pool_2") + sizes(size, size, stride, stride, padding, padding)


def fully_connected(weights: NDArray[np.float32]) -> bytes:
    inputs, outputs = weights.shape
    return (
        name("fc_2")
        + sizes(outputs, inputs)
        + tensor(weights, inputs, outputs, 1, 1)
        + sizes(1, inputs, outputs, 1, 1)
        + sizes(1, 0, 0, 0, 0)
        + integer(1)
        + multipliers()
    )


@dataclass(frozen=True)
class Saved:
    """A network's parts, which a test may replace before they are put together.

    `layers` go from the input to the output; `TAG` stands for a tag or a skip. Without a `side` the
    input takes any size, as that of a detector does.
    """

    layers: Sequence[bytes]
    side: int | None
    loss: bytes = field(default=name("loss_metric_2") + floating(0.04) + floating(0.6))
    source: bytes = field(default=name("input_rgb_image_sized"))
    expansion: int = 1
    opening: int = 3
    end: bytes = b""

    def file(self) -> bytes:
        openings = [TAG if layer == TAG else integer(2) for layer in self.layers[1:]]
        averages = b"".join(floating(value) for value in (120.0, 110.0, 100.0))
        first, *others = self.layers
        return (
            integer(1)
            + self.loss
            + b"".join(reversed(openings))
            + integer(self.opening)
            + self.source
            + averages
            + (sizes(self.side, self.side) if self.side else b"")
            + first
            + state()
            + integer(self.expansion)
            + b"".join(layer + state() for layer in others if layer != TAG)
            + self.end
        )


def small_network(seed: int = 0) -> Saved:
    """A network of each kind of layer, with one block that keeps sizes and one that shrinks.

    9x9x3 becomes 4x4x4, 4x4x4 again, 2x2x6 (1x1 beside a shortcut of 2x2), and 5 numbers.
    """
    random = np.random.default_rng(seed)

    def values(*shape: int) -> NDArray[np.float32]:
        return random.normal(size=shape).astype(np.float32)

    layers = [
        convolution(values(4, 3, 3, 3), values(4), stride=2),
        affine(values(4), values(4)),
        relu(),
        TAG,
        convolution(values(4, 4, 3, 3), values(4), padding=1),
        affine(values(4), values(4)),
        add_previous(),
        relu(),
        TAG,
        convolution(values(6, 4, 3, 3), values(6), stride=2),
        TAG,
        TAG,
        pool("avg", 2, 2),
        add_previous(),
        pool("max", 1, 1),
        pool("avg", 0, 1),
        fully_connected(values(6, 5)),
    ]
    return Saved(layers, side=9)


def small_detector(seed: int = 0) -> Saved:
    """Two layers that step and two that keep their size, with each kind of layer between them."""
    random = np.random.default_rng(seed)

    def values(*shape: int) -> NDArray[np.float32]:
        return random.normal(size=shape).astype(np.float32)

    layers = [
        convolution(values(4, 3, 5, 5), values(4), stride=2),
        normalisation(values(4), values(4), values(4), np.abs(values(4))),
        relu(),
        convolution(values(5, 4, 3, 3), values(5), stride=3),
        affine(values(5), values(5)),
        relu(),
        convolution(values(5, 5, 5, 5), values(5), padding=2),
        relu(),
        convolution(values(1, 5, 3, 3), values(1), padding=1),
    ]
    return Saved(layers, None, loss=mmod_loss(), source=name("input_rgb_image_pyramid"))
