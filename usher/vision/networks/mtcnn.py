"""The three networks of MTCNN as ONNX graphs.

MTCNN is K. Zhang, Z. Zhang, Z. Li, Y. Qiao, "Joint Face Detection and Alignment using Multi-task
Cascaded Convolutional Networks", IEEE Signal Processing Letters 23 (2016). The weights, and the
order of the layers, are those of version 1.0 of the Python package `mtcnn`, which runs them on
TensorFlow; here only its files are read.

A file of weights is one LZ4 frame. In it lies what `joblib.dump` makes of a list of arrays: a
pickle in which an object of joblib's, of shape, order and type, stands for each array, and is
followed by the array's bytes, in the middle of the pickle: a byte that counts the bytes of padding,
those, and the values. (Nothing describes it but joblib's source, `joblib/numpy_pickle.py`.) It is
not read with joblib: a pickle may name any function to be called, so that to load one is to run it.
The reader here knows the three names that such a file needs and takes each for a plain record of
its own; nothing that a file names is ever imported or called.

The list holds what Keras calls the weights of a model, layer by layer: the filters (rows, columns,
inputs, outputs) or the matrix (inputs, outputs), the bias, and the slopes of the PReLU behind it.
The last two or three layers have no PReLU: offsets of the box, landmarks, and the two classes.

The graphs compute the same with less work. The scaling of pixels is multiplied into the first
layer. The last layers are one, and of the two classes' scores only that of a face is given. The
flattening before the matrices, which Keras does with the columns outermost, is an order of the
matrix's rows. The scores stay a softmax, though a logistic function of the classes' difference
would do: close to 1 many scores are the same float32, which of them are depends on the rounding,
and the detector goes by their order.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

import lz4.frame
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from usher.domain.errors import ConfigurationError

BUILDER_VERSION = 2
"""Raised with every change to the graphs that are built here, so that no older one is used."""

INPUT = "pixels"
OUTPUT = "faces"

PNET_WINDOW_PX = 12
PNET_STRIDE_PX = 2
RNET_SIDE_PX = 24
ONET_SIDE_PX = 48

Floats: TypeAlias = NDArray[np.float32]

_OPSET = 17
_IR_VERSION = 8
_MIDDLE, _HALF_RANGE = 127.5, 128.0
"""Pixels are taken as (value - 127.5) / 128."""
_BOX_VALUES = 4
_CLASSES = 2


@dataclass(frozen=True, slots=True)
class Convolution:
    """Square filters without padding, and a PReLU."""

    outputs: int
    size: int


@dataclass(frozen=True, slots=True)
class MaxPool:
    """Square windows, two pixels apart; `ceil`: the last may reach past the edge."""

    size: int
    ceil: bool


@dataclass(frozen=True, slots=True)
class Dense:
    """A matrix over all values, and a PReLU."""

    outputs: int


Layer: TypeAlias = Convolution | MaxPool | Dense


@dataclass(frozen=True, slots=True)
class Plan:
    """A network, apart from its weights.

    Attributes
    ----------
    layers
        From the input on, up to the last layers.
    side_px
        Of the input; None: of any height and width.
    landmark_values
        How many numbers of landmarks are given.
    """

    layers: tuple[Layer, ...]
    side_px: int | None = None
    landmark_values: int = 0


PNET = Plan((Convolution(10, 3), MaxPool(2, True), Convolution(16, 3), Convolution(32, 3)))
RNET = Plan(
    (
        Convolution(28, 3),
        MaxPool(3, True),
        Convolution(48, 3),
        MaxPool(3, False),
        Convolution(64, 2),
        Dense(128),
    ),
    side_px=RNET_SIDE_PX,
)
ONET = Plan(
    (
        Convolution(32, 3),
        MaxPool(3, True),
        Convolution(64, 3),
        MaxPool(3, False),
        Convolution(64, 3),
        MaxPool(2, True),
        Convolution(128, 2),
        Dense(256),
    ),
    side_px=ONET_SIDE_PX,
    landmark_values=10,
)


def build_pnet(weights: bytes) -> bytes:
    """The graph that proposes faces: a window of 12 pixels slides over a picture by two pixels.

    It takes `pixels`, float32, (N, H, W, 3), 0 to 255, RGB, H and W from 12, and gives `faces`,
    float32, (N, 5, rows, columns): the score, 0 to 1, and the offsets of x1, y1, x2, y2 as shares
    of the window's side.

    Parameters
    ----------
    weights
        The whole file `pnet.lz4`.

    Returns
    -------
    bytes
        An ONNX model; the same for the same weights.

    Raises
    ------
    ConfigurationError
        If the file is damaged, or that of another network.
    """
    return _build(PNET, weights)


def build_rnet(weights: bytes) -> bytes:
    """The graph that judges proposals: (N, 24, 24, 3) gives (N, 5).

    See `build_pnet`.
    """
    return _build(RNET, weights)


def build_onet(weights: bytes) -> bytes:
    """The graph that judges again, and finds landmarks: (N, 48, 48, 3) gives (N, 15).

    After score and offsets follow the x of the left eye, the right eye, the nose and the mouth's
    left and right corner, and their y, as shares of the side. See `build_pnet`.
    """
    return _build(ONET, weights)


def read_weights(data: bytes) -> list[Floats]:
    """The arrays in a file of weights, in the file's order.

    Parameters
    ----------
    data
        The whole file: an LZ4 frame of what `joblib.dump` makes of a list of float32 arrays.

    Raises
    ------
    ConfigurationError
        If the file is damaged, or holds anything else.
    """
    try:
        arrays = _loaded(lz4.frame.decompress(data))
    except _BROKEN as error:
        raise _unlike(str(error)) from error
    if not all(np.isfinite(array).all() for array in arrays):
        raise _unlike("a value that is not finite")
    return arrays


# What lz4 and pickle raise on bytes that are not what they should be.
_BROKEN = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    MemoryError,
    OverflowError,
)


def _loaded(content: bytes) -> list[Floats]:
    values = _ArrayUnpickler(BytesIO(content)).load()
    if not isinstance(values, list) or not all(isinstance(value, _Array) for value in values):
        raise pickle.UnpicklingError("it is no list of arrays")
    return [value.values for value in values]


class _Name:
    """Stands for a class that the file names, which is not needed."""


class _Type:
    """Stands for `numpy.dtype`: what the file says of one, as it says it."""

    def __init__(self, code: str, *_: object) -> None:
        self.code = code
        self.byte_order = ""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.byte_order = state[1]


class _Array:
    """Stands for joblib's record of an array; takes the array's bytes from the file behind it."""

    file: BytesIO
    values: Floats

    def __setstate__(self, state: dict[str, Any]) -> None:
        shape, kind = state["shape"], state["dtype"]
        if (kind.code, kind.byte_order, state["order"]) != ("f4", "<", "C"):
            raise pickle.UnpicklingError("an array that is not of float32, row by row")
        self.file.read(self.file.read(1)[0])  # the padding
        content = self.file.read(4 * math.prod(shape))
        self.values = np.frombuffer(content, "<f4").astype(np.float32).reshape(shape)


class _ArrayUnpickler(pickle.Unpickler):
    """Loads lists of arrays, and refuses whatever else a pickle may ask for.

    From a file without `peek`, as `BytesIO` is, no byte is read ahead. So the file stands behind
    the record of an array at the moment when that record's state is set.
    """

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file)
        self._names: dict[tuple[str, str], type] = {
            ("joblib.numpy_pickle", "NumpyArrayWrapper"): type("_", (_Array,), {"file": file}),
            ("numpy", "ndarray"): _Name,
            ("numpy", "dtype"): _Type,
        }

    def find_class(self, module_name: str, global_name: str) -> type:
        kind = self._names.get((module_name, global_name))
        if kind is None:
            raise pickle.UnpicklingError(f"it asks for {module_name}.{global_name}")
        return kind


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """Of one layer. `slopes` is empty in a layer without a PReLU."""

    kernel: Floats
    bias: Floats
    slopes: Floats


def _build(plan: Plan, weights: bytes) -> bytes:
    graph = _Graph(plan.side_px)
    *body, head = _fitted(plan, read_weights(weights))
    sources = iter(_scaled(body))
    for layer in plan.layers:
        graph.add(layer, sources)
    graph.end(head)
    model = graph.model()
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _fitted(plan: Plan, arrays: Sequence[Floats]) -> list[_Weights]:
    """The arrays by layer, those of all last layers as one."""
    shapes = list(_shapes(plan))
    found = [array.shape for array in arrays]
    if found != shapes:
        raise _unlike(f"arrays of {found} where {shapes} belong")
    left = iter(arrays)
    layers = [
        _Weights(next(left), next(left), next(left).ravel())
        for layer in plan.layers
        if not isinstance(layer, MaxPool)
    ]
    return [*layers, _head(list(left))]


def _shapes(plan: Plan) -> Iterator[tuple[int, ...]]:
    """Of the arrays that a file for this plan holds."""
    channels, side = 3, plan.side_px or 0
    dense = False
    for layer in plan.layers:
        if isinstance(layer, MaxPool):
            side = _pooled(side, layer)
            continue
        if isinstance(layer, Convolution):
            yield layer.size, layer.size, channels, layer.outputs
            side -= layer.size - 1
        else:
            yield channels * side * side, layer.outputs
            dense = True
        yield (layer.outputs,)
        yield (layer.outputs,) if dense else (1, 1, layer.outputs)
        channels = layer.outputs
    for outputs in filter(None, (_BOX_VALUES, plan.landmark_values, _CLASSES)):
        yield (channels, outputs) if dense else (1, 1, channels, outputs)
        yield (outputs,)


def _pooled(side: int, layer: MaxPool) -> int:
    windows = (side - layer.size) / 2 + 1
    return math.ceil(windows) if layer.ceil else math.floor(windows)


def _head(arrays: Sequence[Floats]) -> _Weights:
    """One layer of the last ones: the classes, and the others in their order."""
    *kernels, classes = arrays[::2]
    *biases, class_bias = arrays[1::2]
    kernel = np.concatenate([classes, *kernels], axis=-1)
    return _Weights(kernel, np.concatenate([class_bias, *biases]), np.empty(0, np.float32))


def _scaled(layers: Sequence[_Weights]) -> list[_Weights]:
    """The layers with the scaling of pixels multiplied into the first."""
    first, *others = layers
    kernel = first.kernel.astype(np.float64) / _HALF_RANGE
    bias = first.bias - _MIDDLE * kernel.sum(axis=(0, 1, 2))
    scaled = _Weights(kernel.astype(np.float32), bias.astype(np.float32), first.slopes)
    return [scaled, *others]


class _Graph:
    """Grows a graph layer by layer, from the input."""

    def __init__(self, side: int | None) -> None:
        self._input_side = side
        self._channels, self._side = 3, side or 0
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._value = INPUT
        self._flat = False
        self._apply("Transpose", perm=[0, 3, 1, 2])

    def add(self, layer: Layer, weights: Iterator[_Weights]) -> None:
        if isinstance(layer, MaxPool):
            self._pool(layer)
            return
        given = next(weights)
        if isinstance(layer, Convolution):
            self._convolve(given)
        else:
            self._flatten(given)
        self._apply("PRelu", given.slopes if self._flat else given.slopes.reshape(-1, 1, 1))

    def end(self, head: _Weights) -> None:
        if self._flat:
            self._apply("Gemm", head.kernel, head.bias)
        else:
            self._convolve(head)
        outputs = len(head.bias)
        self._split(self._value, (_CLASSES, outputs - _CLASSES), ("classes", "others"))
        self._nodes.append(helper.make_node("Softmax", ["classes"], ["scores"], axis=1))
        self._split("scores", (_CLASSES - 1, 1), ("none", "score"))
        self._nodes.append(helper.make_node("Concat", ["score", "others"], [OUTPUT], axis=1))
        self._channels = outputs - _CLASSES + 1

    def model(self) -> onnx.ModelProto:
        side = self._input_side
        shape_in: list[str | int | None] = ["N", side or "H", side or "W", 3]
        shape_out: list[str | int | None] = ["N", self._channels]
        if not self._flat:
            shape_out += ["rows", "columns"]
        pixels = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape_in)
        faces = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape_out)
        graph = helper.make_graph(self._nodes, "mtcnn", [pixels], [faces], self._constants)
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(
            graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="usher"
        )

    def _convolve(self, given: _Weights) -> None:
        filters = given.kernel.transpose(3, 2, 0, 1)
        self._apply("Conv", filters, given.bias, kernel_shape=filters.shape[2:])
        self._channels = filters.shape[0]
        self._side -= filters.shape[2] - 1

    def _pool(self, layer: MaxPool) -> None:
        size = [layer.size] * 2
        self._apply("MaxPool", kernel_shape=size, strides=[2, 2], ceil_mode=int(layer.ceil))
        self._side = _pooled(self._side, layer)

    def _flatten(self, given: _Weights) -> None:
        """A matrix over values in the order of channels, rows, columns."""
        side, channels = self._side, self._channels
        kernel = given.kernel.reshape(side, side, channels, -1).transpose(2, 1, 0, 3)
        self._apply("Flatten", axis=1)
        self._apply("Gemm", kernel.reshape(given.kernel.shape), given.bias)
        self._flat = True

    def _split(self, name: str, sizes: tuple[int, int], outputs: tuple[str, str]) -> None:
        names = [name, self._constant(np.array(sizes, np.int64))]
        self._nodes.append(helper.make_node("Split", names, outputs, axis=1))

    def _apply(self, kind: str, *constants: NDArray[Any], **attributes: Any) -> None:
        """Make the present value what this node makes of it."""
        names = [self._value, *map(self._constant, constants)]
        self._value = f"{kind}_{len(self._nodes)}"
        node = helper.make_node(kind, names, [self._value], name=self._value, **attributes)
        self._nodes.append(node)

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _unlike(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"the file of weights is not a network of MTCNN: {what}; install the package that it came "
        "with again"
    )
