"""dlib's frontal face detector: histograms of oriented gradients under a sliding window."""

from __future__ import annotations

import threading

import dlib

from usher.domain.errors import ConfigurationError, InvalidImage
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.images import RgbImage, resized
from usher.vision.runtime import Runtime

WINDOW_PX = 80
"""The side of the sliding window: the smallest face that is found in a frame as it is."""
MIN_FACE_PX = 20
LONGEST_SIDE_PX = 16_384
"""dlib's code writes past its memory on frames some 80,000 pixels wide, and ends the process."""


class HogDetector:
    """Finds upright faces seen from the front.

    The frame is resized so that a face of `min_face_px` fills the detector's window: a larger
    minimum is faster, with the square of it.

    Parameters
    ----------
    min_face_px
        The smallest face to look for, in pixels of the frame.
    score_threshold
        The lowest score to report; raise it for fewer false faces.

    Raises
    ------
    ConfigurationError
        If `min_face_px` is below 20.
    """

    SCORE_THRESHOLD = 0.0

    def __init__(
        self,
        *,
        min_face_px: int = WINDOW_PX,
        score_threshold: float = SCORE_THRESHOLD,
        runtime: Runtime | None = None,
    ) -> None:
        if min_face_px < MIN_FACE_PX:
            raise ConfigurationError(
                f"min_face_px is {min_face_px}: the hog detector needs at least {MIN_FACE_PX}"
            )
        self._scale = WINDOW_PX / min_face_px
        self._score_threshold = score_threshold
        self._hog = dlib.get_frontal_face_detector()
        # `run` lets go of the GIL and keeps the image's pyramid in the detector itself.
        self._lock = threading.Lock()

    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        """See `FaceDetector.detect`.

        Raises
        ------
        InvalidImage
            If a side of the frame, as it is searched, is longer than 16,384 pixels.
        """
        if frame_rgb.size == 0:
            return []
        if max(frame_rgb.shape[:2]) * self._scale > LONGEST_SIDE_PX:
            height, width = frame_rgb.shape[:2]
            raise InvalidImage(
                f"a frame of {width}x{height} pixels is too long for the hog detector with "
                f"min_face_px {round(WINDOW_PX / self._scale)}: raise that, or cut the frame up"
            )
        searched_rgb = resized(frame_rgb, self._scale)
        with self._lock:
            rectangles, scores, _ = self._hog.run(searched_rgb, 0, self._score_threshold)
        # Sides are rounded when resizing, so each axis has a scale of its own.
        scale_x = frame_rgb.shape[1] / searched_rgb.shape[1]
        scale_y = frame_rgb.shape[0] / searched_rgb.shape[0]
        return [
            DetectedFace(_box(rectangle, scale_x, scale_y), float(score))
            for rectangle, score in zip(rectangles, scores, strict=True)
        ]


def _box(rectangle: dlib.rectangle, scale_x: float, scale_y: float) -> Box:
    """dlib's rectangle, whose far edges are inclusive, in pixels of the frame."""
    x1, y1 = round(rectangle.left() * scale_x), round(rectangle.top() * scale_y)
    x2, y2 = round((rectangle.right() + 1) * scale_x), round((rectangle.bottom() + 1) * scale_y)
    return Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
