"""Whether each network gives on this machine what its original gives.

The input is a face that is drawn by formula, with noise of a fixed seed, so that no picture has to
be kept. What the originals make of it lies in `selftest.json`:

descriptor
    dlib 20.0.1: `face_recognition_model_v1.compute_face_descriptor` of the drawing at 150 pixels,
    with the weights of `face_recognition_models` 0.3.0.
mmod
    dlib 20.0.1: `cnn_face_detection_model_v1` of the drawing at 160 pixels, not upsampled: its
    left, top, right and bottom, the far edges exclusive, and its score.
pnet, rnet, onet
    The Keras models of the package `mtcnn` 1.0.0 on TensorFlow 2.21, of the drawing at 16, 24 and
    48 pixels, normalised as (value - 127.5) / 128: the probability of a face, the offsets of the
    box, and for the last the landmarks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import ConfigurationError
from usher.vision.detectors import make_detector
from usher.vision.images import RgbImage
from usher.vision.models import MTCNN, model_path
from usher.vision.networks.descriptor import build_descriptor
from usher.vision.networks.mtcnn import build_onet, build_pnet, build_rnet
from usher.vision.runtime import Runtime, make_session

Values = NDArray[np.float64]

_DESCRIPTOR = "dlib_face_recognition_resnet_model_v1.dat"
_DESCRIPTOR_PX, _MMOD_PX, _PNET_PX, _RNET_PX, _ONET_PX = 150, 160, 16, 24, 48
_MMOD_FACE_PX = 80
_SEED = 20
_NOISE = 3


@dataclass(frozen=True, slots=True)
class NetworkCheck:
    """A network that can be tried.

    Attributes
    ----------
    name
        As in `selftest.json`.
    tolerance
        The largest difference from the original that rounding explains, for any of its values.
    run
        The network's values of its drawing, flat.
    """

    name: str
    tolerance: float
    run: Callable[[Runtime], Values]


def _run_descriptor(runtime: Runtime) -> Values:
    graph = build_descriptor(model_path(_DESCRIPTOR).read_bytes())
    return _output(graph, draw_face(_DESCRIPTOR_PX), runtime)


def _run_mmod(runtime: Runtime) -> Values:
    detector = make_detector("mmod", min_face_px=_MMOD_FACE_PX, runtime=runtime)
    found = detector.detect(draw_face(_MMOD_PX))
    rows = [(f.box.x1, f.box.y1, f.box.x2, f.box.y2, f.score) for f in found]
    return np.asarray(rows, np.float64).ravel()


def _run_pnet(runtime: Runtime) -> Values:
    graph = build_pnet(model_path("pnet.lz4", MTCNN).read_bytes())
    return _output(graph, draw_face(_PNET_PX).astype(np.float32), runtime)


def _run_rnet(runtime: Runtime) -> Values:
    graph = build_rnet(model_path("rnet.lz4", MTCNN).read_bytes())
    return _output(graph, draw_face(_RNET_PX).astype(np.float32), runtime)


def _run_onet(runtime: Runtime) -> Values:
    graph = build_onet(model_path("onet.lz4", MTCNN).read_bytes())
    return _output(graph, draw_face(_ONET_PX).astype(np.float32), runtime)


def _output(graph: bytes, picture: NDArray[Any], runtime: Runtime) -> Values:
    """A graph's values of one picture; what belongs to one place stands together."""
    session = make_session(graph, threads=runtime.threads, provider=runtime.provider)
    (output,) = session.run(None, {session.get_inputs()[0].name: picture[None]})
    return np.moveaxis(np.asarray(output[0], np.float64), 0, -1).ravel()


NETWORKS = (
    NetworkCheck("descriptor", 1e-5, _run_descriptor),
    NetworkCheck("mmod", 1e-5, _run_mmod),
    NetworkCheck("pnet", 1e-5, _run_pnet),
    NetworkCheck("rnet", 1e-5, _run_rnet),
    NetworkCheck("onet", 1e-5, _run_onet),
)
"""What there is to try. On a processor the differences are below 1e-6; an accelerator that computes
with fewer digits may exceed the tolerance, and its vectors then do not mix with a processor's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one network did.

    Attributes
    ----------
    difference
        The largest from the original's values; infinite where the values do not even correspond.
    """

    name: str
    difference: float
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.difference <= self.tolerance


def check_network(check: NetworkCheck, runtime: Runtime = Runtime()) -> Verdict:
    """Run a network and compare it with its original.

    Raises
    ------
    ConfigurationError
        If its weights are missing, or the provider does not work here.
    """
    found, expected = check.run(runtime), expected_values(check.name)
    return Verdict(check.name, _difference(found, expected), check.tolerance)


def expected_values(name: str) -> Values:
    """What the original of that name gives: float64, flat.

    Raises
    ------
    ConfigurationError
        If the numbers are missing.
    """
    try:
        text = files("usher.vision").joinpath("selftest.json").read_text("utf-8")
        stored: Mapping[str, Any] = json.loads(text)
        return np.asarray(stored[name], np.float64).ravel()
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"the numbers to compare {name} with are missing or damaged: install usher again"
        ) from error


def draw_face(side_px: int) -> RgbImage:
    """A face seen from the front, upright, in the middle: as simple as detectors still find it.

    Parameters
    ----------
    side_px
        Of the picture.

    Returns
    -------
    RgbImage
        uint8, (side_px, side_px, 3), RGB; the same on every machine.
    """
    y, x = np.mgrid[0:side_px, 0:side_px] / side_px
    head = _ellipse(x, y, 0.5, 0.52, 0.26, 0.36)
    hair = _ellipse(x, y, 0.5, 0.33, 0.29, 0.25) / (1 + np.exp(40 * (y - 0.27)))
    skin = 0.55 + 0.3 * _spot(x, y, 0.45, 0.5, 0.35, 0.5)
    grey = (0.25 + 0.1 * y) * (1 - head) + skin * head
    grey = grey * (1 - hair) + 0.12 * hair
    for depth, *place in _FEATURES:
        grey = grey - depth * _spot(x, y, *place)
    noise = np.random.Generator(np.random.PCG64(_SEED)).integers(
        -_NOISE, _NOISE, (side_px, side_px, 3), endpoint=True
    )
    tinted = 255 * np.clip(grey, 0, 1)[..., None] * _TINT
    return np.asarray(np.clip(np.round(tinted) + noise, 0, 255), np.uint8)


_TINT = np.array([1.0, 0.82, 0.7])
_FEATURES = (
    # depth, middle x and y, radius x and y; as shares of the side
    *((0.42, x, 0.46, 0.055, 0.022) for x in (0.4, 0.6)),  # eyes
    *((0.30, x, 0.46, 0.020, 0.020) for x in (0.4, 0.6)),  # pupils
    *((0.25, x, 0.405, 0.070, 0.016) for x in (0.4, 0.6)),  # brows
    *((0.22, x, 0.585, 0.015, 0.012) for x in (0.475, 0.525)),  # nostrils
    (0.12, 0.47, 0.53, 0.020, 0.080),  # the nose's shadow
    (-0.10, 0.50, 0.55, 0.020, 0.060),  # the nose's ridge
    (0.32, 0.50, 0.69, 0.075, 0.018),  # mouth
    (0.12, 0.50, 0.74, 0.050, 0.020),  # the chin's shadow
)


def _ellipse(x: Values, y: Values, cx: float, cy: float, rx: float, ry: float) -> Values:
    """1 within, 0 outside, soft at the edge."""
    return np.asarray(1 / (1 + np.exp(12 * (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 - 1))))


def _spot(x: Values, y: Values, cx: float, cy: float, rx: float, ry: float) -> Values:
    return np.asarray(np.exp(-(((x - cx) / rx) ** 2) - ((y - cy) / ry) ** 2))


def _difference(found: Values, expected: Values) -> float:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(np.abs(found - expected).max())
