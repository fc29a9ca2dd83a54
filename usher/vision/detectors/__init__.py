"""What finds faces, chosen by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace
from usher.vision.detectors.hog import HogDetector
from usher.vision.images import RgbImage

__all__ = ["DETECTORS", "DetectedFace", "FaceDetector", "HogDetector", "make_detector"]


class FaceDetector(Protocol):
    """Finds faces. One instance may be used by several threads."""

    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        """The faces of one frame, best score first.

        Parameters
        ----------
        frame_rgb
            uint8, (H, W, 3), RGB, of any size.

        Returns
        -------
        list of DetectedFace
            Boxes in pixels of `frame_rgb`.
        """
        ...


DETECTORS: Mapping[str, Callable[[int], FaceDetector]] = {
    "hog": lambda min_face_px: HogDetector(min_face_px=min_face_px),
}


def make_detector(name: str, *, min_face_px: int) -> FaceDetector:
    """The detector of that name, its model loaded.

    Raises
    ------
    ConfigurationError
        If there is none of that name, or it cannot find faces that small.
    """
    build = DETECTORS.get(name)
    if build is None:
        raise ConfigurationError(f"no detector {name!r}: choose one of {', '.join(DETECTORS)}")
    return build(min_face_px)
