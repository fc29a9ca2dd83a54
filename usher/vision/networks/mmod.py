"""dlib's max-margin face detector: its network as an ONNX graph, and the picture that it takes.

The weights are those of `mmod_human_face_detector.dat`; the network's definition is published in
dlib's `examples/dnn_mmod_face_detection_ex.cpp`. Three convolutions step by two pixels each,
without padding; four more keep their size. Each output is the score of one window, 80 pixels wide,
and neighbours lie 8 pixels apart.

Larger faces are found in smaller copies of the frame. All copies, or levels, lie in one picture,
zeros between them, and the network sees it as a whole: a score depends on 189 by 189 pixels, so
that near a level's edge it depends on the level beside it as well. To find what dlib finds, the
picture is laid out as dlib does it (`dlib/image_transforms/image_pyramid.h`, `dlib/dnn/input.h`). A
level has five sixths of the sides before it, rounded down, and is drawn from that level, not from
the frame, between its corner pixels, in floating point. The first column of levels goes down; once
a second one fits beside its end, the rest goes up again on the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper

from usher.vision.images import RgbImage
from usher.vision.networks.dlib_format import (
    Affine,
    Convolution,
    Layer,
    PyramidRgbInput,
    Relu,
    read_detector,
)
from usher.vision.networks.graph import GraphWriter, fold, misfit

BUILDER_VERSION = 1
"""Raised with every change to the graphs that are built here, so that no older one is used."""

INPUT = "pyramid"
OUTPUT = "scores"

Floats: TypeAlias = NDArray[np.float32]
Integers: TypeAlias = NDArray[np.int64]

_STEPS = 6  # of dlib's `pyramid_down<6>`: it goes from six pixels to five
_LOWEST_LEVEL_PX = 5
_POINT_SHIFT_PX = 0.3  # by which dlib corrects a point for each level that it rises


def build_mmod(weights: bytes) -> bytes:
    """The graph of the network in a file that dlib has saved; the same bytes for the same file.

    It takes `pyramid`, float32, (N, 3, H, W), RGB less the averages and 0 where nothing is, for H
    and W from 29, and gives `scores`, float32, (N, 1, rows, columns).

    Parameters
    ----------
    weights
        The whole file.

    Returns
    -------
    bytes
        An ONNX model.

    Raises
    ------
    ConfigurationError
        If the file is not such a network, or its layers do not fit each other.
    """
    layers = fold(read_detector(weights).layers)
    measure(layers)
    writer, value, channels = GraphWriter(), INPUT, 3
    for layer in layers:
        if isinstance(layer, Convolution):
            value, channels = _convolve(writer, value, layer, channels), len(layer.bias)
        elif isinstance(layer, Relu):
            value = writer.add("Relu", value)
        else:
            raise misfit("an affine layer that follows no convolution")
    if channels != 1:
        raise misfit(f"{channels} scores a window where one belongs")
    given = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", 3, "H", "W"])
    result = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", 1, "rows", "columns"])
    return writer.model("mmod", given, result, value)


@dataclass(frozen=True, slots=True)
class ScoreGrid:
    """Where scores lie in the picture.

    Attributes
    ----------
    stride_px
        From one score to the next.
    start_px
        Where the first one lies.
    field_px
        The pixels that the layers see which step: the least that give a score.
    reach
        How many scores further the layers behind them see, to each side.
    """

    stride_px: int
    start_px: int
    field_px: int
    reach: int

    def count(self, pixels: int) -> int:
        """How many scores lie along so many pixels."""
        return max((pixels - self.field_px) // self.stride_px + 1, 0)

    def pixels(self, first: int, last: int) -> tuple[int, int]:
        """Where the pixels begin and end which the scores from `first` to `last` step over."""
        return first * self.stride_px, last * self.stride_px + self.field_px


def measure(layers: Sequence[Layer]) -> ScoreGrid:
    """Where a network's scores lie.

    Raises
    ------
    ConfigurationError
        If it is not made of square convolutions, of which some step, without padding, before all
        others keep their size.
    """
    stride, start, field, reach = 1, 0, 1, 0
    for layer in layers:
        if not isinstance(layer, Convolution):
            if isinstance(layer, Relu | Affine):
                continue
            raise misfit(f"a layer {type(layer).__name__} in a detector")
        size, step, half = layer.filters.shape[2], layer.stride[0], layer.filters.shape[2] // 2
        steps = layer.padding == (0, 0) and layer.stride == (step, step) and reach == 0
        keeps = layer.padding == (half, half) and layer.stride == (1, 1)
        if layer.filters.shape[3] != size or size % 2 == 0 or not (steps or keeps):
            raise misfit(f"filters of {size}, strides of {layer.stride}, padding {layer.padding}")
        if keeps:
            reach += half
            continue
        start += half * stride
        field += (size - 1) * stride
        stride *= step
    return ScoreGrid(stride, start, field, reach)


@dataclass(frozen=True, slots=True)
class Level:
    """Where a copy of the frame lies in the picture, in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PyramidLayout:
    """All copies of a frame in one picture.

    Attributes
    ----------
    levels
        The frame itself, and ever smaller ones.
    width, height
        Of the picture, in pixels.
    """

    levels: tuple[Level, ...]
    width: int
    height: int

    def draw(self, frame_rgb: RgbImage, averages: Sequence[float]) -> Floats:
        """The picture.

        Parameters
        ----------
        frame_rgb
            uint8, (H, W, 3), RGB, of the size that was laid out.
        averages
            What to take off red, green and blue.

        Returns
        -------
        Floats
            float32, (1, 3, height, width).
        """
        picture = np.zeros((1, 3, self.height, self.width), np.float32)
        views = [
            picture[0, :, level.y : level.y + level.height, level.x : level.x + level.width]
            for level in self.levels
        ]
        offsets = np.array(averages, np.float32)[:, None, None]
        np.subtract(frame_rgb.transpose(2, 0, 1), offsets, out=views[0])
        for larger, smaller in pairwise(views):
            _shrink(larger, smaller)
        return picture

    def boxes(self, centres_xy: Integers, width: int, height: int) -> Integers:
        """The boxes that windows of the picture stand for, in pixels of the frame.

        Parameters
        ----------
        centres_xy
            int64, (N, 2), in pixels of the picture. One between two levels counts to the nearer.
        width, height
            Of the window.

        Returns
        -------
        Integers
            int64, (N, 4), xyxy, the far edges inclusive, as dlib has them.
        """
        index = self._nearest(centres_xy)
        origins = np.array([(level.x, level.y) for level in self.levels])[index]
        half = (np.array([width, height]) - 1) / 2
        corners = np.concatenate([centres_xy - half, centres_xy + half], 1) - np.tile(origins, 2)
        for depth in range(1, len(self.levels)):
            below = index >= depth
            corners[below] = corners[below] * (_STEPS / (_STEPS - 1)) + _POINT_SHIFT_PX
        return _rounded(corners)

    def _nearest(self, centres_xy: Integers) -> Integers:
        """The index of the level that each point lies in, or lies nearest to."""
        squares = np.zeros((len(centres_xy), len(self.levels)), np.int64)
        for axis, (start, size) in enumerate([("x", "width"), ("y", "height")]):
            first = np.array([getattr(level, start) for level in self.levels])
            last = first + [getattr(level, size) - 1 for level in self.levels]
            at = centres_xy[:, axis, None]
            squares += np.maximum(np.maximum(first - at, at - last), 0) ** 2
        nearest: Integers = squares.argmin(1)
        return nearest


def lay_out(width: int, height: int, source: PyramidRgbInput) -> PyramidLayout:
    """Where the copies of a frame lie, as dlib lays them out.

    Parameters
    ----------
    width, height
        Of the frame, in pixels, from 1.
    source
        The margins.
    """
    sizes = _level_sizes(width, height)
    gap, margin = source.padding_px, source.outer_padding_px
    down = _first_column(sizes, gap)
    levels, y = [], margin
    for level_width, level_height in sizes[:down]:
        levels.append(Level(margin, y, level_width, level_height))
        y += level_height + gap
    y -= gap
    bottom = y + margin
    for level_width, level_height in sizes[down:]:
        if y - level_height < margin + height:
            break
        right = margin + width - level_width
        levels.append(Level(right, y - level_height, level_width, level_height))
        y -= level_height + gap
    return PyramidLayout(tuple(levels), width + 2 * margin, bottom)


def _rounded(values: NDArray[np.float64]) -> Integers:
    """To the nearest integers; halves away from zero, as dlib rounds."""
    return np.copysign(np.floor(np.abs(values) + 0.5), values).astype(np.int64)


def _level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    rate = (_STEPS - 1) / _STEPS
    sizes: list[tuple[int, int]] = []
    while not sizes or (width >= 1 and height >= _LOWEST_LEVEL_PX):
        sizes.append((width, height))
        width, height = floor(rate * width), floor(rate * height)
    return sizes


def _first_column(sizes: Sequence[tuple[int, int]], gap: int) -> int:
    """How many levels go down before the next fits beside the last, in about the same height.

    dlib reckons the room beside the last level without a sign: none at all counts as plenty.
    """
    width = sizes[0][0]
    rest = sum(level_height + gap for _, level_height in sizes[1:]) - gap
    filled = gap
    for index, (level_width, level_height) in enumerate(sizes[1:], 1):
        room = width - sizes[index - 1][0] - gap
        if (room < 0 or level_width <= room) and filled * 2 >= rest:
            return index
        filled += level_height + gap
    return len(sizes)


def _shrink(larger: Floats, smaller: Floats) -> None:
    """Draw the smaller (3, h, w) from the larger (3, H, W), from corner pixel to corner pixel."""
    top, bottom, down = _between(larger.shape[1], smaller.shape[1])
    left, right, across = _between(larger.shape[2], smaller.shape[2])
    for source, target in zip(larger, smaller, strict=True):
        rows = source[top]
        rows += (source[bottom] - rows) * down[:, None]
        start = rows.take(left, 1)
        np.add(start, (rows.take(right, 1) - start) * across, out=target)


def _between(larger: int, smaller: int) -> tuple[Integers, Integers, Floats]:
    """For each pixel of a shorter side, the two of the longer one beside it, and the way between.

    The positions are rounded to float32 as dlib's are.
    """
    scale = np.float32(larger - 1) / np.float32(max(smaller - 1, 1))
    at = np.arange(smaller, dtype=np.float32) * scale
    first = at.astype(np.int64)
    return first, np.minimum(first + 1, larger - 1), at - first.astype(np.float32)


def _convolve(writer: GraphWriter, value: str, layer: Convolution, channels: int) -> str:
    _, inputs, *size = layer.filters.shape
    if inputs != channels:
        raise misfit(f"filters for {inputs} channels where there are {channels}")
    return writer.add(
        "Conv",
        value,
        layer.filters,
        layer.bias,
        kernel_shape=size,
        strides=layer.stride,
        pads=layer.padding * 2,
    )
