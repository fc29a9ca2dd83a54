"""Aligned faces to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import ConfigurationError
from usher.domain.impostors import ImpostorDistances
from usher.vision.align import CHIP_PX, DLIB_CHIP, ChipFormat
from usher.vision.cards import is_card
from usher.vision.models import model_path
from usher.vision.networks.cache import Recipe, load_graph, user_cache_folder
from usher.vision.networks.descriptor import BUILDER_VERSION, build_descriptor
from usher.vision.own_models import CardEmbedder
from usher.vision.runtime import BatchRunner, Runtime

Chips: TypeAlias = NDArray[np.uint8]
"""uint8, (N, side, side, 3), RGB: aligned faces, 150 pixels for dlib's network."""
Embeddings: TypeAlias = NDArray[np.float32]
"""float32, (N, D): one vector a face, of 128 numbers from dlib's network."""

DLIB_CROPS, DLIB_MIRRORED, DLIB = "dlib-crops", "dlib-mirrored", "dlib"
EMBEDDERS = (DLIB_CROPS, DLIB_MIRRORED, DLIB)
"""The names to choose from."""

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

    @property
    def impostors(self) -> ImpostorDistances | None:
        """How close strangers come, of a model that brings its own table."""
        ...

    @property
    def views(self) -> tuple[ChipFormat, ...]:
        """How the faces that it takes are cut out; one for most."""
        ...

    def embed(self, *views: Chips) -> Embeddings:
        """One vector a face.

        Parameters
        ----------
        views
            For each of `self.views` the same faces, from `FaceAligner.align`: uint8,
            (N, side, side, 3), RGB; N may be 0.

        Returns
        -------
        Embeddings
            float32, (N, dimension), in the order of the faces.

        Raises
        ------
        ValueError
            If a view has another shape or type, or there are too many or too few.
        """
        ...


class DlibEmbedder:
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
    views = (DLIB_CHIP,)
    impostors: ImpostorDistances | None = None

    def __init__(self, runtime: Runtime = Runtime()) -> None:
        weights = model_path(_WEIGHTS).read_bytes()
        graph = load_graph(weights, _RECIPE, runtime.model_cache or user_cache_folder())
        self._network = BatchRunner(graph, runtime)
        self._network.warm_up()

    def embed(self, *views: Chips) -> Embeddings:
        """See `Embedder.embed`."""
        (chips,) = views
        if chips.dtype != np.uint8 or chips.shape[1:] != (CHIP_PX, CHIP_PX, 3):
            raise ValueError(f"chips must be uint8, of the shape (N, {CHIP_PX}, {CHIP_PX}, 3)")
        return self._network.run(chips)


@dataclass(frozen=True, slots=True)
class Crop:
    """One look at a face: how it is cut out, and whether it is mirrored."""

    chip: ChipFormat = DLIB_CHIP
    mirrored: bool = False


_CROPS = (
    Crop(),
    Crop(mirrored=True),
    Crop(ChipFormat(padding=0.2)),
    Crop(ChipFormat(padding=0.4), mirrored=True),
)
"""Chosen among two, three and four crops of six paddings, not on the pairs that accuracy is
reported for (`docs/accuracy.md`)."""


class AveragingEmbedder:
    """The mean of the vectors of several crops of a face, brought to the length 1.

    What is due to one cut, or to the side that the light is on, averages out. Each crop costs a
    pass of the network; `docs/accuracy.md` measures what it gains.

    Parameters
    ----------
    base
        Makes the vectors that are averaged, of one chip each.
    name
        Of the crops: a base of `dlib-resnet-v1` and the name `mirrored` make the model
        `dlib-resnet-v1-mirrored`.
    crops
        The first is the base's own, so that its vector is there as well.
    """

    def __init__(self, base: Embedder, name: str, crops: Sequence[Crop]) -> None:
        self._base = base
        self._crops = tuple(crops)
        self.model_id = f"{base.model_id}-{name}"
        self.dimension = base.dimension
        self.impostors = base.impostors
        self.views = tuple(dict.fromkeys(crop.chip for crop in crops))

    def embed(self, *views: Chips) -> Embeddings:
        """See `Embedder.embed`; each vector has the length 1."""
        return self.embed_with_raw(*views)[0]

    def embed_with_raw(self, *views: Chips) -> tuple[Embeddings, Embeddings]:
        """The vectors, and beside them the base's of the first view alone, in one pass.

        Parameters
        ----------
        views
            See `Embedder.embed`.

        Returns
        -------
        tuple of Embeddings
            Both float32, (N, dimension), in the order of the faces.

        Raises
        ------
        ValueError
            If a view has another shape or type.
        """
        by_format = dict(zip(self.views, views, strict=True))
        crops = [
            by_format[crop.chip][:, :, ::-1] if crop.mirrored else by_format[crop.chip]
            for crop in self._crops
        ]
        vectors = self._base.embed(np.concatenate(crops))
        each = vectors.reshape(len(crops), -1, self.dimension)
        return _of_length_one(each.mean(axis=0, dtype=np.float32)), each[0]


def mirrored(base: Embedder) -> AveragingEmbedder:
    """The mean of the chip and of its mirror image: a face and its mirror image get one vector."""
    view = base.views[0]
    return AveragingEmbedder(base, "mirrored", (Crop(view), Crop(view, mirrored=True)))


def embed_with_raw(embedder: Embedder, *views: Chips) -> tuple[Embeddings, Embeddings]:
    """An embedder's vectors, and beside them those of the chips as they are.

    Parameters
    ----------
    embedder
        One that does not average gives the same vectors twice.
    views
        See `Embedder.embed`.

    Returns
    -------
    tuple of Embeddings
        Both float32, (N, dimension), in the order of the faces.
    """
    if isinstance(embedder, AveragingEmbedder):
        return embedder.embed_with_raw(*views)
    embeddings = embedder.embed(*views)
    return embeddings, embeddings


def make_embedder(name: str = DLIB_CROPS, runtime: Runtime = Runtime()) -> Embedder:
    """The embedder of that name, its network loaded and warm.

    Parameters
    ----------
    name
        `dlib-crops`, `dlib-mirrored`, `dlib`, or the path of a model card.
    runtime
        Where the network runs.

    Raises
    ------
    ConfigurationError
        If there is none of that name, its weights are missing or damaged, or the provider does not
        work.
    """
    if is_card(name):
        own = CardEmbedder(Path(name), runtime)
        return mirrored(own) if own.mirrored else own
    if name not in EMBEDDERS:
        raise ConfigurationError(
            f"USHER_EMBEDDER: there is no {name!r}: choose one of {', '.join(EMBEDDERS)}, or the "
            "path of a model card (.toml)"
        )
    base = DlibEmbedder(runtime)
    if name == DLIB_CROPS:
        return AveragingEmbedder(base, "crops", _CROPS)
    return mirrored(base) if name == DLIB_MIRRORED else base


def _of_length_one(vectors: Embeddings) -> Embeddings:
    """Each divided by its length; one of zeros stays what it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)
