"""OpenCV's frontal face cascade: ever more Haar-like features, most windows refused by the first.

Of the cascades that come with OpenCV 4, `alt2` was chosen on 200 photographs of LFW's development
list, one face each. `found` is the share of those faces that were found in the photograph as it is
(104 px), halved and quartered; `others` counts all other boxes over the three sizes, some of them
people in the background; the time is of a photograph of 250 by 250 pixels, faces of 80 px sought.

    ========================== ===== ===== ===== ====== ======
    cascade, steps of the size 104px  52px  26px others     ms
    ========================== ===== ===== ===== ====== ======
    default, 1.1                0.99  1.00  0.96     19    3.8
    alt, 1.1                    1.00  0.99  0.94     13    2.5
    alt2, 1.1                   1.00  1.00  0.96     15    2.1
    alt2, 1.2                   0.99  0.98  0.84      8    1.2
    alt_tree, 1.1               0.62  0.61  0.25      0    1.8
    ========================== ===== ===== ===== ====== ======

With its histogram equalised first, `alt2` at 1.1 found 0.98, 1.00 and 0.93, and 13 others.
"""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.images import RgbImage
from usher.vision.runtime import Runtime

MIN_FACE_PX = 20
"""The side of the cascade's window."""

_CASCADE = "haarcascade_frontalface_alt2.xml"
_SIZE_STEP = 1.1
_FEWEST_NEIGHBOURS = 3


class HaarDetector:
    """Finds upright faces seen from the front, down to 20 pixels.

    Choose it where networks do not run: it costs a third of `hog` for faces of 20 px and about as
    much for those of 80 px, but finds fewer, and its false ones score among the true. `mtcnn` is
    faster and finds more. Its boxes are looser, about 1.1 times as wide as `hog`'s. The cost grows
    with the frame's area, and falls as `min_face_px` grows; `docs/detectors.md` has figures.

    A face's score is how far the last stage's sum passed its threshold, 0 or more.

    Parameters
    ----------
    min_face_px
        The smallest face to look for, in pixels of the frame.
    score_threshold
        The lowest score to report; raise it for fewer false faces.
    runtime
        Ignored: OpenCV has threads of its own.

    Raises
    ------
    ConfigurationError
        If `min_face_px` is below 20, or the installed OpenCV has no cascades.
    """

    SCORE_THRESHOLD = 0.0

    def __init__(
        self,
        *,
        min_face_px: int = 40,
        score_threshold: float = SCORE_THRESHOLD,
        runtime: Runtime | None = None,
    ) -> None:
        if min_face_px < MIN_FACE_PX:
            raise ConfigurationError(
                f"min_face_px is {min_face_px}: the haar detector needs at least {MIN_FACE_PX}"
            )
        path = _cascade_path()
        self._smallest = (min_face_px, min_face_px)
        self._score_threshold = score_threshold
        self._last_threshold = _last_stage_threshold(path)
        self._cascade = cv2.CascadeClassifier(str(path))
        # A cascade keeps the pyramid of the frame that it works on.
        self._lock = threading.Lock()

    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        """See `FaceDetector.detect`."""
        if frame_rgb.size == 0:
            return []
        grey = cv2.cvtColor(np.ascontiguousarray(frame_rgb), cv2.COLOR_RGB2GRAY)
        with self._lock:
            boxes_xywh, _, sums = self._cascade.detectMultiScale3(
                grey,
                scaleFactor=_SIZE_STEP,
                minNeighbors=_FEWEST_NEIGHBOURS,
                minSize=self._smallest,
                outputRejectLevels=True,
            )
        scores = np.ravel(sums) - self._last_threshold
        faces = [
            DetectedFace(_box(*box_xywh), float(score))
            for box_xywh, score in zip(boxes_xywh, scores, strict=True)
            if score >= self._score_threshold
        ]
        return sorted(faces, key=_rank)


def _cascade_path() -> Path:
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    path = Path(folder) / _CASCADE
    if not hasattr(cv2, "CascadeClassifier") or not path.is_file():
        raise ConfigurationError(
            f"OpenCV {cv2.__version__} does not bring {_CASCADE}: install opencv-python-headless "
            "below version 5, or choose another detector"
        )
    return path


def _last_stage_threshold(path: Path) -> float:
    """What the sum of a cascade's last stage has to reach."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    stages = storage.getNode("cascade").getNode("stages")
    return float(stages.at(stages.size() - 1).getNode("stageThreshold").real())


def _box(x: int, y: int, width: int, height: int) -> Box:
    return Box(int(x), int(y), int(x + width), int(y + height))


def _rank(face: DetectedFace) -> tuple[float, int, int]:
    """Best first; equals from left to right, as OpenCV's threads end in any order."""
    return -face.score, face.box.x1, face.box.y1
