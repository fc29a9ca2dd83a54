"""Whether a face is good enough to found an identity: a first, coarse gate.

Measured on 160 people of LFW's development list, one photograph each (faces of 88 to 125 px),
shrunk, blurred by a Gaussian, and by sideways motion; sides and widths as a share of the face's
box. `self` is the median distance of the vectors before and after; `first` how often the nearest
of 160 second photographs, one a person, is of the same person; `refused` the share below
`MIN_SHARPNESS`. Distances between strangers have the median 0.83.

    ============ ==== ===== ======= | ============ ==== ===== =======
    shrunk to    self first refused | blurred      self first refused
    ============ ==== ===== ======= | ============ ==== ===== =======
    as it is     0.00  0.98    0.00 | Gauss 0.02   0.29  0.94    0.16
    48 px        0.14  0.97    0.00 | Gauss 0.03   0.41  0.81    0.82
    36 px        0.21  0.96    0.01 | Gauss 0.04   0.50  0.57    0.99
    28 px        0.29  0.89    0.03 | motion 0.08  0.30  0.93    0.11
    20 px        0.43  0.76    0.22 | motion 0.12  0.41  0.82    0.46
    12 px        0.58  0.32    0.95 | motion 0.16  0.49  0.62    0.85
    ============ ==== ===== ======= | ============ ==== ===== =======

Under a blur of 0.08, strangers lie 0.53 apart and 7% of first neighbours are right: such faces
would become one person who attracts everyone.

The usual measure, the variance of the Laplacian, overlooks motion: what lies across it stays sharp.
The least variance of the second derivative in four directions does not. As a test for faces that
moved by more than 0.45, the areas under the ROC curve are 0.91 and 0.96; half the chip's size
serves either as well as the whole. Where the chip reaches past the image it is black; the edge of
that is sharp, and unmasked let half of the blurred faces (0.05) pass whose box lay 10% outside.

Cut off at the left, top or bottom edge, 50 faces moved by 0.22, 0.36 and 0.22 (medians) with 20% of
the box outside, by 0.33, 0.43 and 0.30 with 30%, by 0.45, 0.53 and 0.38 with 40%.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.vision.align import share_inside
from usher.vision.images import RgbImage

MIN_SIZE_PX = 36
MIN_SHARPNESS = 5.0
"""Refuses 90% of the faces that moved by 0.5 to 0.6 in the measurement above, 64% of those by 0.4
to 0.5, 4.5% by 0.2 to 0.3, and none by less."""

MAX_SHARE_OUTSIDE = 0.25

_SIDE_PX = 75
_MIN_PIXELS = 500
_SECOND_DERIVATIVES = (
    np.array([[0, 0, 0], [1, -2, 1], [0, 0, 0]], np.float32),
    np.array([[0, 1, 0], [0, -2, 0], [0, 1, 0]], np.float32),
    # The neighbours along a diagonal are √2 away: the derivative is half the difference.
    np.array([[1, 0, 0], [0, -2, 0], [0, 0, 1]], np.float32) / 2,
    np.array([[0, 0, 1], [0, -2, 0], [1, 0, 0]], np.float32) / 2,
)


def assess(image_rgb: RgbImage, box: Box, chip_rgb: RgbImage) -> FaceQuality:
    """Judge a face by its size, by how much of it lies in the image, and by its sharpness.

    Parameters
    ----------
    image_rgb
        uint8, (H, W, 3), RGB: the image that the face comes from.
    box
        Around the face, in pixels of `image_rgb`.
    chip_rgb
        The same face aligned: uint8, (150, 150, 3), RGB.
    """
    size_px = min(box.width, box.height)
    outside = 1 - share_inside(image_rgb, box)
    sharpness = sharpness_of(chip_rgb)
    reasons = []
    if size_px < MIN_SIZE_PX:
        reasons.append(f"face too small: {size_px} px, at least {MIN_SIZE_PX}")
    if outside > MAX_SHARE_OUTSIDE:
        reasons.append(f"face cut off: {outside:.0%} outside, at most {MAX_SHARE_OUTSIDE:.0%}")
    if sharpness < MIN_SHARPNESS:
        reasons.append(f"face too blurred: sharpness {sharpness:.1f}, at least {MIN_SHARPNESS:.1f}")
    return FaceQuality(size_px, sharpness, acceptable=not reasons, reasons=tuple(reasons))


def sharpness_of(chip_rgb: RgbImage) -> float:
    """The sharpness of an aligned face in its most blurred direction; higher is sharper.

    Parameters
    ----------
    chip_rgb
        uint8, (150, 150, 3), RGB.

    Returns
    -------
    float
        The least variance of the grey picture's second derivative in four directions, in squared
        grey levels (0 to 255) at half the chip's size, black pixels and their neighbours left out;
        0 where too few are left. LFW: 5% below 26, median 62.
    """
    grey = _halved(np.asarray(cv2.cvtColor(chip_rgb, cv2.COLOR_RGB2GRAY))).astype(np.float32)
    usable = _away_from_black(chip_rgb)
    if usable.sum() < _MIN_PIXELS:
        return 0.0
    return min(
        float(cv2.filter2D(grey, -1, kernel)[usable].var()) for kernel in _SECOND_DERIVATIVES
    )


def _away_from_black(chip_rgb: RgbImage) -> NDArray[np.bool_]:
    """Where, at half the size, neither a pixel nor a neighbour is black or past the edge."""
    black = np.where((chip_rgb == 0).all(axis=2), 255, 0).astype(np.uint8)
    touched = cv2.dilate(_halved(black), np.ones((3, 3), np.uint8))
    usable = np.asarray(touched == 0, np.bool_)
    usable[[0, -1]] = False
    usable[:, [0, -1]] = False
    return usable


def _halved(grey: np.ndarray) -> np.ndarray:
    small = cv2.resize(grey, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small)
