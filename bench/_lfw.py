"""Labeled Faces in the Wild, as the benchmarks that measure on it find and look at it."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from usher.domain.errors import NoFaceFound
from usher.domain.geometry import Box
from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image
from usher.vision.pipeline import FacePipeline

_CENTRE_SHARE = 0.42
"""Where no face is found the middle is taken for one, so much of the shorter side: faces in LFW's
photographs of 250 px are found some 104 px wide."""
_MAX_PIXELS = 50_000_000


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the folder of photographs."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="LFW_FOLDER",
        help="photographs, one folder a person; default: lfw-dev/images in USHER_TEST_DATA",
    )


def folder_of(given: Path | None) -> Path | None:
    """The folder that was named, or that of the test data."""
    data = os.environ.get("USHER_TEST_DATA")
    return given or (Path(data) / "lfw-dev" / "images" if data else None)


def needed_folder(given: Path | None, parser: argparse.ArgumentParser) -> Path:
    """As `folder_of`; without either, end and say that nothing was measured."""
    folder = folder_of(given)
    if folder is None:
        parser.exit(message="nothing measured: give --data, or set USHER_TEST_DATA\n")
    return folder


def photographs_in(given: Path | None, parser: argparse.ArgumentParser) -> list[Path]:
    """All photographs, by name; ends with the parser's error where the folder has none."""
    folder = needed_folder(given, parser)
    photographs = sorted(folder.glob("*/*.jpg"))
    if not photographs:
        parser.error(f"there are no photographs PERSON/*.jpg in {folder}")
    return photographs


def face_in(path: Path, pipeline: FacePipeline) -> tuple[RgbImage, Box]:
    """A photograph, uint8, (H, W, 3), RGB, and its most central face, or else its middle."""
    image_rgb = decode_image(path.read_bytes(), formats=PHOTO_FORMATS, max_pixels=_MAX_PIXELS)
    try:
        return image_rgb, pipeline.central_face(image_rgb).box
    except NoFaceFound:
        height, width = image_rgb.shape[:2]
        side = round(_CENTRE_SHARE * min(height, width))
        x, y = (width - side) // 2, (height - side) // 2
        return image_rgb, Box(x, y, x + side, y + side)
