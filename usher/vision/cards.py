"""Model cards: what a file of weights does not say about itself.

A card is TOML, which Python reads by itself and which allows comments. It lies beside its model.
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from usher.domain.errors import ConfigurationError
from usher.domain.impostors import ImpostorDistances

Channels: TypeAlias = tuple[float, float, float]
Point: TypeAlias = tuple[float, float]
Side: TypeAlias = Annotated[int, Field(ge=1, le=4096)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Deviation: TypeAlias = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ImpostorTable(_Strict):
    """See `usher.domain.impostors.ImpostorDistances`."""

    shares: tuple[float, ...]
    distances: tuple[float, ...]
    loosest: float


class Eyes(_Strict):
    """Where the middles of the eyes lie, in pixels of the input; left as seen in the picture."""

    left: Point
    right: Point

    @model_validator(mode="after")
    def _apart(self) -> Eyes:
        if self.left[0] >= self.right[0]:
            raise ValueError("the left eye must lie left of the right one")
        return self


class _Model(_Strict):
    """What cards of both kinds say.

    Attributes
    ----------
    file
        The ONNX model, relative to the card.
    sha256
        Checked where it is given.
    colour, layout, dtype
        Of the input.
    scale, mean, std
        A value of 0 to 255 becomes (value * scale - mean) / std, in the order of `colour`.
    licence
        What the weights may be used for.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)
    file: str = Field(min_length=1)
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$")
    licence: str = Field(min_length=1)
    colour: Literal["rgb", "bgr"]
    layout: Literal["nchw", "nhwc"]
    dtype: Literal["float32", "uint8"] = "float32"
    scale: float = Field(1.0, gt=0)
    mean: Channels = (0.0, 0.0, 0.0)
    std: tuple[Deviation, Deviation, Deviation] = (1.0, 1.0, 1.0)

    @model_validator(mode="after")
    def _whole_numbers_stay(self) -> _Model:
        if self.dtype == "uint8" and (self.scale, *self.mean, *self.std) != (1, 0, 0, 0, 1, 1, 1):
            raise ValueError("an input of dtype uint8 takes no scale, mean or std")
        return self


class EmbedderCard(_Model):
    """A network from faces to vectors.

    Attributes
    ----------
    size
        Width and height of the input, in pixels.
    eyes
        Where it wants the eyes.
    padding
        Where there are no `eyes`: what a square `size` shows beyond dlib's mean face on each side,
        in its widths.
    metric
        `cosine`: vectors are brought to the length 1, so that Euclidean distance orders alike.
    mirrored
        Whether a face's vector is averaged with its mirror image's; takes `cosine`.
    impostors
        How far apart faces of different people lie, measured with this card.
    """

    kind: Literal["embedder"]
    size: tuple[Side, Side]
    dimension: int = Field(ge=1, le=8192)
    metric: Literal["cosine", "euclidean"]
    eyes: Eyes | None = None
    padding: float = Field(0.25, ge=0, le=2)
    mirrored: bool = False
    impostors: ImpostorTable | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> EmbedderCard:
        if self.mirrored and self.metric != "cosine":
            raise ValueError("mirrored needs the metric cosine: a mean has no length of its own")
        if self.eyes is None and self.size[0] != self.size[1]:
            raise ValueError("a size that is no square needs eyes")
        if self.eyes is not None and "padding" in self.model_fields_set:
            raise ValueError("padding and eyes exclude each other: the eyes say how much is seen")
        return self

    def impostor_distances(self) -> ImpostorDistances | None:
        """The table for the threshold, if the card has one."""
        table = self.impostors
        if table is None:
            return None
        return ImpostorDistances(table.shares, table.distances, table.loosest)


class DetectorCard(_Model):
    """A network from a frame to faces, decoding included.

    Attributes
    ----------
    size
        Width and height of the input, into which the frame is letterboxed.
    boxes, scores, landmarks
        Names of outputs: (N, 4) xyxy; (N,); (N, 5, 2), in the order of `Landmarks`.
    coordinates
        `pixels` of the input, or `shares` of its sides.
    """

    kind: Literal["detector"]
    size: tuple[Side, Side]
    boxes: str
    scores: str
    landmarks: str | None = None
    coordinates: Literal["pixels", "shares"] = "pixels"
    nms_iou: Share = 0.4
    score_threshold: float = 0.5


Card: TypeAlias = EmbedderCard | DetectorCard
_CARDS: TypeAdapter[Card] = TypeAdapter(Annotated[Card, Field(discriminator="kind")])


def is_card(name: str) -> bool:
    """Whether a setting names a card rather than a model that Usher brings."""
    return name.endswith(".toml")


def read_card(path: Path) -> Card:
    """The card in a file.

    Raises
    ------
    ConfigurationError
        If it cannot be read, or a field is missing, unknown or wrong.
    """
    try:
        card = _CARDS.validate_python(tomllib.loads(path.read_text("utf-8")))
        if isinstance(card, EmbedderCard):
            card.impostor_distances()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_told(error)}") from error
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: impostors: {error}") from error
    return card


def read_model(path: Path, card: Card) -> tuple[bytes, str]:
    """The model that a card at `path` describes, and its hash in hexadecimal.

    Raises
    ------
    ConfigurationError
        If the file is missing, or is not the one that the card means.
    """
    try:
        model = (path.parent / card.file).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: file: {card.file}: {error.strerror}") from error
    digest = hashlib.sha256(model).hexdigest()
    if card.sha256 not in (None, digest):
        raise ConfigurationError(f"{path}: sha256: {card.file} has {digest}: it is another file")
    return model, digest


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in found['loc']) or 'card'}: {found['msg']}"
        for found in error.errors()
    )
