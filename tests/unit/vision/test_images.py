"""Decoding bytes that nobody vouches for."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from usher.domain.errors import InvalidImage, InvalidInput, TooLarge, UnsupportedImage
from usher.vision import images
from usher.vision.images import (
    CROP_FORMATS,
    PHOTO_FORMATS,
    RgbImage,
    decode_image,
    encode_jpeg,
    resized,
)

MAX_PIXELS = 1_000_000
ORIENTATION = 0x0112


def decode(data: bytes, formats: frozenset[str] = PHOTO_FORMATS) -> RgbImage:
    return decode_image(data, formats=formats, max_pixels=MAX_PIXELS)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, size[0], size[1]))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "WEBP"),
        ("RGBA", "WEBP"),
    ],
)
def test_decode_image_gives_rgb_when_the_file_is_of(mode: str, kind: str) -> None:
    image_rgb = decode(encoded(picture(mode), kind))
    assert image_rgb.shape == (30, 40, 3)
    assert image_rgb.dtype == np.uint8
    assert image_rgb.flags.writeable and image_rgb.flags.c_contiguous
    assert np.allclose(image_rgb[15, 5], (255, 0, 0), atol=30)
    assert np.allclose(image_rgb[15, 35], (0, 0, 255), atol=30)


@pytest.mark.parametrize(("mode", "kind"), [("1", "PNG"), ("L", "PNG"), ("L", "JPEG")])
def test_decode_image_gives_equal_channels_when_the_file_is_grey(mode: str, kind: str) -> None:
    image_rgb = decode(encoded(picture(mode), kind))
    assert image_rgb.shape == (30, 40, 3)
    assert (image_rgb == image_rgb[..., :1]).all()


def test_decode_image_keeps_the_upper_byte_when_the_file_has_16_bits() -> None:
    grey16 = np.full((20, 20), 0x8A10, np.uint16)
    assert (decode(encoded(Image.fromarray(grey16), "PNG")) == 0x8A).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_decode_image_lays_transparent_pixels_on_white(mode: str) -> None:
    clear = Image.new(mode, (20, 20), 0)
    options = {"transparency": 0} if mode == "P" else {}
    assert (decode(encoded(clear, "PNG", **options)) == 255).all()


def test_decode_image_takes_the_first_picture_when_the_file_is_animated() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    for kind in ("PNG", "WEBP"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert (decode(data) == (255, 0, 0)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_decode_image_turns_it_upright_as_exif_says(kind: str, orientation: int) -> None:
    upright = picture()
    # What a camera held that way would have recorded: undo the turn that the tag asks for.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image_rgb = decode(encoded(stored, kind, exif=exif))
    assert image_rgb.shape == (30, 40, 3)
    assert np.allclose(image_rgb[15, 5], (255, 0, 0), atol=30)


@pytest.mark.parametrize(
    ("data", "formats"),
    [
        (b"", PHOTO_FORMATS),
        (b"test\n", PHOTO_FORMATS),
        (encoded(picture(), "GIF"), PHOTO_FORMATS),
        (encoded(picture(), "BMP"), PHOTO_FORMATS),
        (encoded(picture(), "TIFF"), PHOTO_FORMATS),
        (encoded(picture(), "WEBP"), CROP_FORMATS),
        (b" " + encoded(picture(), "PNG"), PHOTO_FORMATS),
    ],
)
def test_decode_image_is_unsupported_when_the_first_bytes_are_others(
    data: bytes, formats: frozenset[str]
) -> None:
    with pytest.raises(UnsupportedImage, match="JPEG, PNG"):
        decode(data, formats)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_decode_image_is_invalid_when_the_file_is_truncated(kind: str, share: float) -> None:
    noise = Image.effect_noise((64, 64), 80).convert("RGB")
    data = encoded(noise, kind)
    with pytest.raises(InvalidImage, match="truncated or corrupted"):
        decode(data[: max(12, int(len(data) * share))])


def test_decode_image_accepts_the_smallest_side_and_refuses_one_pixel_less() -> None:
    assert decode(encoded(picture(size=(16, 16)), "PNG")).shape == (16, 16, 3)
    for size in ((15, 40), (40, 15), (1, 1)):
        with pytest.raises(InvalidImage, match="at least 16"):
            decode(encoded(picture(size=size), "PNG"))


def test_decode_image_accepts_its_pixel_cap_and_refuses_one_row_more() -> None:
    assert decode(encoded(Image.new("1", (1000, 1000)), "PNG")).shape == (1000, 1000, 3)
    with pytest.raises(TooLarge, match="send it smaller"):
        decode(encoded(Image.new("1", (1000, 1001)), "PNG"))


@pytest.mark.parametrize(
    ("kind", "mode", "side"),
    [("PNG", "1", 9000), ("PNG", "1", 20000), ("JPEG", "L", 9000), ("WEBP", "RGB", 4000)],
)
def test_decode_image_refuses_a_bomb_before_decoding_it(
    kind: str, mode: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(Image.new(mode, (side, side)), kind)
    monkeypatch.setattr(images, "_pixels", lambda image: pytest.fail("it was decoded"))
    with pytest.raises(TooLarge):
        decode(data)


def test_decode_image_refuses_a_webp_bomb_before_its_canvas_is_made() -> None:
    data = bytearray(encoded(Image.new("RGBA", (20, 20)), "WEBP", lossless=True, exif=b"Exif"))
    assert data[12:16] == b"VP8X"
    data[24:30] = 2 * (16382).to_bytes(3, "little")  # width and height, less one
    with pytest.raises(TooLarge):
        decode(bytes(data))


def test_decode_image_refuses_a_jpeg_of_a_thousand_scans() -> None:
    data = encoded(picture(size=(900, 900)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(InvalidImage, match="too many scans"):
        decode(data[:-2] + 1000 * scan + data[-2:])


def test_decode_image_prints_nothing_when_metadata_is_odd() -> None:
    # In a process of its own: pytest has warnings of its own mind.
    script = """
import sys, io
from PIL import Image
from usher.vision.images import PHOTO_FORMATS, decode_image
exif = b"Exif\\0\\0II*\\0\\x08\\0\\0\\0\\xff\\0"
buffer = io.BytesIO()
Image.new("RGB", (20, 20)).save(buffer, "JPEG", exif=exif)
decode_image(buffer.getvalue(), formats=PHOTO_FORMATS, max_pixels=1000)
bomb = io.BytesIO()
Image.new("1", (10000, 10000)).save(bomb, "PNG")
try:
    decode_image(bomb.getvalue(), formats=PHOTO_FORMATS, max_pixels=1000)
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("TooLarge\n", "")


@given(st.binary(max_size=300))
def test_decode_image_never_crashes_on_any_bytes(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode(data)


SEEDS = [
    encoded(picture(mode), kind)
    for mode, kind in [
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("P", "PNG"),
        ("L", "PNG"),
        ("1", "PNG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("RGB", "WEBP"),
        ("RGBA", "WEBP"),
    ]
]


@pytest.mark.filterwarnings("ignore")
@given(st.sampled_from(SEEDS), st.data())
def test_decode_image_decodes_or_refuses_a_file_that_was_tampered_with(
    seed: bytes, choices: st.DataObject
) -> None:
    data = bytearray(seed)
    for _ in range(choices.draw(st.integers(1, 8))):
        place = choices.draw(st.integers(0, len(data) - 1))
        data[place] = choices.draw(st.integers(0, 255))
    try:
        image_rgb = decode(bytes(data[: choices.draw(st.integers(0, len(data)))]))
    except InvalidInput:
        return
    assert image_rgb.dtype == np.uint8
    assert image_rgb.ndim == 3 and image_rgb.shape[2] == 3


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA"]),
    st.sampled_from(["PNG", "WEBP"]),
)
def test_decode_image_keeps_the_size_of_a_picture_of_any_size_and_mode(
    width: int, height: int, mode: str, kind: str
) -> None:
    data = encoded(picture(mode, (width, height)), kind)
    if min(width, height) < 16:
        with pytest.raises(InvalidImage):
            decode(data)
    else:
        assert decode(data).shape == (height, width, 3)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("corrupted.png", InvalidImage),  # a line feed was lost in its header
        ("truncated.jpg", InvalidImage),  # it breaks off in the middle
        ("empty.png", UnsupportedImage),  # five bytes of text
    ],
)
def test_decode_image_refuses_the_bad_files(
    test_data: Path, name: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        decode((test_data / "bad-images" / name).read_bytes())


def test_decode_image_reads_the_photograph_with_an_opaque_alpha_channel(test_data: Path) -> None:
    data = (test_data / "bad-images" / "rgba.png").read_bytes()
    rgba = np.asarray(Image.open(BytesIO(data)))
    assert np.array_equal(decode(data), rgba[..., :3])


def test_encode_jpeg_is_deterministic_and_writes_no_metadata() -> None:
    image_rgb = np.asarray(picture())
    data = encode_jpeg(image_rgb)
    assert data == encode_jpeg(image_rgb)
    again = Image.open(BytesIO(data))
    assert set(again.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert np.allclose(decode(data)[15, 5], (255, 0, 0), atol=10)


@given(st.integers(1, 300), st.integers(1, 300), st.floats(0.001, 4))
def test_resized_keeps_at_least_one_pixel_a_side(width: int, height: int, scale: float) -> None:
    image_rgb = resized(np.zeros((height, width, 3), np.uint8), scale)
    assert image_rgb.shape == (max(1, round(height * scale)), max(1, round(width * scale)), 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_decode_image_refuses_an_alpha_channel_when_none_is_accepted(mode: str) -> None:
    data = encoded(picture().convert(mode), "PNG")
    assert decode(data).shape[2] == 3
    with pytest.raises(InvalidImage, match="alpha"):
        decode_image(data, formats=CROP_FORMATS, max_pixels=MAX_PIXELS, alpha=False)
