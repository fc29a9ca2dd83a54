"""Videos made for tests, of animations and photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, ImageSequence

Frame = NDArray[np.uint8]
_FRAMES = 5
_SIDE_PX = 360


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


def camera_film(path: Path, *photographs: Path) -> Path:
    """Photographs side by side as a film that Chromium's pretended camera plays (YUV4MPEG2)."""
    picture = Image.new("RGB", (_SIDE_PX * len(photographs), _SIDE_PX))
    for place, photograph in enumerate(photographs):
        with Image.open(photograph) as image:
            square = ImageOps.fit(image.convert("RGB"), (_SIDE_PX, _SIDE_PX), centering=(0.5, 0.3))
        picture.paste(square, (_SIDE_PX * place, 0))
    luma, blue, red = (np.asarray(plane) for plane in picture.convert("YCbCr").split())
    frame = b"".join(plane.tobytes() for plane in (luma, blue[::2, ::2], red[::2, ::2]))
    header = f"YUV4MPEG2 W{picture.width} H{picture.height} F10:1 Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(header + _FRAMES * (b"FRAME\n" + frame))
    return path
