"""What finds faces, chosen by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace
from usher.vision.cards import is_card
from usher.vision.images import RgbImage
from usher.vision.own_models import CardDetector
from usher.vision.runtime import Runtime


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


DETECTORS = {
    "hog": "HogDetector",
    "mmod": "MmodDetector",
    "mtcnn": "MtcnnDetector",
    "haar": "HaarDetector",
}
"""Each is a module of this package, loaded when it is chosen: none pays for the others."""


def make_detector(
    name: str,
    *,
    min_face_px: int,
    score_threshold: float | None = None,
    runtime: Runtime = Runtime(),
) -> FaceDetector:
    """The detector of that name, its model loaded.

    Parameters
    ----------
    name
        One of `DETECTORS`, whose modules say when to choose it, or the path of a model card.
    min_face_px
        The smallest face to look for, in pixels of the frame.
    score_threshold
        The lowest score to report; None: the detector's own default.
    runtime
        Where networks run; detectors without a network ignore it.

    Raises
    ------
    ConfigurationError
        If there is none of that name, it cannot find faces that small, or its model is missing.
    """
    if is_card(name):
        return CardDetector(
            Path(name), min_face_px=min_face_px, score_threshold=score_threshold, runtime=runtime
        )
    if name not in DETECTORS:
        raise ConfigurationError(
            f"no detector {name!r}: choose one of {', '.join(DETECTORS)}, or a model card (.toml)"
        )
    kind = getattr(import_module(f"{__name__}.{name}"), DETECTORS[name])
    detector: FaceDetector = kind(
        min_face_px=min_face_px,
        score_threshold=kind.SCORE_THRESHOLD if score_threshold is None else score_threshold,
        runtime=runtime,
    )
    return detector
