"""`usher classify` with leases of two seconds and a network that sees people in colours.

A colour is a person; the grain of a picture is how the face was caught. So made-up people, as alike
as real ones, come to the classifier as pictures, and many decisions are close.
"""

from __future__ import annotations

import sys
import zlib

import numpy as np

from services.classifier import assigning, command, consolidating, embedding
from tests.services.classifier.pictures import picture
from tests.unit.identity.people import centres, faces_of
from usher.cli import app
from usher.identity.rules import make_rule
from usher.vision.align import DLIB_CHIP, FaceAligner
from usher.vision.detectors import make_detector
from usher.vision.embed import Chips, Embeddings
from usher.vision.pipeline import FacePipeline

LEVELS = 7
PEOPLE = LEVELS**3
MODEL = "dlib-resnet-v1-crops"
"""Its threshold's numbers fit people who are as alike."""


def portrait(person: int, shot: int) -> bytes:
    """A JPEG of a person, different with each shot."""
    colour = np.unravel_index(person, (LEVELS, LEVELS, LEVELS))
    red, green, blue = (float(level) / (LEVELS - 1) for level in colour)
    return picture(red, green, blue, seed=shot)


class CrowdEmbedder:
    """Sees who it is by the mean colour, and turns that person's vector away by the grain."""

    model_id = MODEL
    views = (DLIB_CHIP,)
    impostors = None

    def __init__(self) -> None:
        self._centres = centres(PEOPLE, np.random.default_rng(0))
        self.dimension = self._centres.shape[1]

    def embed(self, *views: Chips) -> Embeddings:
        (chips,) = views
        found = np.empty((len(chips), self.dimension), np.float32)
        for row, chip in enumerate(chips):
            random = np.random.default_rng(zlib.crc32(chip.tobytes()))
            found[row] = faces_of(self._centres[self._person(chip)][None], 1, random)[0]
        return found

    def _person(self, chip: np.ndarray) -> int:  # type: ignore[type-arg]
        mean = chip[40:110, 40:110].reshape(-1, 3).mean(axis=0)
        levels = np.clip(np.round((mean - 50) / 155 * (LEVELS - 1)), 0, LEVELS - 1)
        return int(np.ravel_multi_index(levels.astype(int), (LEVELS, LEVELS, LEVELS)))


if __name__ == "__main__":
    embedding.LEASE_S = assigning.LEASE_S = consolidating.LEASE_S = 2.0
    consolidating.QUIET_S = 0.5
    pipeline = FacePipeline(make_detector("hog", min_face_px=80), FaceAligner(), CrowdEmbedder())
    command.make_pipeline = lambda *_: pipeline  # type: ignore[attr-defined]
    rule = make_rule("budget", model=MODEL, budget=0.01, fixed_distance=None)
    command.make_rule = lambda *_, **__: rule  # type: ignore[attr-defined]
    sys.argv.append("classify")
    app()
