"""Pictures that the tests send: small ones, wrong ones, and ones with something in them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

GPS = b"51 deg 28' 40\" N"
BOX = {"x1": 8, "y1": 8, "x2": 56, "y2": 56}


def noise(seed: int = 0, side_px: int = 64) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (side_px, side_px, 3), np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0, side_px: int = 64) -> bytes:
    """A picture without a face; another one for each seed."""
    return encoded(noise(seed, side_px))


def with_metadata(image: Image.Image, kind: str = "JPEG") -> bytes:
    """The picture with a place in its EXIF, a comment, and bytes after its end."""
    exif = Image.Exif()
    exif[0x010E] = GPS.decode()
    exif.get_ifd(0x8825)[29] = GPS.decode()
    options = {"comment": GPS} if kind == "JPEG" else {}
    return encoded(image, kind, exif=exif, **options) + b"trailing " + GPS


def one_bit_png(side_px: int) -> bytes:
    """A PNG of a few kB that decodes to `side_px` squared pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", side_px, side_px, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes((1 + (side_px + 7) // 8) * side_px), 9)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
