"""A face in a picture, before it is anybody's."""

from __future__ import annotations

from dataclasses import dataclass

from usher.domain.geometry import Box


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face that a detector found.

    Attributes
    ----------
    box
        Where, in pixels of the image that was searched. It may reach past the image's edges.
    score
        The detector's own confidence: higher is better, comparable within one detector only.
    """

    box: Box
    score: float


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """Whether a face is good enough to found an identity.

    Attributes
    ----------
    size_px
        The shorter side of the face's box in the image that was given.
    sharpness
        Higher is sharper; `usher.vision.quality` defines it.
    acceptable
        Whether nothing stands in `reasons`.
    reasons
        What is wrong, in words for a person: `face too small: 31 px, at least 40`.
    """

    size_px: int
    sharpness: float
    acceptable: bool
    reasons: tuple[str, ...] = ()
