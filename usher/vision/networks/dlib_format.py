"""Reads the networks that dlib has saved.

The format is that of dlib's own `serialize()` functions; nothing describes it but their source:
`dlib/serialize.h` (numbers, strings), `dlib/float_details.h` (floats), `dlib/cuda/tensor.h`
(tensors), `dlib/dnn/core.h` (how layers stack), `dlib/dnn/layers.h` and `dlib/dnn/input.h` (what a
layer holds), `dlib/dnn/loss.h` and `dlib/image_processing/box_overlap_testing.h` (what a loss
holds).

Numbers
    An integer is a control byte and the bytes of its absolute value, lowest first. The upper bit of
    the control byte says that it is negative, the lower four say how many bytes follow: 1 to 8.
    A float is two integers, mantissa and exponent: mantissa * 2**exponent; the exponents 32000,
    32001 and 32002 stand for infinity, its negative and not-a-number. A truth value is the
    character `0` or `1`. A string is its length and its bytes.
Tensors
    Version 2, four sizes (samples, channels, rows, columns), and the values, rows last, each four
    bytes as IEEE 754 has them, lowest first. A view ("alias") is version 1 and four sizes: it names
    a part of the tensor before it.
Layers
    They nest, the outermost first, so that the file begins with the opening of every layer, the
    loss's before all, and goes on with what each holds from the input to the outermost.

    ===========================  ================================================================
    the loss                     1, what it holds, its subnet
    a tag, or a skip to one      1, its subnet; its number is part of the C++ type, and not stored
    a layer                      2, its subnet, what it holds, its state
    the layer next to the input  3, the input, what it holds, its state, the expansion factor
    ===========================  ================================================================

    What a layer holds begins with a name that carries a version: `con_4`, `affine_`, `relu_`. Its
    state is three truth values and three tensors: the leavings of training, empty in a file that
    was cleaned before it was saved, and of no use here.

    A batch normalisation, `bn_con2`, holds its factors and summands as an affine layer does, then
    the means and inverse deviations of its last batch, the running means and variances, how often
    and over how many batches these were taken, the four multipliers of its learning, and what is
    added to a variance before its root. dlib reads it as the affine layer that it amounts to.
Losses
    The metric loss, `loss_metric_2`, holds two floats. That of a detector, `loss_mmod_`, holds its
    options: version 1, the window's width and height, the loss of a false alarm and of a missed
    face, the overlap from which a box counted as found in training, and two tests of overlap, each
    of two shares. The first of them says whether one of two boxes suppresses the other; the second
    belongs to training.
Inputs
    `input_rgb_image_sized` holds the averages of red, green and blue, and rows and columns.
    `input_rgb_image_pyramid` holds the averages; the pyramid's steps are part of the C++ type, and
    its margins were not stored yet when the name had no number behind it: 10 pixels between two
    levels, and 11 around all.

As numbers of tags are not stored, `read_network` gives them back as `Mark`s, and whoever builds a
graph knows from the network's published definition what is meant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import ConfigurationError

Floats: TypeAlias = NDArray[np.float32]
Pair: TypeAlias = tuple[int, int]
"""Rows, columns."""
Shape: TypeAlias = tuple[int, int, int, int]
"""Samples, channels, rows, columns."""

_MOST_LAYERS = 10_000
_LONGEST_NAME = 100
_LONGEST_SIDE = 1 << 16
_MOST_VALUES = 1 << 40
_INFINITE, _NEGATIVE_INFINITE, _NOT_A_NUMBER = 32000, 32001, 32002


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """`con_`: correlation, as everywhere in this field.

    Attributes
    ----------
    filters
        float32, (outputs, inputs, rows, columns).
    bias
        float32, (outputs,).
    stride, padding
        Rows and columns; the padding is of zeros, the same on opposite sides.
    """

    filters: Floats
    bias: Floats
    stride: Pair
    padding: Pair


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """`affine_` and `bn_con2`: `gamma * x + beta` for each channel.

    What is left of a batch normalisation once the network is trained.

    Attributes
    ----------
    gamma, beta
        float32, (channels,).
    """

    gamma: Floats
    beta: Floats


@dataclass(frozen=True, slots=True)
class Relu:
    """`relu_`: negative values become zero."""


@dataclass(frozen=True, slots=True)
class Pool:
    """`max_pool_` and `avg_pool_`: a window that stays within the (padded) image.

    Attributes
    ----------
    kind
        `max` or `avg`.
    size
        Of the window; (0, 0): the whole image.
    stride, padding
        Rows and columns.
    """

    kind: str
    size: Pair
    stride: Pair
    padding: Pair


@dataclass(frozen=True, slots=True)
class AddPrevious:
    """`add_prev_`: adds the output of a tagged layer; where sizes differ, zeros fill the smaller.

    Rows, columns and channels alike, at their ends.
    """


@dataclass(frozen=True, slots=True, eq=False)
class FullyConnected:
    """`fc_` without a bias.

    Attributes
    ----------
    weights
        float32, (inputs, outputs).
    """

    weights: Floats


@dataclass(frozen=True, slots=True)
class Mark:
    """A tag, or a skip to one: the file does not say which."""


Layer: TypeAlias = Convolution | Affine | Relu | Pool | AddPrevious | FullyConnected | Mark


@dataclass(frozen=True, slots=True)
class SizedRgbInput:
    """`input_rgb_image_sized`: pixels become `(value - average) / 256`.

    Attributes
    ----------
    averages
        Of the red, green and blue values.
    rows, columns
        The only size that is accepted.
    """

    averages: tuple[float, float, float]
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A network without the loss that it was trained with.

    Attributes
    ----------
    source
        What it takes.
    layers
        From the input to the output.
    """

    source: SizedRgbInput
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class PyramidRgbInput:
    """`input_rgb_image_pyramid`: pixels become `(value - average) / 256`, at many sizes.

    The levels lie in one picture, zeros between them: `usher.vision.networks.mmod` has the rest.

    Attributes
    ----------
    averages
        Of the red, green and blue values.
    padding_px
        Rows between two levels.
    outer_padding_px
        Rows and columns around all levels.
    """

    averages: tuple[float, float, float]
    padding_px: int = 10
    outer_padding_px: int = 11


@dataclass(frozen=True, slots=True)
class OverlapTest:
    """Whether two boxes are taken for one: where either share is exceeded.

    Attributes
    ----------
    hull_share
        What they share, of the smallest box around both.
    box_share
        What they share, of either one.
    """

    hull_share: float
    box_share: float


@dataclass(frozen=True, slots=True)
class MmodOptions:
    """`loss_mmod_`: what it says of finding, without what it says of training.

    Attributes
    ----------
    window_width_px, window_height_px
        Of the box that a score stands for, on its level of the pyramid.
    suppression
        When a box is dropped for the sake of a better one.
    """

    window_width_px: int
    window_height_px: int
    suppression: OverlapTest


@dataclass(frozen=True, slots=True, eq=False)
class DetectorNetwork:
    """A network that was trained to find objects.

    Attributes
    ----------
    source
        What it takes.
    layers
        From the input to the output.
    options
        What its scores stand for.
    """

    source: PyramidRgbInput
    layers: tuple[Layer, ...]
    options: MmodOptions


def read_network(data: bytes) -> Network:
    """Read a network that was trained with dlib's metric loss on RGB images of one size.

    Parameters
    ----------
    data
        The whole file.

    Raises
    ------
    ConfigurationError
        If the bytes are not such a network, are cut off, or hold a layer that is not known here;
        the message names the byte.
    """
    reader = _Reader(data)
    reader.expect(1, "a loss layer of version 1")
    _read_metric_loss(reader)
    tokens = _read_openings(reader)
    source = _read_sized_source(reader)
    return Network(source, _read_layers(reader, tokens))


def read_detector(data: bytes) -> DetectorNetwork:
    """Read a network that was trained with dlib's max-margin loss on pyramids of RGB images.

    Parameters
    ----------
    data
        The whole file.

    Raises
    ------
    ConfigurationError
        See `read_network`.
    """
    reader = _Reader(data)
    reader.expect(1, "a loss layer of version 1")
    options = _read_mmod_loss(reader)
    tokens = _read_openings(reader)
    source = _read_pyramid_source(reader)
    return DetectorNetwork(source, _read_layers(reader, tokens), options)


class _Reader:
    """Takes dlib's primitives off a file, one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def integer(self) -> int:
        control = self._take(1)[0]
        size = control & 0x0F
        if control & 0x70 or not 1 <= size <= 8:
            raise self.unlike(f"0x{control:02x} begins no integer")
        value = int.from_bytes(self._take(size), "little")
        return -value if control & 0x80 else value

    def count(self, most: int) -> int:
        value = self.integer()
        if not 0 <= value <= most:
            raise self.unlike(f"{value} is not between 0 and {most}")
        return value

    def expect(self, value: int, meaning: str) -> None:
        found = self.integer()
        if found != value:
            raise self.unlike(f"{found} where {meaning} belongs")

    def floating(self) -> float:
        mantissa, exponent = self.integer(), self.integer()
        if exponent in (_INFINITE, _NEGATIVE_INFINITE, _NOT_A_NUMBER):
            raise self.unlike("a number that is not finite")
        try:
            return math.ldexp(mantissa, exponent)
        except OverflowError as error:
            raise self.unlike(f"a number that is too large: {mantissa} * 2**{exponent}") from error

    def truth(self) -> bool:
        character = self._take(1)
        if character not in (b"0", b"1"):
            raise self.unlike(f"{character!r} is no truth value")
        return character == b"1"

    def name(self) -> str:
        text = self._take(self.count(_LONGEST_NAME))
        if not text.isascii():
            raise self.unlike(f"{text!r} is no name")
        return text.decode("ascii")

    def view(self) -> Shape:
        self.expect(1, "a view of version 1")
        return self._sizes()

    def tensor(self) -> Floats:
        self.expect(2, "a tensor of version 2")
        sizes = self._sizes()
        values = np.frombuffer(self._take(4 * math.prod(sizes)), "<f4")
        if not np.isfinite(values).all():
            raise self.unlike("a tensor with a value that is not finite")
        return values.astype(np.float32).reshape(sizes)

    def pair(self) -> Pair:
        return self.count(_LONGEST_SIDE), self.count(_LONGEST_SIDE)

    def expect_end(self) -> None:
        left = len(self._data) - self._at
        if left:
            raise self.unlike(f"{left} bytes follow the last layer")

    def unlike(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the file of weights is not a network that can be used here: {what}, "
            f"before byte {self._at}; install the package that it came with again"
        )

    def _sizes(self) -> Shape:
        samples, channels = self.count(_MOST_VALUES), self.count(_MOST_VALUES)
        return samples, channels, self.count(_MOST_VALUES), self.count(_MOST_VALUES)

    def _take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise self.unlike(f"it ends {size - len(self._data) + self._at} bytes too early")
        self._at += size
        return self._data[self._at - size : self._at]


def _read_metric_loss(reader: _Reader) -> None:
    _read_name(reader, "loss", "loss_metric_2")
    reader.floating()  # the margin
    reader.floating()  # the distance below which two faces were one person's


def _read_mmod_loss(reader: _Reader) -> MmodOptions:
    _read_name(reader, "loss", "loss_mmod_")
    reader.expect(1, "options of version 1")
    width, height = reader.pair()
    if 0 in (width, height):
        raise reader.unlike(f"a window of {width} by {height}")
    for _ in range(3):
        reader.floating()  # the losses, and what counted as found
    suppression = _read_overlap_test(reader)
    _read_overlap_test(reader)  # what training ignored
    return MmodOptions(width, height, suppression)


def _read_overlap_test(reader: _Reader) -> OverlapTest:
    test = OverlapTest(reader.floating(), reader.floating())
    if not (0 <= test.hull_share <= 1 and 0 <= test.box_share <= 1):
        raise reader.unlike(f"{test.hull_share} and {test.box_share} as shares of boxes")
    return test


def _read_name(reader: _Reader, kind: str, expected: str) -> None:
    name = reader.name()
    if name != expected:
        raise reader.unlike(f"the {kind} {name!r} where {expected!r} belongs")


def _read_openings(reader: _Reader) -> list[int]:
    """The versions of the layers between the loss and the one next to the input."""
    openings: list[int] = []
    while (version := reader.integer()) != 3:
        if version not in (1, 2):
            raise reader.unlike(f"a layer of version {version}")
        openings.append(version)
        if len(openings) > _MOST_LAYERS:
            raise reader.unlike(f"more than {_MOST_LAYERS} layers")
    return openings


def _read_sized_source(reader: _Reader) -> SizedRgbInput:
    _read_name(reader, "input", "input_rgb_image_sized")
    averages = _read_averages(reader)
    rows, columns = reader.pair()
    return SizedRgbInput(averages, rows, columns)


def _read_pyramid_source(reader: _Reader) -> PyramidRgbInput:
    _read_name(reader, "input", "input_rgb_image_pyramid")
    return PyramidRgbInput(_read_averages(reader))


def _read_averages(reader: _Reader) -> tuple[float, float, float]:
    return reader.floating(), reader.floating(), reader.floating()


def _read_layers(reader: _Reader, tokens: Sequence[int]) -> tuple[Layer, ...]:
    """What the layers hold, from the one next to the input to the last; then the file ends."""
    layers = [_read_layer(reader)]
    reader.expect(1, "an expansion factor of 1")
    for token in reversed(tokens):
        layers.append(Mark() if token == 1 else _read_layer(reader))
    reader.expect_end()
    return tuple(layers)


def _read_layer(reader: _Reader) -> Layer:
    name = reader.name()
    if name not in _LAYERS:
        raise reader.unlike(f"the layer {name!r}, none of {', '.join(sorted(_LAYERS))}")
    layer = _LAYERS[name](reader)
    for _ in range(3):
        reader.truth()
    for _ in range(3):
        reader.tensor()
    return layer


def _read_convolution(reader: _Reader) -> Convolution:
    parameters = reader.tensor().ravel()
    outputs = reader.count(_MOST_VALUES)
    size, stride, padding = reader.pair(), reader.pair(), reader.pair()
    filters, bias = reader.view(), reader.view()
    _read_multipliers(reader)
    if (filters[0], filters[2:]) != (outputs, size) or bias != (1, outputs, 1, 1):
        raise reader.unlike(f"filters of {filters} and biases of {bias} for {outputs} of {size}")
    if parameters.size != math.prod(filters) + outputs or 0 in (*filters, *stride):
        raise reader.unlike(f"{parameters.size} parameters for filters of {filters} and a bias")
    return Convolution(
        parameters[:-outputs].reshape(filters), parameters[-outputs:], stride, padding
    )


def _read_affine(reader: _Reader) -> Affine:
    parameters = reader.tensor().ravel()
    gamma, beta = reader.view(), reader.view()
    reader.expect(0, "the mode of convolutions")
    return _split_affine(reader, parameters, gamma, beta)


def _read_normalisation(reader: _Reader) -> Affine:
    parameters = reader.tensor().ravel()
    scaled = _split_affine(reader, parameters, reader.view(), reader.view())
    reader.tensor(), reader.tensor()  # means and inverse deviations of the last batch
    means, variances = reader.tensor().ravel(), reader.tensor().ravel()
    reader.count(_MOST_VALUES), reader.count(_MOST_VALUES)  # how often, over how many batches
    _read_multipliers(reader)
    spread = variances.astype(np.float64) + reader.floating()
    if {means.shape, spread.shape} != {scaled.gamma.shape} or not (spread > 0).all():
        raise reader.unlike(f"{means.size} means and {spread.size} variances, or one below zero")
    gamma = scaled.gamma / np.sqrt(spread)
    return Affine(gamma.astype(np.float32), (scaled.beta - gamma * means).astype(np.float32))


def _split_affine(reader: _Reader, parameters: Floats, gamma: Shape, beta: Shape) -> Affine:
    channels = gamma[1]
    if gamma != (1, channels, 1, 1) or beta != gamma or parameters.size != 2 * channels:
        raise reader.unlike(f"{parameters.size} parameters for views of {gamma} and {beta}")
    return Affine(parameters[:channels], parameters[channels:])


def _read_max_pool(reader: _Reader) -> Pool:
    return _read_pool(reader, "max")


def _read_average_pool(reader: _Reader) -> Pool:
    return _read_pool(reader, "avg")


def _read_pool(reader: _Reader, kind: str) -> Pool:
    pool = Pool(kind, reader.pair(), reader.pair(), reader.pair())
    if 0 in pool.stride or (0 in pool.size and pool.size != (0, 0)):
        raise reader.unlike(f"a window of {pool.size} in steps of {pool.stride}")
    return pool


def _read_fully_connected(reader: _Reader) -> FullyConnected:
    outputs, inputs = reader.count(_MOST_VALUES), reader.count(_MOST_VALUES)
    parameters = reader.tensor()
    weights, bias = reader.view(), reader.view()
    reader.expect(1, "the mode without a bias")
    _read_multipliers(reader)
    if {parameters.shape, weights} != {(inputs, outputs, 1, 1)} or any(bias):
        raise reader.unlike(f"weights of {weights} and a bias of {bias} for {inputs} to {outputs}")
    return FullyConnected(parameters.reshape(inputs, outputs))


def _read_multipliers(reader: _Reader) -> None:
    """Learning rate and weight decay, of weights and of the bias: only training needs them."""
    for _ in range(4):
        reader.floating()


_LAYERS: dict[str, Callable[[_Reader], Layer]] = {
    "con_4": _read_convolution,
    "affine_": _read_affine,
    "bn_con2": _read_normalisation,
    "relu_": lambda _: Relu(),
    "max_pool_2": _read_max_pool,
    "avg_pool_2": _read_average_pool,
    "add_prev_": lambda _: AddPrevious(),
    "fc_2": _read_fully_connected,
}
