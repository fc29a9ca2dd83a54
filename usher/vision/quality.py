"""Whether a face is good enough to found an identity.

A face must keep three bounds, each of one measure, and the estimated probability that it is
recognised, which weighs them all, must reach a fourth (`docs/quality.md`). The three:

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

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.vision.align import EyesAndNose, share_inside
from usher.vision.images import RgbImage

MIN_SIZE_PX = 36
MIN_SHARPNESS = 5.0
"""Refuses 90% of the faces that moved by 0.5 to 0.6 in the measurement above, 64% of those by 0.4
to 0.5, 4.5% by 0.2 to 0.3, and none by less."""

MAX_SHARE_OUTSIDE = 0.25

GOOD_SIZE_PX = 96
GOOD_SHARPNESS = 30.0
GOOD_CONTRAST = 35.0
FRONTAL_PITCH = 0.54
"""The medians of unspoilt faces of LFW, or a little below; no measure is rewarded beyond."""

INTERCEPT = 1.66
WEIGHTS = {
    "size": 0.37,
    "sharpness": 0.48,
    "contrast": 0.07,
    "outside": 1.15,
    "clipped": 2.76,
    "yaw": 0.28,
    "pitch": 2.99,
}
"""Of a logistic regression over `terms_of`: `bench/quality.py --fit` prints them anew."""

MIN_PROBABILITY = 0.45
"""Where, on the fitting half, the share of recognised faces that pass exceeds the others' most."""

_MIDDLE = slice(30, 120)
_SIDE_PX = 75
_MIN_PIXELS = 500
_SECOND_DERIVATIVES = (
    np.array([[0, 0, 0], [1, -2, 1], [0, 0, 0]], np.float32),
    np.array([[0, 1, 0], [0, -2, 0], [0, 1, 0]], np.float32),
    # The neighbours along a diagonal are √2 away: the derivative is half the difference.
    np.array([[1, 0, 0], [0, -2, 0], [0, 0, 1]], np.float32) / 2,
    np.array([[0, 0, 1], [0, -2, 0], [1, 0, 0]], np.float32) / 2,
)


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a face.

    Attributes
    ----------
    size_px
        The shorter side of its box.
    sharpness
        See `sharpness_of`.
    outside
        The share of its box that lies past the image, 0 to 1.
    clipped, contrast
        See `exposure_of`.
    pose
        None where there were no landmarks.
    """

    size_px: int
    sharpness: float
    outside: float
    clipped: float
    contrast: float
    pose: Pose | None = None


@dataclass(frozen=True, slots=True)
class Pose:
    """Which way a face looks, guessed from five points: proxies, not angles, but for the roll.

    Attributes
    ----------
    yaw
        How far the nose's base lies beside the middle of the eyes, along their line, as a share of
        the distance of the eyes' outer corners; 0 from the front, positive to the picture's right.
    pitch
        How far the nose's base lies below the eyes' line, as a share of the same distance. The
        face's own shape moves it as well as nodding does.
    roll_deg
        The angle of the eyes' line, in degrees, clockwise in the picture. Alignment takes it out:
        the quality does not depend on it.
    """

    yaw: float
    pitch: float
    roll_deg: float


def assess(
    image_rgb: RgbImage,
    box: Box,
    chip_rgb: RgbImage,
    landmarks: EyesAndNose | None = None,
) -> FaceQuality:
    """Judge whether a face may found an identity.

    Parameters
    ----------
    image_rgb
        uint8, (H, W, 3), RGB: the image that the face comes from.
    box
        Around the face, in pixels of `image_rgb`.
    chip_rgb
        The same face aligned: uint8, (150, 150, 3), RGB.
    landmarks
        float32, (5, 2), of `AlignedFace`; without them the pose counts as one from the front.
    """
    measures = measure(image_rgb, box, chip_rgb, landmarks)
    reasons = reasons_against(measures)
    pose = measures.pose
    return FaceQuality(
        measures.size_px,
        measures.sharpness,
        acceptable=not reasons,
        reasons=tuple(reasons),
        probability=probability_of(measures),
        outside=measures.outside,
        clipped=measures.clipped,
        contrast=measures.contrast,
        yaw=pose.yaw if pose else None,
        pitch=pose.pitch if pose else None,
        roll_deg=pose.roll_deg if pose else None,
    )


def measure(
    image_rgb: RgbImage, box: Box, chip_rgb: RgbImage, landmarks: EyesAndNose | None = None
) -> Measures:
    """Measure a face; the parameters are those of `assess`."""
    clipped, contrast = exposure_of(chip_rgb)
    return Measures(
        size_px=min(box.width, box.height),
        sharpness=sharpness_of(chip_rgb),
        outside=1 - share_inside(image_rgb, box),
        clipped=clipped,
        contrast=contrast,
        pose=None if landmarks is None else pose_of(landmarks),
    )


def reasons_against(measures: Measures) -> list[str]:
    """Why a face may not found an identity, in words for a person; empty where it may.

    Where every measure keeps its own bound but the probability does not, the measures that cost
    most are named.
    """
    reasons = bounds_missed(measures)
    probability = probability_of(measures)
    if not reasons and probability < MIN_PROBABILITY:
        return [_soft_reason(measures, probability)]
    return reasons


def bounds_missed(measures: Measures) -> list[str]:
    """The reasons that a single measure gives."""
    size_px, outside, sharpness = measures.size_px, measures.outside, measures.sharpness
    reasons = []
    if size_px < MIN_SIZE_PX:
        reasons.append(f"face too small: {size_px} px, at least {MIN_SIZE_PX}")
    if outside > MAX_SHARE_OUTSIDE:
        reasons.append(f"face cut off: {outside:.0%} outside, at most {MAX_SHARE_OUTSIDE:.0%}")
    if sharpness < MIN_SHARPNESS:
        reasons.append(f"face too blurred: sharpness {sharpness:.1f}, at least {MIN_SHARPNESS:.1f}")
    return reasons


def terms_of(measures: Measures) -> dict[str, float]:
    """How far each measure falls short of a good face's, 0 or less: what the probability sums.

    Each rises, or stays, as its measure gets better.
    """
    pose = measures.pose or Pose(0, FRONTAL_PITCH, 0)
    return {
        "size": _log_share(measures.size_px, GOOD_SIZE_PX, 4),
        "sharpness": _log_share(measures.sharpness, GOOD_SHARPNESS, 0.25),
        "contrast": _log_share(measures.contrast, GOOD_CONTRAST, 0.5),
        "outside": -measures.outside,
        "clipped": -measures.clipped,
        "yaw": -min(abs(pose.yaw), 1.0),
        "pitch": -min(abs(pose.pitch - FRONTAL_PITCH), 1.0),
    }


def probability_of(measures: Measures) -> float:
    """The estimated probability, 0 to 1, that the face is recognised (`docs/quality.md`)."""
    terms = terms_of(measures)
    total = INTERCEPT + sum(WEIGHTS[name] * term for name, term in terms.items())
    return 1 / (1 + math.exp(-total))


def pose_of(landmarks: EyesAndNose) -> Pose:
    """Guess a pose.

    Parameters
    ----------
    landmarks
        float32, (5, 2), of `AlignedFace`.
    """
    points = np.asarray(landmarks, np.float64)
    right, left, nose = points[0:2].mean(axis=0), points[2:4].mean(axis=0), points[4]
    width = max(float(np.linalg.norm(points[0] - points[2])), 1e-6)
    roll = math.atan2(right[1] - left[1], right[0] - left[0])
    along = np.array([math.cos(roll), math.sin(roll)])
    down = np.array([-along[1], along[0]])
    offset = (nose - (left + right) / 2) / width
    return Pose(float(offset @ along), float(offset @ down), math.degrees(roll))


def exposure_of(chip_rgb: RgbImage) -> tuple[float, float]:
    """How much of an aligned face is too dark or too bright, and how much contrast it has.

    Parameters
    ----------
    chip_rgb
        uint8, (150, 150, 3), RGB.

    Returns
    -------
    tuple of float
        Of the middle 90x90 pixels: the share, 0 to 1, whose grey level is below 10 or above 245
        (what lies past the image is black, and counts), and the standard deviation of the grey
        levels, 0 to 127.5.
    """
    grey = np.asarray(cv2.cvtColor(chip_rgb, cv2.COLOR_RGB2GRAY))[_MIDDLE, _MIDDLE]
    return float(((grey < 10) | (grey > 245)).mean()), float(grey.std())


def _log_share(value: float, good: float, least: float) -> float:
    return math.log(min(max(value, least), good) / good)


def _soft_reason(measures: Measures, probability: float) -> str:
    """Names the one or two measures that cost most."""
    costs = {name: -WEIGHTS[name] * term for name, term in terms_of(measures).items()}
    worst = sorted((name for name in costs if costs[name] > 0), key=lambda name: -costs[name])[:2]
    pose = measures.pose or Pose(0, FRONTAL_PITCH, 0)
    words = {
        "size": f"size {measures.size_px} px, good from {GOOD_SIZE_PX}",
        "sharpness": f"sharpness {measures.sharpness:.1f}, good from {GOOD_SHARPNESS:.0f}",
        "contrast": f"contrast {measures.contrast:.1f}, good from {GOOD_CONTRAST:.0f}",
        "outside": f"{measures.outside:.0%} outside, good at 0%",
        "clipped": f"{measures.clipped:.0%} too dark or too bright, good at 0%",
        "yaw": f"turned aside by {abs(pose.yaw):.2f}, good at 0",
        "pitch": f"turned up or down by {abs(pose.pitch - FRONTAL_PITCH):.2f}, good at 0",
    }
    # Never rounded up to the bound that was missed.
    shown = math.floor(probability * 100) / 100
    causes = "; ".join(words[name] for name in worst)
    return f"face hard to recognise: {shown:.2f}, at least {MIN_PROBABILITY:.2f} ({causes})"


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
    black = cv2.inRange(chip_rgb, (0, 0, 0), (0, 0, 0))
    touched = cv2.dilate(_halved(np.asarray(black)), np.ones((3, 3), np.uint8))
    usable = np.asarray(touched == 0, np.bool_)
    usable[[0, -1]] = False
    usable[:, [0, -1]] = False
    return usable


def _halved(grey: np.ndarray) -> np.ndarray:
    small = cv2.resize(grey, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(small)
