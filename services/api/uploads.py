"""Multipart bodies: capped parts, whatever they claim to be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from services.api.limits import FRAME_MAX_BYTES, KB, MB
from usher.domain.errors import InvalidInput, TooLarge, UnsupportedImage

_FIELD_MAX_BYTES = 16 * KB
_Parts = dict[str, UploadFile | str]


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form held: one file, and at most one text field."""

    image: bytes
    metadata: str | None


@dataclass(frozen=True, slots=True)
class ReportForm:
    """What a camera's report held: its text, and a picture or none."""

    report: str
    frame: bytes | None


async def read_upload(request: Request, *, max_bytes: int, with_metadata: bool = False) -> Upload:
    """The file part `image` of a multipart body, and its field `metadata` where one is expected.

    Raises
    ------
    UnsupportedImage
        If the body is no multipart form.
    TooLarge
        If the image is larger than `max_bytes`.
    InvalidInput
        If the form is malformed, or has other parts than those.
    """
    async with _form(request, "image", fields=1 if with_metadata else 0) as parts:
        image = _file(parts, "image")
        metadata = _text(parts, "metadata") if with_metadata else None
        _expect_no_more(parts)
        return Upload(await _content(image, max_bytes), metadata)


@asynccontextmanager
async def read_video(request: Request, *, max_bytes: int) -> AsyncIterator[UploadFile]:
    """The file part `video` of a multipart body, which lies on the disk meanwhile.

    Raises
    ------
    UnsupportedImage, TooLarge, InvalidInput
        As `read_upload`.
    """
    async with _form(request, "video", fields=0) as parts:
        video = _file(parts, "video")
        _expect_no_more(parts)
        if (video.size or 0) > max_bytes:
            raise TooLarge(f"the video is larger than {max_bytes // MB} MB: cut it")
        yield video


async def read_pair(request: Request, *, max_bytes: int) -> tuple[bytes, bytes]:
    """The file parts `first` and `second` of a multipart body.

    Raises
    ------
    UnsupportedImage, TooLarge, InvalidInput
        As `read_upload`.
    """
    async with _form(request, "first", fields=0, files=2) as parts:
        first, second = _file(parts, "first"), _file(parts, "second")
        _expect_no_more(parts)
        return await _content(first, max_bytes), await _content(second, max_bytes)


async def read_report(request: Request) -> ReportForm:
    """The field `report` of a multipart body, and its file part `frame` where there is one.

    Raises
    ------
    UnsupportedImage, TooLarge, InvalidInput
        As `read_upload`.
    """
    async with _form(request, "report", fields=1) as parts:
        report = _text(parts, "report")
        frame = _file(parts, "frame") if "frame" in parts else None
        _expect_no_more(parts)
        return ReportForm(report, await _content(frame, FRAME_MAX_BYTES) if frame else None)


@asynccontextmanager
async def _form(
    request: Request, first: str, *, fields: int, files: int = 1
) -> AsyncIterator[_Parts]:
    """The parts of a multipart body, of which one is called `first`."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedImage(f"send multipart/form-data with a part named `{first}`")
    try:
        form = await request.form(
            max_files=files, max_fields=fields, max_part_size=_FIELD_MAX_BYTES
        )
    except (HTTPException, MultiPartException) as error:
        detail = error.detail if isinstance(error, HTTPException) else error.message
        raise InvalidInput(f"the form cannot be read: {detail}") from error
    except ClientDisconnect as error:
        raise InvalidInput("the connection ended before the form did") from error
    try:
        yield dict(form.multi_items())
    finally:
        await form.close()


def _file(parts: _Parts, name: str) -> UploadFile:
    part = parts.pop(name, None)
    if not isinstance(part, UploadFile):
        raise InvalidInput(f"the form has no file part named `{name}`")
    return part


def _text(parts: _Parts, name: str) -> str:
    part = parts.pop(name, None)
    if not isinstance(part, str):
        raise InvalidInput(f"the form has no text field named `{name}`")
    return part


def _expect_no_more(parts: _Parts) -> None:
    if parts:
        raise InvalidInput(f"the form has a part that is not expected: {sorted(parts)[0]!r}")


async def _content(file: UploadFile, max_bytes: int) -> bytes:
    data = await file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLarge(f"the image is larger than {max_bytes // KB} KB: send a smaller one")
    return data
