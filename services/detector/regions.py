"""Where in a camera's picture faces are looked for, and where not."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from usher.domain.geometry import Box

Polygon = Sequence[tuple[float, float]]
"""Corners (x, y), each a share (0 to 1) of the frame's width and height."""


class Regions:
    """Areas of interest, less areas of no interest.

    Parameters
    ----------
    include
        Of interest: what lies in any of them. None of them: the whole frame.
    exclude
        Of no interest, also where `include` says otherwise.
    """

    def __init__(self, include: Sequence[Polygon] = (), exclude: Sequence[Polygon] = ()) -> None:
        self._include = [_corners(polygon) for polygon in include]
        self._exclude = [_corners(polygon) for polygon in exclude]
        self.are_everywhere = not (self._include or self._exclude)

    def allows(self, box: Box, width: int, height: int) -> bool:
        """Whether a face counts: by its box's centre, in pixels of a frame of that size.

        A centre outside of the frame counts as on its nearest edge; one on a polygon's edge lies
        within the polygon.
        """
        x, y = box.centre
        point = (min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0))
        if any(_holds(polygon, point) for polygon in self._exclude):
            return False
        return not self._include or any(_holds(polygon, point) for polygon in self._include)

    def mask(self, width: int, height: int) -> NDArray[np.uint8]:
        """What counts of a frame, or of a copy of it that was resized to this size.

        Returns
        -------
        NDArray
            uint8, (height, width): 255 where it counts, 0 where not.
        """
        mask = np.full((height, width), 0 if self._include else 255, np.uint8)
        for polygon in self._include:
            _fill(mask, polygon, 255)
        for polygon in self._exclude:
            _fill(mask, polygon, 0)
        return mask


def _corners(polygon: Polygon) -> NDArray[np.float32]:
    """float32, (N, 1, 2), x and y as shares: what OpenCV takes for a contour."""
    return np.asarray(polygon, np.float32).reshape(-1, 1, 2)


def _holds(polygon: NDArray[np.float32], point: tuple[float, float]) -> bool:
    return cv2.pointPolygonTest(polygon, point, measureDist=False) >= 0


def _fill(mask: NDArray[np.uint8], polygon: NDArray[np.float32], value: int) -> None:
    """Fill the pixels whose centres lie in the polygon, in place."""
    height, width = mask.shape
    corners = np.round(polygon * (width, height) - 0.5).astype(np.int32)
    cv2.fillPoly(mask, [corners], (value,))
