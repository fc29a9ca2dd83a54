"""Frames of a video that somebody sent: `python -m usher.vision.film VIDEO FOLDER`.

Decoders of videos are large and have had holes, and a video of a few bytes may keep one busy for
ever. So this runs in a process of its own, with little memory and time, and writes the frames to
look at as JPEG files into the folder. It ends with 2, and says why on the standard error, where the
video cannot be used.
"""

from __future__ import annotations

import resource
import sys
from itertools import islice
from pathlib import Path

import cv2

from usher.domain.errors import SourceError
from usher.vision.clips import Clip
from usher.vision.images import encode_jpeg

LONGEST_S = 60.0
MOST_FRAMES = 48
_LOOKS_PER_S = 4.0
_MOST_PIXELS = 4096 * 2304
_MEMORY_BYTES = 3 * 1024**3
_CPU_S = 60
_FRAME_FILE_BYTES = 32 * 1024**2
_JPEG_QUALITY = 95


def main(video: Path, folder: Path) -> None:
    """Write the frames.

    Raises
    ------
    SourceError
        If the video cannot be read, is too long or too large.
    """
    _limit()
    cv2.setNumThreads(1)
    with Clip(video) as clip:
        if clip.width * clip.height > _MOST_PIXELS:
            raise SourceError("the video's frames are larger than 4096x2304: send a smaller one")
        if clip.length is not None and clip.length / clip.fps > LONGEST_S:
            raise SourceError(f"the video is longer than {LONGEST_S:.0f} s: cut it")
        step = clip.step(_LOOKS_PER_S, most=MOST_FRAMES)
        for frame in islice(clip.frames(step), MOST_FRAMES):
            jpeg = encode_jpeg(frame.image_rgb, _JPEG_QUALITY)
            (folder / f"{frame.index:06}.jpg").write_bytes(jpeg)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _CPU_S),
        (resource.RLIMIT_FSIZE, _FRAME_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except SourceError as error:
        sys.stderr.write(str(error))
        sys.exit(2)
