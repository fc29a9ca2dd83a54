"""Aligned faces to vectors."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import dlib
import numpy as np
from numpy.typing import NDArray

from usher.vision.align import CHIP_PX
from usher.vision.models import model_path

Chips: TypeAlias = NDArray[np.uint8]
"""uint8, (N, 150, 150, 3), RGB: aligned faces."""
Embeddings: TypeAlias = NDArray[np.float32]
"""float32, (N, 128): one vector a face."""

_WEIGHTS = "dlib_face_recognition_resnet_model_v1.dat"
_BATCH = 32


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
            If `chips` has another shape.
        """
        ...


class DlibEmbedder:
    """dlib's residual network on dlib's own code, its descriptors as they are.

    It holds the GIL while it works, about 75 ms a face: other threads of the process wait.
    """

    model_id = "dlib-resnet-v1"
    dimension = 128

    def __init__(self) -> None:
        self._network = dlib.face_recognition_model_v1(str(model_path(_WEIGHTS)))

    def embed(self, chips: Chips) -> Embeddings:
        """See `Embedder.embed`."""
        if chips.shape[1:] != (CHIP_PX, CHIP_PX, 3):
            raise ValueError(f"chips must have the shape (N, {CHIP_PX}, {CHIP_PX}, 3)")
        batches = [list(chips[start : start + _BATCH]) for start in range(0, len(chips), _BATCH)]
        vectors = [vector for batch in batches for vector in self._vectors(batch)]
        return np.array(vectors, np.float32).reshape(-1, self.dimension)

    def _vectors(self, batch: list[Chips]) -> list[dlib.vector]:
        return list(self._network.compute_face_descriptor(batch))
