"""dlib's convolutional face detector, on ONNX Runtime: dlib's boxes, many times faster.

A large network runs well on several threads within each layer, other than `usher.vision.runtime`
has measured for small ones: its seven layers meet only seven times. For the picture of a frame of
640 by 480 (662 by 1,782 with all levels, 4.4 thousand million multiplications), on two cores that
other programs kept busy, and for a lower one (662 by 1,100) on idle cores:

=====================================  =============  ===========
milliseconds                           busy, median   idle, best
=====================================  =============  ===========
two threads a layer                              122           16
two bands, a core each                           115           19
four bands                                       135           23
six bands                                        158           28
=====================================  =============  ===========

Bands have to overlap by ten scores, or 80 pixels, at each cut. They serve here only to bound the
memory of large frames. Levels cover 85 % of the picture, so that nothing is skipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import ConfigurationError
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.images import RgbImage, resized
from usher.vision.models import model_path
from usher.vision.networks.cache import Recipe, load_graph, user_cache_folder
from usher.vision.networks.dlib_format import OverlapTest, read_detector
from usher.vision.networks.mmod import (
    BUILDER_VERSION,
    INPUT,
    Floats,
    Integers,
    build_mmod,
    lay_out,
    measure,
)
from usher.vision.runtime import Runtime, make_session

WINDOW_PX = 80
"""The side of the network's window: the smallest face that is found in a frame as it is."""
MIN_FACE_PX = 20

_WEIGHTS = "mmod_human_face_detector.dat"
_RECIPE = Recipe("dlib-mmod", BUILDER_VERSION, build_mmod)
_LARGEST_BAND_PX = 1 << 22
"""How much of the picture goes through the network at once; it takes about 60 bytes a pixel."""


class MmodDetector:
    """Finds faces of 80 pixels and more; `docs/detectors.md` has its recall beside the others'.

    Choose it where a missed face costs more than time: photographs, a frame now and then. In a
    frame as it is, with `min_face_px` 80, it finds faces whose box is 80 pixels wide or more, 60 of
    60 from LFW's development list; at 70 pixels it still found 58, boxed too wide, at 60 pixels 28,
    at 50 pixels 2. Boxes are square and their sides go in steps of 1.2.

    Where `min_face_px` is 80 the boxes are those of dlib's own `cnn_face_detection_model_v1`, and
    the scores within 1e-4; frames less than 30 pixels wide aside, whose levels overlap. A frame of
    640 by 480 took 35 ms where dlib's took 1,220 (the best of four, on two cores). The cost grows
    with the frame's area and falls with the square of `min_face_px`. So does the memory: 12 bytes
    for each of 3.8 pixels that one of the frame becomes with all levels, and up to 250 MB for the
    network, 780 MB in all for 4000 by 3000.

    Parameters
    ----------
    min_face_px
        The smallest face to look for, in pixels of the frame.
    score_threshold
        The lowest score to report; raise it for fewer false faces.
    runtime
        Where the network runs.

    Raises
    ------
    ConfigurationError
        If `min_face_px` is below 20, the weights are missing or damaged, or the provider does not
        work.
    """

    SCORE_THRESHOLD = 0.0

    def __init__(
        self,
        *,
        min_face_px: int = WINDOW_PX,
        score_threshold: float = SCORE_THRESHOLD,
        runtime: Runtime = Runtime(),
    ) -> None:
        if min_face_px < MIN_FACE_PX:
            raise ConfigurationError(
                f"min_face_px is {min_face_px}: the mmod detector needs at least {MIN_FACE_PX}"
            )
        weights = model_path(_WEIGHTS).read_bytes()
        graph = load_graph(weights, _RECIPE, runtime.model_cache or user_cache_folder())
        network = read_detector(weights)
        self._source, self._options = network.source, network.options
        self._grid = measure(network.layers)
        self._scale = WINDOW_PX / min_face_px
        self._score_threshold = score_threshold
        self._session = make_session(graph, threads=runtime.threads, provider=runtime.provider)

    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        """See `FaceDetector.detect`."""
        if frame_rgb.size == 0:
            return []
        searched_rgb = resized(frame_rgb, self._scale)
        boxes, scores = self._search(searched_rgb)
        # Sides are rounded when resizing, so each axis has a scale of its own.
        scale_x = frame_rgb.shape[1] / searched_rgb.shape[1]
        scale_y = frame_rgb.shape[0] / searched_rgb.shape[0]
        return [
            DetectedFace(_box(box, scale_x, scale_y), float(score))
            for box, score in zip(boxes, scores, strict=True)
        ]

    def _search(self, image_rgb: RgbImage) -> tuple[Integers, Floats]:
        """Boxes, (N, 4), xyxy, far edges inclusive, and their scores, best first."""
        layout = lay_out(image_rgb.shape[1], image_rgb.shape[0], self._source)
        scores = self._scores(layout.draw(image_rgb, self._source.averages))
        rows, columns = np.nonzero(scores >= self._score_threshold)
        found = scores[rows, columns]
        best = np.argsort(-found, kind="stable")
        cells_xy = np.stack([columns, rows], 1)[best]
        centres_xy = cells_xy * self._grid.stride_px + self._grid.start_px
        options = self._options
        boxes = layout.boxes(centres_xy, options.window_width_px, options.window_height_px)
        kept = _suppress(boxes, options.suppression)
        return boxes[kept], found[best][kept]

    def _scores(self, picture: Floats) -> Floats:
        """The scores of a picture, (1, 3, H, W), as (rows, columns).

        A large picture goes through the network in bands, so that what lies between the layers is
        never large. A band is wider than the scores that are taken from it by what these can see.
        """
        height, width = picture.shape[2:]
        count = self._grid.count(height)
        if count == 0 or self._grid.count(width) == 0:
            return np.empty((0, 0), np.float32)
        step = max(_LARGEST_BAND_PX // (width * self._grid.stride_px), 1)
        bands = [self._band(picture, at, min(at + step, count)) for at in range(0, count, step)]
        return np.concatenate(bands)

    def _band(self, picture: Floats, first: int, end: int) -> Floats:
        grid = self._grid
        before = max(first - grid.reach, 0)
        after = min(end + grid.reach, grid.count(picture.shape[2]))
        top, bottom = grid.pixels(before, after - 1)
        pixels = np.ascontiguousarray(picture[:, :, top:bottom])
        scores: Floats = self._session.run(None, {INPUT: pixels})[0]
        return scores[0, 0, first - before : end - before]


def _suppress(boxes: Integers, test: OverlapTest) -> NDArray[np.intp]:
    """The indices of the boxes, best first, that overlap no better one which stays."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1, 1)
    left = np.arange(len(boxes))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        one, others = boxes[best], boxes[left]
        inner = _area(np.maximum(one[:2], others[:, :2]), np.minimum(one[2:], others[:, 2:]))
        outer = _area(np.minimum(one[:2], others[:, :2]), np.maximum(one[2:], others[:, 2:]))
        overlaps = inner / outer > test.hull_share
        overlaps |= inner / np.minimum(areas[best], areas[left]) > test.box_share
        left = left[~overlaps]
    return np.array(kept, np.intp)


def _area(starts: Integers, ends: Integers) -> Integers:
    """Of boxes between inclusive corners, (N, 2) each; 0 where the ends lie before the starts."""
    areas: Integers = np.maximum(ends - starts + 1, 0).prod(1)
    return areas


def _box(corners: Integers, scale_x: float, scale_y: float) -> Box:
    """A box whose far edges are inclusive, in pixels of the frame."""
    left, top, right, bottom = (int(corner) for corner in corners)
    x1, y1 = round(left * scale_x), round(top * scale_y)
    x2, y2 = round((right + 1) * scale_x), round((bottom + 1) * scale_y)
    return Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))
