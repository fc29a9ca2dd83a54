"""MTCNN: three networks, each of which looks closer at what the one before it proposes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace, Landmarks
from usher.domain.geometry import Box
from usher.vision.images import RgbImage
from usher.vision.models import MTCNN, model_path
from usher.vision.networks.cache import Recipe, load_graph, user_cache_folder
from usher.vision.networks.mtcnn import (
    BUILDER_VERSION,
    INPUT,
    ONET_SIDE_PX,
    PNET_STRIDE_PX,
    PNET_WINDOW_PX,
    RNET_SIDE_PX,
    build_onet,
    build_pnet,
    build_rnet,
)
from usher.vision.runtime import CPU, BatchRunner, Runtime, core_count, make_session

Values: TypeAlias = NDArray[np.float64]
Candidates: TypeAlias = NDArray[np.float64]
"""float64, (N, 5): x1, y1, x2, y2 in pixels of the frame, and the score."""

Whole: TypeAlias = Callable[[Values, Values, Values], Values]
"""The areas of two boxes, and of what they share, to that of which the share is a part."""

MIN_FACE_PX = PNET_WINDOW_PX
_STEP = 0.709
"""Each level of the pyramid is that much smaller than the one before it: half the area."""
_PNET_SCORE, _RNET_SCORE = 0.6, 0.7
_LEVEL_OVERLAP, _OVERLAP = 0.5, 0.7
_GREY = 127.5
"""What lies outside of the frame: halfway between black and white, zero to the networks."""
_BLOCK = 256
"""How many candidates are compared or cut out at once: a bound for the memory that takes."""


class MtcnnDetector:
    """Finds faces from 12 pixels on, also turned ones, with five landmarks.

    Choose it for small or turned faces, or where landmarks are wanted. Its boxes hug the face from
    the forehead to the chin, about three quarters as wide as high, and end at the frame's edges.

    P-Net slides over the frame in all sizes, so that a face of `min_face_px`, and any larger one,
    fills its window of 12 pixels once: that cost grows with the frame's area and shrinks with the
    square of `min_face_px`. R-Net and O-Net look at each proposal: that cost grows with the number
    of things that look like faces. A frame of 640 by 480 with two to seven faces takes 10 to 17 ms
    on two cores where the smallest face is 40 pixels, and 17 to 41 ms where it is 20; one with 24
    faces, 24 and 41 ms.

    Results are those of version 1.0 of the Python package `mtcnn` with the same smallest face, its
    own thresholds and its own scale factor, but for the sizes that P-Net is shown. The package
    reckons their number as for the smallest face of 20 pixels. For larger ones it goes on below
    the window's size and then finds nothing at all; for smaller ones it stops too early for faces
    that fill the frame. Here the sizes end where the window does.

    One instance may be used by several threads.

    Parameters
    ----------
    min_face_px
        The smallest face to look for, in pixels of the frame, from 12.
    score_threshold
        The lowest score to report, 0 to 1; raise it for fewer false faces.
    runtime
        Where the networks run.

    Raises
    ------
    ConfigurationError
        If `min_face_px` or `score_threshold` is out of range, the weights are missing or damaged,
        or the provider does not work.
    """

    SCORE_THRESHOLD = 0.8

    def __init__(
        self,
        *,
        min_face_px: int = 40,
        score_threshold: float = SCORE_THRESHOLD,
        runtime: Runtime = Runtime(),
    ) -> None:
        if min_face_px < MIN_FACE_PX:
            raise ConfigurationError(
                f"min_face_px is {min_face_px}: the mtcnn detector needs at least {MIN_FACE_PX}"
            )
        if not 0 <= score_threshold <= 1:
            raise ConfigurationError(
                f"the score threshold is {score_threshold}: the mtcnn detector's is from 0 to 1"
            )
        self._scale = PNET_WINDOW_PX / min_face_px
        self._score_threshold = score_threshold
        self._pnet = make_session(
            _graph("pnet", build_pnet, runtime), threads=1, provider=runtime.provider
        )
        lanes = core_count(runtime.threads) if runtime.provider == CPU else 1
        self._lanes = ThreadPoolExecutor(lanes, thread_name_prefix="pyramid")
        self._rnet = BatchRunner(_graph("rnet", build_rnet, runtime), runtime)
        self._onet = BatchRunner(_graph("onet", build_onet, runtime), runtime)

    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        """See `FaceDetector.detect`."""
        squares = self._propose(frame_rgb)
        if len(squares) == 0:
            return []
        packed = _packed(frame_rgb)
        squares = self._refine(packed, squares)
        boxes, landmarks = self._describe(packed, squares)
        height, width = frame_rgb.shape[:2]
        return [
            DetectedFace(_box(box, width, height), float(box[4]), _landmarks(points))
            for box, points in zip(boxes, landmarks, strict=True)
        ]

    def _propose(self, frame_rgb: RgbImage) -> Candidates:
        scales = _scales(frame_rgb.shape[0], frame_rgb.shape[1], self._scale)
        if not scales:
            return np.empty((0, 5))
        pixels = frame_rgb.astype(np.float32, order="C")
        levels = self._lanes.map(lambda scale: self._propose_at(scale, pixels), scales)
        found = _best_first(np.concatenate(list(levels)))
        return _squared(found[_distinct(found, _OVERLAP, _of_union)])

    def _propose_at(self, scale: float, pixels: NDArray[np.float32]) -> Candidates:
        height, width = (int(side * scale) for side in pixels.shape[:2])
        level = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        output = self._pnet.run(None, {INPUT: level[None]})[0][0]
        found = _best_first(_windows(output, scale))
        return found[_distinct(found, _LEVEL_OVERLAP, _of_union)]

    def _refine(self, packed: NDArray[np.uint32], squares: Candidates) -> Candidates:
        output = _judged(self._rnet, packed, squares, RNET_SIDE_PX)
        sure = output[:, 0] > _RNET_SCORE
        found = _best_first(_moved(squares[sure], output[sure]))
        return _squared(found[_distinct(found, _OVERLAP, _of_union)])

    def _describe(
        self, packed: NDArray[np.uint32], squares: Candidates
    ) -> tuple[Candidates, Values]:
        """The faces, and their landmarks: (N, 10), first all x, then all y."""
        output = _judged(self._onet, packed, squares, ONET_SIDE_PX)
        sure = output[:, 0] >= self._score_threshold
        squares, output = squares[sure], output[sure]
        found = _moved(squares, output)
        landmarks = _placed(squares, output[:, 5:])
        order = _order(found)
        order = order[_distinct(found[order], _OVERLAP, _of_smaller)]
        return found[order], landmarks[order]


def _graph(name: str, build: Callable[[bytes], bytes], runtime: Runtime) -> bytes:
    weights = model_path(f"{name}.lz4", MTCNN).read_bytes()
    recipe = Recipe(f"mtcnn-{name}", BUILDER_VERSION, build)
    return load_graph(weights, recipe, runtime.model_cache or user_cache_folder())


def _scales(height: int, width: int, first: float) -> list[float]:
    """Of the pyramid's levels: as long as the window fits in."""
    scales: list[float] = []
    while int(min(height, width) * (scale := first * _STEP ** len(scales))) >= PNET_WINDOW_PX:
        scales.append(scale)
    return scales


def _windows(output: NDArray[np.float32], scale: float) -> Candidates:
    """P-Net's output at one level as boxes in pixels of the frame."""
    rows, columns = np.nonzero(output[0] > _PNET_SCORE)
    score, *offsets = output[:, rows, columns].astype(np.float64)
    # The window is that of the trained network, from its second pixel to its last.
    near = np.stack([columns, rows] * 2) * PNET_STRIDE_PX + np.array([[1], [1], [12], [12]])
    corners = (near + np.stack(offsets) * (PNET_WINDOW_PX - 1)) / scale
    return np.column_stack([*corners, score])


def _packed(frame_rgb: RgbImage) -> NDArray[np.uint32]:
    """(H, W): a pixel's three bytes in one number, to be fetched at once."""
    height, width = frame_rgb.shape[:2]
    four = np.zeros((height, width, 4), np.uint8)
    four[:, :, :3] = frame_rgb
    return four.view(np.uint32)[:, :, 0]


def _judged(
    network: BatchRunner, packed: NDArray[np.uint32], squares: Candidates, side: int
) -> Values:
    """What a network says of each square: (N, 5 or 15)."""
    starts = range(0, len(squares) or 1, _BLOCK)
    crops = (_crops(packed, squares[start : start + _BLOCK], side) for start in starts)
    return np.concatenate([network.run(crop) for crop in crops]).astype(np.float64)


def _crops(packed: NDArray[np.uint32], squares: Candidates, side: int) -> NDArray[np.float32]:
    """What the squares show, resized: float32, (N, side, side, 3), 0 to 255, RGB.

    The first and the last pixel of a crop lie on the square's edges, between those of the frame,
    and are interpolated linearly: what TensorFlow calls `crop_and_resize`.
    """
    height, width = packed.shape
    left, right, part_x, inside_x = _positions(squares[:, 0], squares[:, 2], width, side)
    top, bottom, part_y, inside_y = _positions(squares[:, 1], squares[:, 3], height, side)
    part_x, part_y = part_x[:, None, :, None], part_y[:, :, None, None]

    def pixels(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        found = packed[rows[:, :, None], columns[:, None, :]]
        return found.view(np.uint8).reshape(*found.shape, 4).astype(np.float32)

    above, below = pixels(top, left), pixels(bottom, left)
    above += (pixels(top, right) - above) * part_x
    below += (pixels(bottom, right) - below) * part_x
    above += (below - above) * part_y
    above[~(inside_y[:, :, None] & inside_x[:, None, :])] = _GREY
    return above[..., :3]


def _positions(
    first: Values, last: Values, length: int, side: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32], NDArray[np.bool_]]:
    """Where the pixels of crops lie on one axis of the frame, each (N, side).

    Returns
    -------
    tuple
        The pixel before, the pixel behind, the latter's share, and whether it lies in the frame.
    """
    near = (first / length).astype(np.float32)
    far = (last / length).astype(np.float32)
    # The frame's edges, 0 and 1, are taken for the middles of its first and last pixel.
    step = (far - near) * np.float32(length - 1) / np.float32(side - 1)
    at = (near * np.float32(length - 1))[:, None] + np.arange(side, dtype=np.float32) * step[
        :, None
    ]
    inside = (at >= 0) & (at <= length - 1)
    at = np.clip(at, 0, length - 1)
    before = at.astype(np.intp)
    return before, np.minimum(before + 1, length - 1), at - before.astype(np.float32), inside


def _moved(boxes: Candidates, output: Values) -> Candidates:
    """The boxes by the offsets, and with the score, that a network gives."""
    offsets = output[:, 1:5] * np.tile(_sizes(boxes), 2)
    return np.column_stack([boxes[:, :4] + offsets, output[:, 0]])


def _placed(squares: Candidates, landmarks: Values) -> Values:
    """Landmarks in pixels of the frame: (N, 10), first all x, then all y."""
    sizes = np.repeat(_sizes(squares), 5, axis=1)
    return sizes * landmarks + np.repeat(squares[:, :2], 5, axis=1) - 1


def _sizes(boxes: Candidates) -> Values:
    """(N, 2): width and height as the networks learnt them, both edges counted."""
    return boxes[:, 2:4] - boxes[:, :2] + 1


def _squared(boxes: Candidates) -> Candidates:
    """The boxes with the shorter sides made as long as the longer, about the same middles."""
    sizes = boxes[:, 2:4] - boxes[:, :2]
    longer = sizes.max(axis=1, keepdims=True)
    near = boxes[:, :2] + sizes * 0.5 - longer * 0.5
    return np.hstack([near, near + longer, boxes[:, 4:]])


def _best_first(boxes: Candidates) -> Candidates:
    return boxes[_order(boxes)]


def _order(boxes: Candidates) -> NDArray[np.intp]:
    """The best score first.

    Many of P-Net's scores are 1 but for the last bits of a float32, and some are the same. Which of
    those comes first is left to NumPy's own sort, as the package does: another one that is as good
    moves one face in a hundred by some pixels.
    """
    return np.argsort(boxes[:, 4])[::-1]


def _distinct(boxes: Candidates, most: float, whole: Whole) -> NDArray[np.bool_]:
    """Which boxes share with none before them more than `most` of the whole.

    One that is left out itself still counts, unlike in the usual suppression.
    """
    kept = np.empty(len(boxes), np.bool_)
    areas = _areas(boxes)
    for start in range(0, len(boxes), _BLOCK):
        end = start + _BLOCK
        shared = _shared(boxes[start:end], boxes[:end])
        allowed = most * whole(areas[start:end, None], areas[None, :end], shared)
        kept[start:end] = ~np.tril(shared > allowed, start - 1).any(axis=1)
    return kept


def _shared(some: Candidates, others: Candidates) -> Values:
    """(N, M): the area that two boxes have in common."""
    width, height = (
        np.minimum.outer(some[:, axis + 2], others[:, axis + 2])
        - np.maximum.outer(some[:, axis], others[:, axis])
        for axis in (0, 1)
    )
    shared: Values = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def _areas(boxes: Candidates) -> Values:
    areas: Values = np.prod(boxes[:, 2:4] - boxes[:, :2], axis=1)
    return areas


def _of_union(one: Values, other: Values, shared: Values) -> Values:
    return one + other - shared


def _of_smaller(one: Values, other: Values, shared: Values) -> Values:
    smaller: Values = np.minimum(one, other)
    return smaller


def _box(corners: Values, width: int, height: int) -> Box:
    """Rounded, and cut off at the middle of the frame's last pixels."""
    limits = [width - 1, height - 1] * 2
    x1, y1, x2, y2 = (int(side) for side in np.clip(corners[:4], 0, limits).round())
    return Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))


def _landmarks(points: Values) -> Landmarks:
    return Landmarks(*((float(x), float(y)) for x, y in zip(points[:5], points[5:], strict=True)))
