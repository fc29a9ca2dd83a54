"""Videos that people send: their frames, decoded where a decoder that breaks harms nobody."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from starlette.datastructures import UploadFile

from usher.domain.errors import InvalidImage, UnsupportedImage

log = structlog.get_logger()

_WITHIN_S = 60.0
_MAGIC_BYTES = 12


async def frames_of(video: UploadFile) -> list[bytes]:
    """Frames to look at, as JPEG files, in their order.

    Raises
    ------
    UnsupportedImage
        If it is neither MP4 or QuickTime, nor WebM or Matroska, nor AVI.
    InvalidImage
        If it cannot be decoded, or is too long or too large.
    """
    if not _is_video(await video.read(_MAGIC_BYTES)):
        raise UnsupportedImage("this is no video that is taken: send MP4, QuickTime, WebM or AVI")
    await video.seek(0)
    with TemporaryDirectory(prefix="usher-video-") as name:
        folder = Path(name)
        frames = folder / "frames"
        frames.mkdir()
        copy = folder / "video"
        await asyncio.to_thread(_copy, video, copy)
        await _decode(copy, frames)
        found = await asyncio.to_thread(_read, frames)
    if not found:
        raise InvalidImage("the video gives no frame: it may be damaged, or its codec unknown")
    return found


def _is_video(start: bytes) -> bool:
    return (
        start[4:8] == b"ftyp"
        or start.startswith(b"\x1a\x45\xdf\xa3")
        or (start.startswith(b"RIFF") and start[8:12] == b"AVI ")
    )


def _copy(video: UploadFile, path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(video.file, file)


def _read(frames: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(frames.iterdir())]


async def _decode(video: Path, frames: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "usher.vision.film", str(video), str(frames)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, told = await asyncio.wait_for(process.communicate(), _WITHIN_S)
    except TimeoutError as error:
        raise InvalidImage("the video takes too long to decode: convert it to H.264") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 2:  # it says why, and names the file that we gave it
        raise InvalidImage(told.decode(errors="replace").replace(str(video), "the video"))
    if process.returncode:
        log.warning("a decoder broke", status=process.returncode)
        raise InvalidImage("the video cannot be decoded: convert it to H.264")
