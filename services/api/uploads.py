"""Multipart bodies: capped parts, whatever they claim to be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from services.api.limits import KB
from usher.domain.errors import InvalidInput, TooLarge, UnsupportedImage

_FIELD_MAX_BYTES = 16 * KB


@dataclass(frozen=True, slots=True)
class Upload:
    """What a form held: one file, and at most one text field."""

    image: bytes
    metadata: str | None


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
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise UnsupportedImage("send multipart/form-data with a part named `image`")
    async with _form(request, fields=1 if with_metadata else 0) as parts:
        image = parts.pop("image", None)
        metadata = parts.pop("metadata", None) if with_metadata else None
        if not isinstance(image, UploadFile):
            raise InvalidInput("the form has no file part named `image`")
        if parts:
            raise InvalidInput(f"the form has a part that is not expected: {sorted(parts)[0]!r}")
        if with_metadata and not isinstance(metadata, str):
            raise InvalidInput("the form has no text field named `metadata`")
        data = await image.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise TooLarge(f"the image is larger than {max_bytes // KB} KB: send a smaller one")
    return Upload(data, metadata if isinstance(metadata, str) else None)


@asynccontextmanager
async def _form(request: Request, *, fields: int) -> AsyncIterator[dict[str, UploadFile | str]]:
    try:
        form = await request.form(max_files=1, max_fields=fields, max_part_size=_FIELD_MAX_BYTES)
    except (HTTPException, MultiPartException) as error:
        detail = error.detail if isinstance(error, HTTPException) else error.message
        raise InvalidInput(f"the form cannot be read: {detail}") from error
    except ClientDisconnect as error:
        raise InvalidInput("the connection ended before the form did") from error
    try:
        yield dict(form.multi_items())
    finally:
        await form.close()
