"""Pictures that need no photographs, and a network that only looks at their colour."""

from __future__ import annotations

import time
from io import BytesIO

import numpy as np
from PIL import Image

from usher.domain.geometry import Box
from usher.vision.align import DLIB_CHIP, FaceAligner
from usher.vision.detectors import make_detector
from usher.vision.embed import Chips, Embeddings
from usher.vision.pipeline import FacePipeline

SIDE_PX = 96
BOX = Box(8, 8, 88, 88)
"""The whole picture counts as a face: nothing is detected."""


def picture(red: float, green: float, blue: float, *, seed: int = 0) -> bytes:
    """A JPEG of about that colour (0 to 1 each), rough enough to pass for a sharp face."""
    rough = np.random.default_rng(seed).normal(0, 25, (SIDE_PX, SIDE_PX, 1))
    pixels = np.array([red, green, blue]) * 155 + 50 + rough
    buffer = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


class ColourEmbedder:
    """The mean colour as a vector: colours that differ by a quarter are two people.

    Parameters
    ----------
    face_s
        Seconds that a face takes, give or take half of them.
    """

    model_id = "colours"
    dimension = 3
    views = (DLIB_CHIP,)
    impostors = None

    def __init__(self, face_s: float = 0.0) -> None:
        self._face_s = face_s
        self._random = np.random.default_rng()

    def embed(self, *views: Chips) -> Embeddings:
        (chips,) = views
        time.sleep(len(chips) * self._face_s * self._random.uniform(0.5, 1.5))
        middle = chips[:, 40:110, 40:110].reshape(len(chips), -1, 3)
        return ((middle.mean(axis=1) - 50) / 155 * 2).astype(np.float32)


def colour_pipeline(face_s: float = 0.0) -> FacePipeline:
    return FacePipeline(make_detector("hog", min_face_px=80), FaceAligner(), ColourEmbedder(face_s))
