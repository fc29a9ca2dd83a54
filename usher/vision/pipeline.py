"""A photograph to faces, and faces to vectors: what the API and the classifier share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import NoFaceFound
from usher.domain.face import DetectedFace, FaceQuality
from usher.domain.geometry import Box
from usher.vision.align import CHIP_PX, FaceAligner
from usher.vision.detectors import FaceDetector, make_detector
from usher.vision.embed import Embedder, OnnxEmbedder
from usher.vision.images import RgbImage, resized
from usher.vision.quality import assess
from usher.vision.runtime import Runtime

DETECTION_SIDE_PX = 1280
"""A photograph's longer side is brought down to this before faces are looked for."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceDescription:
    """One face, described.

    Attributes
    ----------
    box
        Where, in pixels of the image that was given.
    chip_rgb
        The face aligned: uint8, (150, 150, 3), RGB.
    embedding
        float32, (128,): the vector of the pipeline's `model_id`.
    quality
        Whether the vector may found an identity.
    """

    box: Box
    chip_rgb: RgbImage
    embedding: NDArray[np.float32]
    quality: FaceQuality


class FacePipeline:
    """Finds, aligns, judges and embeds faces. One instance may be used by several threads.

    Parameters
    ----------
    detector
        Looks for faces in photographs.
    aligner
        Cuts them out.
    embedder
        Turns them into vectors.
    """

    def __init__(self, detector: FaceDetector, aligner: FaceAligner, embedder: Embedder) -> None:
        self._detector = detector
        self._aligner = aligner
        self._embedder = embedder

    @property
    def model_id(self) -> str:
        """The model of the vectors: only those of one model compare."""
        return self._embedder.model_id

    @property
    def dimension(self) -> int:
        """How many numbers a vector has."""
        return self._embedder.dimension

    def faces_in(self, photo_rgb: RgbImage) -> list[DetectedFace]:
        """The faces of a photograph of any size.

        It is searched with its longer side at 1280 pixels at most, and, where that shows none,
        once more at twice that size.

        Parameters
        ----------
        photo_rgb
            uint8, (H, W, 3), RGB.

        Returns
        -------
        list of DetectedFace
            Best score first; boxes in pixels of `photo_rgb`.
        """
        if photo_rgb.size == 0:
            return []
        scale = min(1.0, DETECTION_SIDE_PX / max(photo_rgb.shape[:2]))
        return self._faces_at(photo_rgb, scale) or self._faces_at(photo_rgb, 2 * scale)

    def central_face(self, image_rgb: RgbImage) -> DetectedFace:
        """The face nearest to the middle of the image.

        Parameters
        ----------
        image_rgb
            uint8, (H, W, 3), RGB.

        Raises
        ------
        NoFaceFound
            If the image shows no face.
        """
        faces = self.faces_in(image_rgb)
        if not faces:
            raise NoFaceFound("no face was found: send a photograph that shows one from the front")
        height, width = image_rgb.shape[:2]
        middle = (width / 2, height / 2)
        return min(faces, key=lambda face: math.dist(face.box.centre, middle))

    def describe(self, image_rgb: RgbImage, boxes: Sequence[Box]) -> list[FaceDescription]:
        """Describe faces of one image: `describe_many` for each of `boxes`."""
        return self.describe_many([(image_rgb, box) for box in boxes])

    def describe_many(self, faces: Sequence[tuple[RgbImage, Box]]) -> list[FaceDescription]:
        """Describe faces of any number of images, embedded in batches.

        Parameters
        ----------
        faces
            An image, uint8, (H, W, 3), RGB, and the box of a face in pixels of it; there may be
            none.

        Returns
        -------
        list of FaceDescription
            One each, in the order of `faces`.

        Raises
        ------
        InvalidImage
            If more than half of a box lies outside of its image; `usher.vision.align.check_box`
            tells for one.
        """
        chips = np.empty((len(faces), CHIP_PX, CHIP_PX, 3), np.uint8)
        for index, (image_rgb, box) in enumerate(faces):
            chips[index] = self._aligner.align(image_rgb, box)
        embeddings = self._embedder.embed(chips)
        return [
            FaceDescription(box, chip_rgb, embedding, assess(image_rgb, box, chip_rgb))
            for (image_rgb, box), chip_rgb, embedding in zip(faces, chips, embeddings, strict=True)
        ]

    def _faces_at(self, photo_rgb: RgbImage, scale: float) -> list[DetectedFace]:
        faces = self._detector.detect(resized(photo_rgb, scale))
        return [face.scaled(1 / scale) for face in faces]


def make_pipeline(runtime: Runtime = Runtime()) -> FacePipeline:
    """The pipeline that the API and the classifier use, its models loaded (about half a second).

    Parameters
    ----------
    runtime
        Where the networks run.

    Raises
    ------
    ConfigurationError
        If weights are missing, or the provider does not work here.
    """
    embedder = OnnxEmbedder(runtime)
    embedder.warm_up()
    detector = make_detector("hog", min_face_px=80, runtime=runtime)
    return FacePipeline(detector, FaceAligner(), embedder)
