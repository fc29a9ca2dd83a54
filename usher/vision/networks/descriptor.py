"""dlib's residual descriptor network as an ONNX graph.

The weights are those of `dlib_face_recognition_resnet_model_v1.dat`; the network's definition is
published in dlib's `examples/dnn_face_recognition_ex.cpp`. Convolutions carry no padding where they
step by two, and pooling none at all, so that sizes go 150, 72, 35, 17, 8, 4 (3 beside a shortcut of
4, filled up with a row and a column of zeros), 2 (1 beside a shortcut of 2).

Against dlib's own code the vectors differ by 4e-7 at most, on faces and on noise: the order of
additions differs, and the affine layers are folded into the convolutions before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from usher.vision.networks.dlib_format import (
    AddPrevious,
    Convolution,
    FullyConnected,
    Layer,
    Mark,
    Network,
    Pool,
    Relu,
    read_network,
)
from usher.vision.networks.graph import GraphWriter, fold, misfit

BUILDER_VERSION = 1
"""Raised with every change to the graphs that are built here, so that no older one is used."""

INPUT = "chips"
OUTPUT = "descriptors"

Shape: TypeAlias = tuple[int, int, int]
"""Channels, rows, columns."""


def build_descriptor(weights: bytes) -> bytes:
    """The graph of the network in a file that dlib has saved; the same bytes for the same file.

    It takes `chips`, uint8, (N, rows, columns, 3), RGB, for any N from 1, and gives `descriptors`,
    float32, (N, outputs).

    Parameters
    ----------
    weights
        The whole file.

    Returns
    -------
    bytes
        An ONNX model.

    Raises
    ------
    ConfigurationError
        If the file is not such a network, or its layers do not fit each other.
    """
    network = read_network(weights)
    graph = _Graph(network)
    for layer in fold(network.layers):
        graph.add(layer)
    return graph.model()


@dataclass(frozen=True, slots=True)
class _Value:
    """A tensor of the graph: its name, and the shape of one sample."""

    name: str
    shape: Shape


class _Graph:
    """Grows a graph layer by layer, from the input."""

    def __init__(self, network: Network) -> None:
        source = network.source
        self._writer = GraphWriter()
        self._source = source
        self._value = _Value(INPUT, (3, source.rows, source.columns))
        self._tagged: _Value | None = None
        self._tagged_before: _Value | None = None
        self._branch: _Value | None = None  # the deeper way around a shortcut
        self._marks = 0
        averages = np.array(source.averages, np.float32).reshape(1, 3, 1, 1)
        self._apply("Transpose", perm=[0, 3, 1, 2])
        self._apply("Cast", to=TensorProto.FLOAT)
        self._apply("Sub", averages)

    def add(self, layer: Layer) -> None:
        if isinstance(layer, Mark):
            self._mark()
            return
        self._marks = 0
        if isinstance(layer, Convolution):
            self._convolve(layer)
        elif isinstance(layer, Relu):
            self._apply("Relu")
        elif isinstance(layer, Pool):
            self._pool(layer)
        elif isinstance(layer, AddPrevious):
            self._add_previous()
        elif isinstance(layer, FullyConnected):
            self._connect(layer)
        else:
            raise misfit("an affine layer that follows no convolution")

    def model(self) -> bytes:
        if self._tagged or self._branch or self._value.shape[1:] != (1, 1):
            raise misfit("it does not end in one vector")
        source, outputs = self._source, self._value.shape[0]
        chips = helper.make_tensor_value_info(
            INPUT, TensorProto.UINT8, ["N", source.rows, source.columns, 3]
        )
        vectors = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", outputs])
        return self._writer.model("descriptor", chips, vectors, self._value.name)

    def _mark(self) -> None:
        """A lone mark is the tag at which a block begins.

        Two in a row end a block that shrinks: its output is kept, and what follows starts again
        from the tag, on the shortcut.
        """
        self._marks += 1
        if self._marks == 1:
            self._tagged_before, self._tagged = self._tagged, self._value
            return
        if self._marks > 2 or self._tagged_before is None or self._branch is not None:
            raise misfit("tags that no shortcut explains")
        self._branch, self._value = self._value, self._tagged_before
        self._tagged = None

    def _add_previous(self) -> None:
        other = self._branch or self._tagged
        if other is None:
            raise misfit("a sum of one value")
        one = self._value
        shape = _larger(one.shape, other.shape)
        self._value, name = self._filled(one, shape), self._filled(other, shape).name
        self._apply("Add", name)
        self._tagged = self._branch = None

    def _filled(self, value: _Value, shape: Shape) -> _Value:
        """The value with zeros after its last channel, row and column."""
        if value.shape == shape:
            return value
        missing = [large - small for large, small in zip(shape, value.shape, strict=True)]
        ends = np.array([0, 0, 0, 0, 0, *missing], np.int64)
        return _Value(self._writer.add("Pad", value.name, ends), shape)

    def _convolve(self, layer: Convolution) -> None:
        outputs, inputs, *size = layer.filters.shape
        if inputs != self._value.shape[0]:
            raise misfit(f"filters for {inputs} channels where there are {self._value.shape[0]}")
        rows, columns = self._windows((size[0], size[1]), layer.stride, layer.padding)
        self._apply(
            "Conv",
            layer.filters,
            layer.bias,
            shape=(outputs, rows, columns),
            kernel_shape=size,
            strides=layer.stride,
            pads=layer.padding * 2,
        )

    def _pool(self, layer: Pool) -> None:
        channels = self._value.shape[0]
        if layer.size == (0, 0):
            self._apply("GlobalAveragePool", shape=(channels, 1, 1))
            return
        if layer.padding != (0, 0):
            raise misfit("pooling with padding, whose average dlib takes in another way")
        rows, columns = self._windows(layer.size, layer.stride, layer.padding)
        self._apply(
            {"max": "MaxPool", "avg": "AveragePool"}[layer.kind],
            shape=(channels, rows, columns),
            kernel_shape=layer.size,
            strides=layer.stride,
        )

    def _connect(self, layer: FullyConnected) -> None:
        inputs, outputs = layer.weights.shape
        if self._value.shape != (inputs, 1, 1):
            raise misfit(f"{inputs} weights for an input of {self._value.shape}")
        self._apply("Flatten", axis=1)
        self._apply("MatMul", layer.weights, shape=(outputs, 1, 1))

    def _windows(self, size: tuple[int, int], stride: tuple[int, int], padding: Any) -> list[int]:
        sides = zip(self._value.shape[1:], size, stride, padding, strict=True)
        windows = [(side + 2 * pad - window) // step + 1 for side, window, step, pad in sides]
        if min(windows) < 1:
            raise misfit(f"a window of {size} over an input of {self._value.shape}")
        return windows

    def _apply(
        self, kind: str, *inputs: str | NDArray[Any], shape: Shape | None = None, **attributes: Any
    ) -> None:
        """Make the present value what this node makes of it."""
        name = self._writer.add(kind, self._value.name, *inputs, **attributes)
        self._value = _Value(name, shape or self._value.shape)


def _larger(one: Shape, other: Shape) -> Shape:
    channels, rows, columns = (max(pair) for pair in zip(one, other, strict=True))
    return channels, rows, columns
