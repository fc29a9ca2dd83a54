"""Embedders and detectors of one's own: an ONNX model and the card beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace, Landmarks
from usher.domain.geometry import Box
from usher.vision.align import ChipFormat
from usher.vision.cards import Card, DetectorCard, EmbedderCard, read_card, read_model
from usher.vision.images import RgbImage
from usher.vision.runtime import BatchRunner, Runtime, make_session

# Where dlib's mean face has the middles of the eyes' corners, in its widths.
_LEFT_EYE, _RIGHT_EYE = complex(0.2273, 0.2214), complex(0.7528, 0.2212)
_TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)"}


class CardEmbedder:
    """An embedder as its card describes it. One instance may be used by several threads.

    The card's `mirrored` is left to `usher.vision.embed.make_embedder`.

    Parameters
    ----------
    path
        The card.
    runtime
        Where the network runs.

    Raises
    ------
    ConfigurationError
        If the card or the model is wrong, or they do not fit each other.
    """

    def __init__(self, path: Path, runtime: Runtime = Runtime()) -> None:
        card = read_card(path)
        if not isinstance(card, EmbedderCard):
            raise ConfigurationError(f"{path}: kind: this is no embedder but a {card.kind}")
        model, digest = read_model(path, card)
        self._path, self._card = path, card
        session = _session(path, card, model, runtime)
        batch = session.get_inputs()[0].shape[0]
        if isinstance(batch, int) and batch != 1:
            raise ConfigurationError(f"{path}: file: its batch is fixed at {batch}, not 1 or open")
        self._run = _one_by_one(session) if batch == 1 else BatchRunner(model, runtime).run
        chip, self._warp = cut_of(card)
        self.views = (chip,)
        self.model_id = f"{card.id}-{_identity(card, digest)}"
        self.dimension = card.dimension
        self.mirrored = card.mirrored
        self.impostors = card.impostor_distances()
        self.embed(np.zeros((1, chip.side_px, chip.side_px, 3), np.uint8))

    def embed(self, *views: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Embedder.embed`."""
        (chips,) = views
        side = self.views[0].side_px
        if chips.dtype != np.uint8 or chips.shape[1:] != (side, side, 3):
            raise ValueError(f"chips must be uint8, of the shape (N, {side}, {side}, 3)")
        if len(chips) == 0:
            return np.empty((0, self.dimension), np.float32)
        faces = np.stack([self._placed(chip) for chip in chips])
        vectors = self._run(_prepared(faces, self._card))
        self._check(vectors, len(chips))
        if self._card.metric == "euclidean":
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)

    def _placed(self, chip: NDArray[np.uint8]) -> Any:
        return cv2.warpAffine(
            np.ascontiguousarray(chip), self._warp, self._card.size, flags=cv2.INTER_LINEAR
        )

    def _check(self, vectors: NDArray[np.float32], count: int) -> None:
        if vectors.shape != (count, self.dimension):
            raise ConfigurationError(
                f"{self._path}: dimension: the model gives {vectors.shape[1:]}, not "
                f"{self.dimension} numbers a face"
            )
        if not np.isfinite(vectors).all():
            raise ConfigurationError(
                f"{self._path}: the model gives vectors that are not finite: check scale and std"
            )


class CardDetector:
    """A detector as its card describes it. One instance may be used by several threads.

    Parameters
    ----------
    path
        The card.
    min_face_px
        Smaller faces are left out, in pixels of the frame.
    score_threshold
        The lowest score to report; None: the card's.
    runtime
        Where the network runs.

    Raises
    ------
    ConfigurationError
        If the card or the model is wrong, or they do not fit each other.
    """

    def __init__(
        self,
        path: Path,
        *,
        min_face_px: int = 1,
        score_threshold: float | None = None,
        runtime: Runtime = Runtime(),
    ) -> None:
        card = read_card(path)
        if not isinstance(card, DetectorCard):
            raise ConfigurationError(f"{path}: kind: this is no detector but an {card.kind}")
        self._path, self._card, self._min_face_px = path, card, min_face_px
        self._threshold = card.score_threshold if score_threshold is None else score_threshold
        self._session = _session(path, card, read_model(path, card)[0], runtime)
        known = {output.name for output in self._session.get_outputs()}
        for field in ("boxes", "scores", "landmarks"):
            if getattr(card, field) not in known | {None}:
                raise ConfigurationError(f"{path}: {field}: the model has only {sorted(known)}")

    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        """See `FaceDetector.detect`."""
        if frame_rgb.size == 0:
            return []
        letterboxed, scale = _letterboxed(frame_rgb, self._card.size)
        boxes, scores, points = self._run(letterboxed)
        boxes, points = boxes / scale, points / scale
        sides = boxes[:, 2:] - boxes[:, :2]
        wanted = (scores >= self._threshold) & (sides.max(axis=1, initial=0) >= self._min_face_px)
        boxes, scores, points, sides = (part[wanted] for part in (boxes, scores, points, sides))
        corners_and_sides = np.concatenate([boxes[:, :2], sides], axis=1).tolist()
        # OpenCV wants scores above 0; their order is all that counts.
        ranks = (scores - scores.min(initial=0.0) + 1).tolist()
        kept = cv2.dnn.NMSBoxes(corners_and_sides, ranks, 0.0, self._card.nms_iou)
        return [DetectedFace(_box(boxes[i]), float(scores[i]), _landmarks(points[i])) for i in kept]

    def _run(self, letterboxed: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        card = self._card
        names = [name for name in (card.boxes, card.scores, card.landmarks) if name]
        name = self._session.get_inputs()[0].name
        outputs = self._session.run(names, {name: _prepared(letterboxed[None], card)})
        boxes, scores = outputs[0], outputs[1]
        points = outputs[2] if card.landmarks else np.empty((len(boxes), 0, 2), np.float32)
        self._check(boxes, scores, points)
        if card.coordinates == "shares":
            boxes, points = boxes * np.tile(card.size, 2), points * np.array(card.size)
        return boxes, scores, points

    def _check(self, boxes: NDArray[Any], scores: NDArray[Any], points: NDArray[Any]) -> None:
        count = len(boxes)
        landmark_count = 5 if self._card.landmarks else 0
        wanted = {
            "boxes": (boxes, (count, 4)),
            "scores": (scores, (count,)),
            "landmarks": (points, (count, landmark_count, 2)),
        }
        for field, (values, shape) in wanted.items():
            if values.shape != shape or not np.isfinite(values).all():
                raise ConfigurationError(
                    f"{self._path}: {field}: the model gives {values.shape}, or values that are "
                    f"not finite, where {shape} is needed: export it with its decoding"
                )


def _session(
    path: Path, card: Card, model: bytes, runtime: Runtime
) -> onnxruntime.InferenceSession:
    try:
        session = make_session(model, threads=runtime.threads, provider=runtime.provider)
    except ConfigurationError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no common class that is public
        raise ConfigurationError(f"{path}: file: no ONNX model that runs: {error}") from error
    given = session.get_inputs()
    if len(given) != 1 or given[0].type != _TYPES[card.dtype]:
        types = [one.type for one in given]
        raise ConfigurationError(f"{path}: dtype: {card.dtype} given, the model takes {types}")
    width, height = card.size
    shape = [3, height, width] if card.layout == "nchw" else [height, width, 3]
    sides = given[0].shape[1:]
    if len(sides) != 3 or any(
        isinstance(a, int) and a != b for a, b in zip(sides, shape, strict=True)
    ):
        raise ConfigurationError(f"{path}: size, layout: {shape} given, the model takes {sides}")
    return session


def _identity(card: EmbedderCard, digest: str) -> str:
    """Of the model and of all that changes its vectors."""
    shaping = card.model_dump_json(
        exclude={"id", "file", "sha256", "licence", "impostors", "mirrored"}
    )
    return hashlib.sha256(f"{digest}{shaping}".encode()).hexdigest()[:12]


def _prepared(images_rgb: NDArray[np.uint8], card: Card) -> NDArray[Any]:
    images: NDArray[Any] = images_rgb if card.colour == "rgb" else images_rgb[..., ::-1]
    if card.dtype == "float32":
        scaled = images.astype(np.float32) * np.float32(card.scale)
        images = (scaled - np.array(card.mean, np.float32)) / np.array(card.std, np.float32)
    return np.ascontiguousarray(images if card.layout == "nhwc" else images.transpose(0, 3, 1, 2))


def _one_by_one(
    session: onnxruntime.InferenceSession,
) -> Callable[[NDArray[Any]], NDArray[np.float32]]:
    """Runs a model whose batch is fixed at one."""
    name = session.get_inputs()[0].name

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        return np.concatenate([session.run(None, {name: one[None]})[0] for one in batch])

    return run


def cut_of(card: EmbedderCard) -> tuple[ChipFormat, NDArray[np.float64]]:
    """The chip that holds what the card asks for, and the affine matrix from it to the input.

    With eyes it is cut out in the input's own scale, and so wide that no corner of the input lies
    outside of it.
    """
    width, height = card.size
    if card.eyes is None:
        return ChipFormat(width, card.padding), np.eye(2, 3)
    left, right = complex(*card.eyes.left), complex(*card.eyes.right)
    turn = (right - left) / (_RIGHT_EYE - _LEFT_EYE)
    corners = [(complex(x, y) - left) / turn + _LEFT_EYE for x in (0, width) for y in (0, height)]
    shares = [share for corner in corners for share in (corner.real, corner.imag)]
    padding = max(-min(shares), max(shares) - 1, 0.0)
    side_px = ceil(abs(turn) * (1 + 2 * padding))
    # From a pixel of the chip to the mean face, and from there to the input.
    step = turn * (1 + 2 * padding) / side_px
    shift = left - turn * (_LEFT_EYE + complex(padding, padding))
    matrix = np.array([[step.real, -step.imag, shift.real], [step.imag, step.real, shift.imag]])
    return ChipFormat(side_px, padding), matrix


def _letterboxed(frame: RgbImage, size: tuple[int, int]) -> tuple[NDArray[np.uint8], float]:
    """The frame at the upper left of a black input, and its scale."""
    height, width = frame.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = np.zeros((size[1], size[0], 3), np.uint8)
    canvas[: fitted[1], : fitted[0]] = cv2.resize(np.ascontiguousarray(frame), fitted)
    return canvas, scale


def _box(corners: NDArray[Any]) -> Box:
    x1, y1, x2, y2 = (round(float(value)) for value in corners)
    return Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))


def _landmarks(points: NDArray[Any]) -> Landmarks | None:
    if len(points) == 0:
        return None
    return Landmarks(*((float(x), float(y)) for x, y in points))
