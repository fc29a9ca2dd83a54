"""Whether anything moves in front of a camera, and where."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usher.domain.geometry import Box
from usher.vision.images import RgbImage

_THUMBNAIL_PX = 160
"""The longer side of what is looked at: a face of 80 px in 1280x720 is ten pixels of it."""
_FORGET_S = 20.0
"""What stands still for about so long becomes background."""
_MOST_AT_ONCE = 0.05
"""However long nothing was seen, the background does not become another within one frame."""
_VARIANCE_THRESHOLD = 25.0
_SPECKS = np.ones((3, 3), np.uint8)
_REACH = np.ones((7, 7), np.uint8)
_LEAST_SHARE = 0.0015
_CUT_CHANGE = 40.0
_CUT_CORRELATION = 0.7
_BINS = 32


@dataclass(frozen=True, slots=True)
class Movement:
    """What has changed in a frame.

    Attributes
    ----------
    area
        Around all that moves, in pixels of the frame, with some room; None where nothing does.
    cut
        The picture shows something else altogether: the camera was turned, the film cut, or frames
        have another size.
    """

    area: Box | None
    cut: bool = False


class MotionGate:
    """Tells movement from noise by OpenCV's mixture of Gaussians over a small grey picture.

    Z. Zivkovic, "Improved adaptive Gaussian mixture model for background subtraction", ICPR 2004.
    A change of the light as a whole counts as movement.
    """

    def __init__(self) -> None:
        self._background = cv2.createBackgroundSubtractorMOG2(
            history=500, varThreshold=_VARIANCE_THRESHOLD, detectShadows=False
        )
        self._before: NDArray[np.uint8] | None = None
        self._size: tuple[int, ...] = ()
        self._at_s = 0.0

    def look(
        self, frame_rgb: RgbImage, at_s: float, *, mask: NDArray[np.uint8] | None = None
    ) -> Movement:
        """What moves in a frame.

        Parameters
        ----------
        frame_rgb
            uint8, (H, W, 3), RGB.
        at_s
            When it was captured, in seconds since any moment.
        mask
            uint8, of any size and the frame's shape: movement where it is 0 does not count.
        """
        grey, step = _thumbnail(frame_rgb)
        before, self._before = self._before, grey
        size, self._size = self._size, frame_rgb.shape
        if before is None or size != self._size or _is_cut(before, grey):
            self._background.apply(grey, learningRate=1.0)
            self._at_s = at_s
            height, width = frame_rgb.shape[:2]
            return Movement(Box(0, 0, width, height), cut=before is not None)
        share = min(max(at_s - self._at_s, 0.0) / _FORGET_S, _MOST_AT_ONCE)
        self._at_s = at_s
        moving = self._background.apply(grey, learningRate=share)
        moving = cv2.morphologyEx(moving, cv2.MORPH_OPEN, _SPECKS)
        if mask is not None:
            size = (grey.shape[1], grey.shape[0])
            counts = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST)
            moving = cv2.bitwise_and(moving, moving, mask=counts)
        if np.count_nonzero(moving) < _LEAST_SHARE * moving.size:
            return Movement(None)
        x, y, width, height = cv2.boundingRect(cv2.dilate(moving, _REACH))
        return Movement(_on_frame(frame_rgb, Box(x, y, x + width, y + height), step))


def _thumbnail(frame_rgb: RgbImage) -> tuple[NDArray[np.uint8], int]:
    """A grey picture of every n-th pixel, a little blurred, and n."""
    step = max(1, max(frame_rgb.shape[:2]) // _THUMBNAIL_PX)
    small_rgb = np.ascontiguousarray(frame_rgb[::step, ::step])
    grey = cv2.GaussianBlur(cv2.cvtColor(small_rgb, cv2.COLOR_RGB2GRAY), (3, 3), 0)
    return np.asarray(grey, np.uint8), step


def _is_cut(before: NDArray[np.uint8], grey: NDArray[np.uint8]) -> bool:
    """Nearly every pixel differs, and so does what is light and what is dark."""
    if float(cv2.absdiff(before, grey).mean()) < _CUT_CHANGE:
        return False
    shades, shades_before = (
        cv2.calcHist([one], [0], None, [_BINS], [0, 256]) for one in (grey, before)
    )
    return bool(cv2.compareHist(shades, shades_before, cv2.HISTCMP_CORREL) < _CUT_CORRELATION)


def _on_frame(frame_rgb: RgbImage, box: Box, step: int) -> Box:
    height, width = frame_rgb.shape[:2]
    return box.scaled(step).clipped(width, height)
