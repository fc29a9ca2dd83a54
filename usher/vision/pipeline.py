"""A photograph to faces, and faces to vectors: what the API and the classifier share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import InvalidImage, NoFaceFound, SeveralFaces
from usher.domain.face import DetectedFace, FaceQuality
from usher.domain.geometry import Box
from usher.domain.impostors import ImpostorDistances
from usher.vision.align import DLIB_CHIP, ChipFormat, EyesAndNose, FaceAligner
from usher.vision.detectors import FaceDetector, make_detector
from usher.vision.embed import DLIB_CROPS, Embedder, embed_with_raw, make_embedder
from usher.vision.images import RgbImage, resized
from usher.vision.quality import assess
from usher.vision.runtime import Runtime

DETECTION_SIDE_PX = 1280
"""A photograph's longer side is brought down to this before faces are looked for."""

_CLEARLY_LARGER = 2.0
"""In a photograph of one person, the face meant is at least so many times the others' size."""


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
        float32, (D,): the vector of the pipeline's `model_id`, to compare with others of it.
    raw_embedding
        float32, (D,): the vector of the chip alone, where the embedder averages it with its mirror
        image's; otherwise the same as `embedding`.
    quality
        Whether the vector may found an identity.
    """

    box: Box
    chip_rgb: RgbImage
    embedding: NDArray[np.float32]
    raw_embedding: NDArray[np.float32]
    quality: FaceQuality


@dataclass(frozen=True, slots=True, eq=False)
class _PreparedFace:
    """All that is needed of a face once its image is gone."""

    box: Box
    chips: tuple[RgbImage, ...]
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

    @property
    def impostors(self) -> ImpostorDistances | None:
        """How close strangers come, where a model of one's own brings its table."""
        return self._embedder.impostors

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

    def portrait(self, photo_rgb: RgbImage) -> FaceDescription:
        """The one face that a photograph is of, described, and good enough to be recognised by.

        Somebody in the background does not count: the face must be twice as large as any other.

        Parameters
        ----------
        photo_rgb
            uint8, (H, W, 3), RGB.

        Raises
        ------
        NoFaceFound
            If the photograph shows none.
        SeveralFaces
            If it shows several that may be meant.
        InvalidImage
            If the face is too poor.
        """
        found = self.faces_in(photo_rgb)
        if not found:
            raise NoFaceFound("no face was found: use a photograph that shows one from the front")
        largest, *others = sorted(found, key=lambda face: face.box.size, reverse=True)
        if others and others[0].box.size * _CLEARLY_LARGER > largest.box.size:
            raise SeveralFaces(f"the photograph shows {len(found)} faces: cut it down to one")
        (described,) = self.describe(photo_rgb, [largest.box])
        if not described.quality.acceptable:
            reasons = "; ".join(described.quality.reasons)
            raise InvalidImage(
                f"the face cannot be recognised again ({reasons}): use a better picture"
            )
        return described

    def describe(self, image_rgb: RgbImage, boxes: Sequence[Box]) -> list[FaceDescription]:
        """Describe faces of one image: `describe_many` for each of `boxes`."""
        return self.describe_many([(image_rgb, box) for box in boxes])

    def describe_many(
        self,
        faces: Iterable[tuple[RgbImage, Box]],
        landmarks: Iterable[EyesAndNose | None] | None = None,
    ) -> list[FaceDescription]:
        """Describe faces of any number of images, embedded in batches.

        The images are looked at one after the other and not kept: an iterator that makes them one
        by one holds one at a time.

        Parameters
        ----------
        faces
            An image, uint8, (H, W, 3), RGB, and the box of a face in pixels of it; there may be
            none.
        landmarks
            For each face where they were found before, or None: what is plausible is used.

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
        # The first chip is the one that quality is judged by; the embedder may want others.
        views = self._embedder.views
        formats = tuple(dict.fromkeys((DLIB_CHIP, *views)))
        known = repeat(None) if landmarks is None else landmarks
        # No face is taken from an iterator beyond the last, and none is kept.
        prepared = [
            self._prepared(image_rgb, box, formats, points)
            for (image_rgb, box), points in zip(faces, known, strict=False)
        ]
        chips = {
            chip: _stacked([face.chips[index] for face in prepared], chip)
            for index, chip in enumerate(formats)
        }
        embeddings, raw = embed_with_raw(self._embedder, *(chips[view] for view in views))
        return [
            FaceDescription(face.box, face.chips[0], embedding, raw_embedding, face.quality)
            for face, embedding, raw_embedding in zip(prepared, embeddings, raw, strict=True)
        ]

    def _prepared(
        self,
        image_rgb: RgbImage,
        box: Box,
        formats: tuple[ChipFormat, ...],
        landmarks: EyesAndNose | None,
    ) -> _PreparedFace:
        aligned = self._aligner.align(image_rgb, box, *formats, landmarks=landmarks)
        quality = assess(image_rgb, box, aligned.chip_rgb, aligned.landmarks)
        return _PreparedFace(box, aligned.chips, quality)

    def _faces_at(self, photo_rgb: RgbImage, scale: float) -> list[DetectedFace]:
        faces = self._detector.detect(resized(photo_rgb, scale))
        return [face.scaled(1 / scale) for face in faces]


def _stacked(chips: Sequence[RgbImage], chip: ChipFormat) -> NDArray[np.uint8]:
    """uint8, (N, side, side, 3); N may be 0."""
    return np.array(chips, np.uint8).reshape(-1, chip.side_px, chip.side_px, 3)


def make_pipeline(runtime: Runtime = Runtime(), embedder: str = DLIB_CROPS) -> FacePipeline:
    """The pipeline that the API and the classifier use, its models loaded (about half a second).

    Parameters
    ----------
    runtime
        Where the networks run.
    embedder
        One of `usher.vision.embed.EMBEDDERS`, or the path of a model card.

    Raises
    ------
    ConfigurationError
        If there is no embedder of that name, weights are missing, or the provider does not work
        here.
    """
    detector = make_detector("hog", min_face_px=80, runtime=runtime)
    return FacePipeline(detector, FaceAligner(), make_embedder(embedder, runtime))
