"""What the graphs of dlib's networks have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from usher.domain.errors import ConfigurationError
from usher.vision.networks.dlib_format import Affine, Convolution, Layer

_OPSET = 17
_IR_VERSION = 8
_SCALE = 1 / 256


class GraphWriter:
    """Collects the nodes and constants of a graph, and names them."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str | NDArray[Any], **attributes: Any) -> str:
        """The name of the output of a new node.

        Parameters
        ----------
        kind
            Of the node, as ONNX names it.
        inputs
            Names of values, and arrays, which become constants.
        attributes
            As ONNX names them.
        """
        names = [given if isinstance(given, str) else self._constant(given) for given in inputs]
        output = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, names, [output], name=output, **attributes))
        return output

    def model(
        self, name: str, given: onnx.ValueInfoProto, result: onnx.ValueInfoProto, value: str
    ) -> bytes:
        """The checked model, of one input and one output; the same bytes for the same graph.

        Parameters
        ----------
        name
            Of the graph.
        given, result
            Its input and its output.
        value
            The name of the value that becomes the output.
        """
        self._nodes.append(helper.make_node("Identity", [value], [result.name]))
        graph = helper.make_graph(self._nodes, name, [given], [result], self._constants)
        opset = helper.make_opsetid("", _OPSET)
        model = helper.make_model(
            graph, opset_imports=[opset], ir_version=_IR_VERSION, producer_name="usher"
        )
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))

    def _constant(self, values: NDArray[Any]) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def fold(layers: Sequence[Layer]) -> list[Layer]:
    """The layers with affine ones multiplied into the convolutions before them.

    The first convolution takes the input's division by 256 as well, which is exact in binary.

    Raises
    ------
    ConfigurationError
        If the first layer is no convolution, or an affine one does not fit.
    """
    folded: list[Layer] = []
    for layer in layers:
        before = folded[-1] if folded else None
        if isinstance(layer, Affine) and isinstance(before, Convolution):
            folded[-1] = _with_affine(before, layer)
        else:
            folded.append(layer)
    first = folded[0]
    if not isinstance(first, Convolution):
        raise misfit("it does not begin with a convolution")
    filters = (first.filters * np.float32(_SCALE)).astype(np.float32)
    return [replace(first, filters=filters), *folded[1:]]


def misfit(what: str) -> ConfigurationError:
    """The error that says that layers do not fit each other, or what is built of them."""
    return ConfigurationError(f"the file of weights holds another kind of network: {what}")


def _with_affine(convolution: Convolution, affine: Affine) -> Convolution:
    if affine.gamma.shape != convolution.bias.shape:
        raise misfit(f"{affine.gamma.size} factors for {convolution.bias.size} channels")
    gamma, beta = affine.gamma.astype(np.float64), affine.beta.astype(np.float64)
    filters = convolution.filters * gamma[:, None, None, None]
    bias = convolution.bias * gamma + beta
    return replace(convolution, filters=filters.astype(np.float32), bias=bias.astype(np.float32))
