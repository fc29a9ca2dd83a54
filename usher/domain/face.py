"""A face in a picture, before it is anybody's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeAlias

from usher.domain.geometry import Box

Point: TypeAlias = tuple[float, float]
"""x, y in pixels."""


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Five points of a face, in pixels; left and right as one sees them in the picture.

    Attributes
    ----------
    left_eye, right_eye
        Their middles.
    nose
        Its tip.
    left_mouth, right_mouth
        The mouth's corners.
    """

    left_eye: Point
    right_eye: Point
    nose: Point
    left_mouth: Point
    right_mouth: Point

    def scaled(self, factor: float) -> Landmarks:
        return Landmarks(*((x * factor, y * factor) for x, y in self._points()))

    def shifted(self, dx: float, dy: float) -> Landmarks:
        return Landmarks(*((x + dx, y + dy) for x, y in self._points()))

    def _points(self) -> Iterator[Point]:
        return (getattr(self, one.name) for one in fields(self))


@dataclass(frozen=True, slots=True)
class DetectedFace:
    """A face that a detector found.

    Attributes
    ----------
    box
        Where, in pixels of the image that was searched. It may reach past the image's edges.
    score
        The detector's own confidence: higher is better, comparable within one detector only.
    landmarks
        Where in the same image, of a detector that finds them.
    """

    box: Box
    score: float
    landmarks: Landmarks | None = None

    def scaled(self, factor: float) -> DetectedFace:
        """The face in an image that is `factor` times as large."""
        landmarks = self.landmarks.scaled(factor) if self.landmarks else None
        return DetectedFace(self.box.scaled(factor), self.score, landmarks)

    def shifted(self, dx: int, dy: int) -> DetectedFace:
        """The face in an image that begins `dx` and `dy` pixels further to the left and top."""
        landmarks = self.landmarks.shifted(dx, dy) if self.landmarks else None
        return DetectedFace(self.box.shifted(dx, dy), self.score, landmarks)


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
    probability
        The estimated probability, 0 to 1, that the face is recognised.
    outside, clipped, contrast, yaw, pitch, roll_deg
        As `usher.vision.quality.Measures` and `Pose` define them.

    What a record from before it was measured lacks is None.
    """

    size_px: int
    sharpness: float
    acceptable: bool
    reasons: tuple[str, ...] = ()
    probability: float | None = None
    outside: float | None = None
    clipped: float | None = None
    contrast: float | None = None
    yaw: float | None = None
    pitch: float | None = None
    roll_deg: float | None = None
