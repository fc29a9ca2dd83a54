"""Bytes to pixels and back. The bytes may come from anybody."""

from __future__ import annotations

import struct
import warnings
import zlib
from io import BytesIO
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from usher.domain.errors import InvalidImage, TooLarge, UnsupportedImage

RgbImage: TypeAlias = NDArray[np.uint8]
"""uint8, (H, W, 3), 0 to 255, RGB; x to the right and y down from the upper left corner."""

CROP_FORMATS = frozenset({"JPEG", "PNG"})
PHOTO_FORMATS = CROP_FORMATS | {"WEBP"}
MIN_SIDE_PX = 16

# A progressive JPEG of a camera or an editor has about ten scans. Each further one, a dozen bytes,
# costs the decoder another walk over the whole picture.
_MAX_JPEG_SCANS = 100
_START_OF_SCAN = b"\xff\xda"

# Pillow warns of odd metadata, in words of the sender. Only a filter for the whole process is safe
# where several threads decode.
warnings.filterwarnings("ignore", module=r"PIL\.")

# The plugins are called directly: `Image.open` does no more than choose one, and warn of bombs,
# which `max_pixels` refuses before that.
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
}

# What Pillow raises on bytes that are not what they claim to be.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    struct.error,
    zlib.error,
)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_image(
    data: bytes, *, formats: frozenset[str], max_pixels: int, alpha: bool = True
) -> RgbImage:
    """Decode one picture that nobody vouches for.

    Its format is told by its first bytes, and its size is read from the header before a pixel is
    decoded. It is turned upright as EXIF says. Transparent pixels are laid on white; of 16 bits
    the upper eight are kept; of an animation the first picture.

    Parameters
    ----------
    data
        The whole file.
    formats
        What to accept, of `JPEG`, `PNG`, `WEBP`.
    max_pixels
        The largest width times height.
    alpha
        Whether an alpha channel is accepted. No camera makes one, and under it a picture can look
        otherwise to a person than to a program.

    Returns
    -------
    RgbImage
        uint8, (H, W, 3), RGB, upright, contiguous and writable.

    Raises
    ------
    UnsupportedImage
        If the bytes do not begin as one of `formats`.
    TooLarge
        If it has more than `max_pixels`.
    InvalidImage
        If it is truncated, corrupted, smaller than `MIN_SIDE_PX` on a side, or has an alpha
        channel that is not accepted.
    """
    kind = _format_of(data)
    if kind not in formats:
        raise UnsupportedImage(f"the image is not one of {_listed(formats)}: convert it to one")
    if kind == "JPEG" and data.count(_START_OF_SCAN) > _MAX_JPEG_SCANS:
        raise InvalidImage("the JPEG has too many scans: save it again as a usual JPEG")
    try:
        with _READERS[kind](BytesIO(data)) as image:
            _check_size(image.size, max_pixels)
            if image.has_transparency_data and not alpha:
                raise InvalidImage("the image has an alpha channel: save it without transparency")
            return _pixels(image)
    except Image.DecompressionBombError as error:  # the WebP reader's own cap, of 179 megapixels
        raise TooLarge(f"the image has more than {max_pixels:,} pixels: send it smaller") from error
    except _BROKEN as error:
        raise InvalidImage(f"the {kind} is truncated or corrupted: send it again, whole") from error


def encode_jpeg(image_rgb: RgbImage, quality: int = 92) -> bytes:
    """The picture as a JPEG without metadata; the same pixels give the same bytes.

    Parameters
    ----------
    image_rgb
        uint8, (H, W, 3), RGB; H and W from 1 to 65,500.
    quality
        1 to 95.
    """
    buffer = BytesIO()
    Image.fromarray(image_rgb).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def resized(image_rgb: RgbImage, scale: float) -> RgbImage:
    """The picture with both sides multiplied by `scale` and rounded, at least one pixel each.

    Parameters
    ----------
    image_rgb
        uint8, (H, W, 3), RGB; not empty.
    scale
        Above 0.
    """
    if scale == 1:
        return contiguous(image_rgb)
    height, width = image_rgb.shape[:2]
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image_rgb, size, interpolation=interpolation), np.uint8)


def contiguous(image_rgb: RgbImage) -> RgbImage:
    """The picture in one piece of memory, for libraries that need it so.

    NumPy calls an array contiguous whatever the strides of a side of one pixel are; dlib does not.

    Parameters
    ----------
    image_rgb
        uint8, (H, W, 3), RGB.
    """
    return image_rgb.copy() if 1 in image_rgb.shape else np.ascontiguousarray(image_rgb)


def _format_of(data: bytes) -> str:
    """The format that the first bytes announce, or an empty string."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return ""


def _listed(formats: frozenset[str]) -> str:
    return ", ".join(sorted(formats))


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise TooLarge(
            f"the image has {width}x{height} pixels, more than {max_pixels:,}: send it smaller"
        )
    if min(size) < MIN_SIDE_PX:
        raise InvalidImage(
            f"the image has {width}x{height} pixels: each side needs at least {MIN_SIDE_PX}"
        )


def _pixels(image: Image.Image) -> RgbImage:
    image.load()
    upright = _turned_upright(image)
    if upright.mode.startswith("I"):
        upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
    elif upright.has_transparency_data:
        upright = _on_white(upright.convert("RGBA"))
    return np.array(upright if upright.mode == "RGB" else upright.convert("RGB"))


def _turned_upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(Base.Orientation, 1)
    except _BROKEN:  # the pixels are good, whatever their metadata says
        return image
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


def _on_white(image_rgba: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image_rgba.size, "white")
    return Image.alpha_composite(white, image_rgba)
