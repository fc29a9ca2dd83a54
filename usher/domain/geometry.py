"""Boxes and points in pixels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box in pixels: xyxy, the far edges exclusive.

    The frame of reference is the image that the box was found in, unless the holder says otherwise.
    Coordinates may lie outside of the image: detectors guess past its edges.
    """

    x1: int
    y1: int
    x2: int
    y2: int

    def __post_init__(self) -> None:
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise ValueError(f"a box needs a positive width and height, not {self}")

    @property
    def width(self) -> int:
        return self.x2 - self.x1

    @property
    def height(self) -> int:
        return self.y2 - self.y1

    @property
    def size(self) -> int:
        """The longer side, in pixels."""
        return max(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2

    def expanded(self, margin: float) -> Box:
        """The box grown on each side by `margin` times its width and height."""
        dx, dy = round(self.width * margin), round(self.height * margin)
        return Box(self.x1 - dx, self.y1 - dy, self.x2 + dx, self.y2 + dy)

    def clipped(self, width: int, height: int) -> Box:
        """The part of the box inside an image of `width` by `height`.

        Raises
        ------
        ValueError
            If no part of it lies inside.
        """
        return Box(max(self.x1, 0), max(self.y1, 0), min(self.x2, width), min(self.y2, height))

    def shifted(self, dx: int, dy: int) -> Box:
        return Box(self.x1 + dx, self.y1 + dy, self.x2 + dx, self.y2 + dy)

    def scaled(self, factor: float) -> Box:
        x1, y1 = round(self.x1 * factor), round(self.y1 * factor)
        x2, y2 = round(self.x2 * factor), round(self.y2 * factor)
        return Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
