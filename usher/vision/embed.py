"""Aligned faces to vectors."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usher.vision.align import CHIP_PX
from usher.vision.models import model_path
from usher.vision.networks.cache import Recipe, load_graph, user_cache_folder
from usher.vision.networks.descriptor import BUILDER_VERSION, build_descriptor
from usher.vision.runtime import BatchRunner, Runtime

Chips: TypeAlias = NDArray[np.uint8]
"""uint8, (N, 150, 150, 3), RGB: aligned faces."""
Embeddings: TypeAlias = NDArray[np.float32]
"""float32, (N, 128): one vector a face."""

_WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
_RECIPE = Recipe("dlib-resnet", BUILDER_VERSION, build_descriptor)


class Embedder(Protocol):
    """Turns faces into vectors; those of one person lie close together."""

    @property
    def model_id(self) -> str:
        """Names the network and its preparation: only vectors of one model compare."""
        ...

    @property
    def dimension(self) -> int: ...

    def embed(self, chips: Chips) -> Embeddings:
        """One vector a face.

        Parameters
        ----------
        chips
            uint8, (N, 150, 150, 3), RGB, from `FaceAligner.align`; N may be 0.

        Returns
        -------
        Embeddings
            float32, (N, dimension), in the order of `chips`.

        Raises
        ------
        ValueError
            If `chips` has another shape or type.
        """
        ...


class OnnxEmbedder:
    """dlib's residual network on ONNX Runtime: dlib's descriptors as they are, within 4e-7.

    The weights are dlib's own (`usher.vision.networks.descriptor`). It lets go of the GIL while it
    works. One instance may be used by several threads.

    Parameters
    ----------
    runtime
        Where the network runs.

    Raises
    ------
    ConfigurationError
        If the weights are missing or damaged, or the provider does not work.
    """

    model_id = "dlib-resnet-v1"
    dimension = 128

    def __init__(self, runtime: Runtime = Runtime()) -> None:
        weights = model_path(_WEIGHTS).read_bytes()
        graph = load_graph(weights, _RECIPE, runtime.model_cache or user_cache_folder())
        self._network = BatchRunner(graph, runtime)

    def warm_up(self) -> None:
        """Make the first faces as fast as later ones."""
        self._network.warm_up()

    def embed(self, chips: Chips) -> Embeddings:
        """See `Embedder.embed`."""
        if chips.dtype != np.uint8 or chips.shape[1:] != (CHIP_PX, CHIP_PX, 3):
            raise ValueError(f"chips must be uint8, of the shape (N, {CHIP_PX}, {CHIP_PX}, 3)")
        return self._network.run(chips)
