"""Whatever is sent: it becomes pixels or a clear error, and pixels go through everything."""

from __future__ import annotations

import math
from dataclasses import fields
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from usher.domain.errors import InvalidImage, InvalidInput, NoFaceFound
from usher.domain.face import DetectedFace, FaceQuality, Landmarks
from usher.domain.geometry import Box
from usher.vision.detectors import DETECTORS, FaceDetector, make_detector
from usher.vision.images import MIN_SIDE_PX, PHOTO_FORMATS, RgbImage, decode_image, resized
from usher.vision.pipeline import FacePipeline
from usher.vision.runtime import Runtime

# Outside of tests, `usher.vision.images` silences what Pillow says about odd metadata.
pytestmark = pytest.mark.filterwarnings(r"ignore:::PIL\.")

MAX_PIXELS = 1_000_000
ORIENTATION = 0x0112
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB")
DEEP_MODES = ("HSV", "I", "I;16", "I;16L", "I;16B", "F")
TURNED_SIDEWAYS = frozenset({5, 6, 7, 8})


def written(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def blank(mode: str, size: tuple[int, int]) -> Image.Image:
    """Pillow makes no palette image with alpha of zeros alone: it wants the bytes."""
    depth = len(Image.new(mode, (8, 1)).tobytes())
    return Image.frombytes(mode, size, bytes(math.ceil(size[0] * depth / 8) * size[1]))


def can_be_written(mode: str, kind: str) -> bool:
    try:
        written(blank(mode, (20, 20)), kind)
    except (OSError, ValueError):
        return False
    return True


WRITABLE = [
    (mode, kind)
    for mode in MODES + DEEP_MODES
    for kind in sorted(PHOTO_FORMATS)
    if can_be_written(mode, kind)
]

sides = st.integers(1, 90)
orientations = st.sampled_from([*range(10), 255, 65535])


@st.composite
def pixel_arrays(draw: st.DrawFn) -> RgbImage:
    """uint8, (H, W, 3): noise, one colour, or a ramp."""
    shape = (draw(sides), draw(sides), 3)
    kind = draw(st.sampled_from(["noise", "flat", "ramp"]))
    if kind == "noise":
        rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        return rng.integers(0, 256, shape, np.uint8)
    if kind == "flat":
        return np.full(shape, draw(st.integers(0, 255)), np.uint8)
    return np.linspace(0, 255, math.prod(shape)).astype(np.uint8).reshape(shape)


@st.composite
def pictures(draw: st.DrawFn, mode: str) -> Image.Image:
    """A picture of one of Pillow's modes, of any size and of any bytes."""
    width, height = draw(sides), draw(sides)
    length = len(blank(mode, (width, height)).tobytes())
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    value = draw(st.sampled_from([None, 0, 1, 127, 255]))
    data = rng.bytes(length) if value is None else bytes([value]) * length
    image = Image.frombytes(mode, (width, height), data)
    if mode in ("P", "PA"):
        image.putpalette(rng.bytes(3 * draw(st.integers(1, 256))))
    return image


@st.composite
def files(draw: st.DrawFn) -> tuple[bytes, tuple[int, int]]:
    """A whole file, and the width and height of its picture held upright."""
    mode, kind = draw(st.sampled_from(WRITABLE))
    image = draw(pictures(mode))
    orientation = draw(orientations)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    options: dict[str, Any] = {"exif": exif} if draw(st.booleans()) else {}
    sideways = bool(options) and orientation in TURNED_SIDEWAYS
    if kind == "PNG" and mode in ("1", "L", "I", "I;16", "P") and draw(st.booleans()):
        options["transparency"] = draw(st.integers(0, 1 if mode == "1" else 255))
    if kind == "PNG" and mode == "RGB" and draw(st.booleans()):
        options["transparency"] = (0, 127, 255)
    if kind == "JPEG" and draw(st.booleans()):
        options["progressive"] = True
    size = image.size[::-1] if sideways else image.size
    return written(image, kind, **options), size


@st.composite
def damaged_files(draw: st.DrawFn) -> bytes:
    """A file cut off, with bytes replaced, or with a part of it lost or doubled."""
    data = bytearray(draw(files())[0])
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=6)):
        data[place] = draw(st.integers(0, 255))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, len(data)))
    how = draw(st.sampled_from(["kept", "cut", "lost", "doubled"]))
    parts = {
        "kept": data,
        "cut": data[:end],
        "lost": data[:start] + data[end:],
        "doubled": data[:end] + data[start:],
    }
    return bytes(parts[how])


@st.composite
def boxes(draw: st.DrawFn, image_rgb: RgbImage) -> Box:
    """Anywhere: inside, over an edge, outside, of one pixel, around everything."""
    height, width = image_rgb.shape[:2]
    x1 = draw(st.integers(-2 * width - 2, 3 * width + 2))
    y1 = draw(st.integers(-2 * height - 2, 3 * height + 2))
    lengths = st.one_of(st.just(1), st.integers(1, 200))
    return Box(x1, y1, x1 + draw(lengths), y1 + draw(lengths))


@st.composite
def strided_arrays(draw: st.DrawFn) -> RgbImage:
    """uint8, (H, W, 3), and seldom contiguous: mirrored, turned, thinned out, BGR, with alpha."""
    image = draw(pixel_arrays())
    turns = {
        "as it is": image,
        "mirrored": image[:, ::-1],
        "upside down": image[::-1],
        "turned": image.transpose(1, 0, 2),
        "thinned": image[::2, ::3],
        "channels turned": image[..., ::-1],
        "of a wider one": np.pad(image, ((0, 0), (2, 3), (0, 0)))[:, 2:-3],
        "without alpha": np.pad(image, ((0, 0), (0, 0), (0, 1)))[..., :3],
        "planes": np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0),
        "one value": np.broadcast_to(image[:1, :1], image.shape),
    }
    return turns[draw(st.sampled_from(sorted(turns)))]


def check_faces(faces: list[DetectedFace]) -> None:
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert np.isfinite(scores).all()
    for face in faces:
        assert all(isinstance(side, int) for side in (face.box.x1, face.box.y1, face.box.x2))
        if face.landmarks is not None:
            assert np.isfinite([getattr(face.landmarks, it.name) for it in fields(Landmarks)]).all()


def check_quality(quality: FaceQuality) -> None:
    values = [getattr(quality, it.name) for it in fields(FaceQuality)]
    numbers = [value for value in values if isinstance(value, (int, float))]
    assert len(numbers) >= 3
    assert np.isfinite(numbers).all()
    assert quality.acceptable == (not quality.reasons)


def check_described(pipeline: FacePipeline, image_rgb: RgbImage, box: Box) -> None:
    try:
        (described,) = pipeline.describe(image_rgb, [box])
    except InvalidImage as error:
        assert "mostly outside" in str(error)
        return
    assert described.chip_rgb.shape == (150, 150, 3)
    assert described.embedding.shape == (pipeline.dimension,)
    assert np.isfinite(described.embedding).all()
    check_quality(described.quality)


@pytest.fixture(scope="module", params=list(DETECTORS))
def detector(request: pytest.FixtureRequest, runtime: Runtime) -> FaceDetector:
    return make_detector(request.param, min_face_px=40, runtime=runtime)


def test_every_mode_of_a_photograph_is_tried() -> None:
    assert len(WRITABLE) >= 20
    assert {("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("I;16", "PNG"), ("LA", "PNG")} <= set(WRITABLE)


# ---- Files --------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(files())
def test_decode_image_gives_upright_rgb_of_a_file_of_any_mode(
    file: tuple[bytes, tuple[int, int]],
) -> None:
    data, (width, height) = file
    if min(width, height) < MIN_SIDE_PX:
        with pytest.raises(InvalidImage, match="at least 16"):
            decode_image(data, formats=PHOTO_FORMATS, max_pixels=MAX_PIXELS)
        return
    image_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=MAX_PIXELS)
    assert image_rgb.dtype == np.uint8
    assert image_rgb.shape == (height, width, 3)
    assert image_rgb.flags.c_contiguous and image_rgb.flags.writeable


@settings(max_examples=400, deadline=None)
@given(damaged_files(), st.booleans())
def test_decode_image_decodes_or_refuses_a_damaged_file_of_any_mode(
    data: bytes, alpha: bool
) -> None:
    try:
        image_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=MAX_PIXELS, alpha=alpha)
    except InvalidInput as error:
        assert len(str(error)) > 20
        return
    assert image_rgb.dtype == np.uint8
    assert image_rgb.ndim == 3 and image_rgb.shape[2] == 3
    assert min(image_rgb.shape[:2]) >= MIN_SIDE_PX


HEADS = (b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x20\0\0\0WEBP", b"RIFF\0\0\0\0WEBPVP8 ")


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(HEADS), st.binary(max_size=200))
def test_decode_image_refuses_any_bytes_behind_a_good_head(head: bytes, data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"convert it|send it|at least 16"):
        decode_image(head + data, formats=PHOTO_FORMATS, max_pixels=MAX_PIXELS)


@settings(max_examples=60, deadline=None)
@given(st.one_of(files().map(lambda file: file[0]), damaged_files()), st.data())
def test_whatever_decodes_is_searched_and_described(
    pipeline: FacePipeline, data: bytes, choices: st.DataObject
) -> None:
    try:
        image_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=MAX_PIXELS)
    except InvalidInput:
        return
    check_faces(pipeline.faces_in(image_rgb))
    check_described(pipeline, image_rgb, choices.draw(boxes(image_rgb)))


# ---- Pixels -------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(strided_arrays())
def test_detector_searches_any_array(detector: FaceDetector, frame_rgb: RgbImage) -> None:
    before = frame_rgb.copy()
    check_faces(detector.detect(frame_rgb))
    assert np.array_equal(frame_rgb, before)


@settings(max_examples=20, deadline=None)
@given(
    corner=st.tuples(st.integers(0, 900), st.integers(0, 500)),
    size=st.tuples(st.integers(1, 900), st.integers(1, 600)),
    scale=st.floats(0.2, 0.5),
)
def test_detector_searches_any_part_of_a_photograph(
    detector: FaceDetector,
    two_people_rgb: RgbImage,
    corner: tuple[int, int],
    size: tuple[int, int],
    scale: float,
) -> None:
    (x, y), (width, height) = corner, size
    check_faces(detector.detect(resized(two_people_rgb[y : y + height, x : x + width], scale)))


def test_detector_finds_faces_in_a_photograph_that_is_not_contiguous(
    detector: FaceDetector, two_people_rgb: RgbImage
) -> None:
    whole = resized(two_people_rgb, 0.5)
    mirrored = whole[:, ::-1]
    faces = detector.detect(mirrored)
    check_faces(faces)
    assert len(faces) == 2
    assert faces == detector.detect(mirrored.copy())


@pytest.mark.parametrize(
    "shape",
    [
        *[(0, 0), (0, 9), (9, 0)],
        *[(1, 1), (1, 2), (1, 3000), (3000, 1), (2, 2), (11, 12), (12, 11), (39, 40), (41, 41)],
        *[(16, 2500), (2500, 16)],
    ],
)
def test_detector_finds_none_in_one_colour_of_any_shape(
    detector: FaceDetector, shape: tuple[int, int]
) -> None:
    for value in (0, 128, 255):
        assert detector.detect(np.full((*shape, 3), value, np.uint8)) == []


@pytest.mark.parametrize("name", DETECTORS)
@pytest.mark.parametrize("min_face_px", [20, 79, 2000])
def test_detector_searches_for_any_smallest_face(
    name: str, min_face_px: int, runtime: Runtime
) -> None:
    detector = make_detector(name, min_face_px=min_face_px, runtime=runtime)
    noise = np.random.default_rng(3).integers(0, 256, (97, 131, 3), np.uint8)
    for frame_rgb in (noise, noise[:1], noise[:, :1], noise[:0], noise[:19, :19]):
        check_faces(detector.detect(frame_rgb))


@settings(max_examples=60, deadline=None)
@given(strided_arrays(), st.data())
def test_pipeline_searches_and_describes_any_array(
    pipeline: FacePipeline, image_rgb: RgbImage, choices: st.DataObject
) -> None:
    check_faces(pipeline.faces_in(image_rgb))
    check_described(pipeline, image_rgb, choices.draw(boxes(image_rgb)))


@pytest.mark.parametrize("shape", [(0, 0), (0, 9), (9, 0)])
def test_pipeline_refuses_to_describe_an_empty_image(
    pipeline: FacePipeline, shape: tuple[int, int]
) -> None:
    empty_rgb = np.zeros((*shape, 3), np.uint8)
    assert pipeline.faces_in(empty_rgb) == []
    with pytest.raises(NoFaceFound):
        pipeline.central_face(empty_rgb)
    with pytest.raises(InvalidImage, match="mostly outside"):
        pipeline.describe(empty_rgb, [Box(0, 0, 1, 1)])


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (2, 2)])
def test_pipeline_describes_a_pixel_of_an_image_of_any_shape(
    pipeline: FacePipeline, shape: tuple[int, int]
) -> None:
    image_rgb = np.full((*shape, 3), 200, np.uint8)
    for box in (Box(0, 0, 1, 1), Box(0, 0, shape[1], shape[0])):
        check_described(pipeline, image_rgb, box)
        (described,) = pipeline.describe(image_rgb, [box])
        assert not described.quality.acceptable
