"""Videos made for tests, of animations and photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageSequence

Frame = NDArray[np.uint8]


def frames_in(path: Path) -> list[Frame]:
    with Image.open(path) as animation:
        return [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(animation)]


def film(path: Path, frames: Sequence[Frame], *, fps: float = 10) -> bytes:
    """An MP4 file of frames of one size."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (width, height))
    for frame in frames:
        resized = cv2.resize(frame, (width, height))
        writer.write(cv2.cvtColor(resized, cv2.COLOR_RGB2BGR))
    writer.release()
    return path.read_bytes()
