"""Pictures made small for lists: each once, and kept beside the crop that it was made from."""

from __future__ import annotations

from contextlib import suppress
from enum import IntEnum

from usher.domain.errors import NotFound
from usher.storage.crops import CropStore
from usher.vision.images import decode_image, encode_jpeg, resized

_QUALITY = 82
_MAX_PIXELS = 50_000_000
"""A crop is our own file: no more than what was let in."""


class PictureSize(IntEnum):
    """The longer side of a small picture, in pixels."""

    SMALL = 160
    MEDIUM = 320


def thumbnail(crops: CropStore, key: str, size: PictureSize) -> bytes:
    """A crop's picture, JPEG, no side of it longer than that. It blocks: call it in a thread.

    A smaller crop is given as it is.

    Raises
    ------
    NotFound
        If there is no such crop.
    """
    with suppress(NotFound):
        return crops.get_thumbnail(key, size)
    jpeg = crops.get(key)
    image_rgb = decode_image(jpeg, formats=frozenset({"JPEG"}), max_pixels=_MAX_PIXELS)
    longer = max(image_rgb.shape[:2])
    if longer <= size:
        return jpeg
    small = encode_jpeg(resized(image_rgb, size / longer), _QUALITY)
    crops.put_thumbnail(key, size, small)
    return small
