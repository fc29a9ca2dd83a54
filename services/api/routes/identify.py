"""Who is in a picture, without keeping it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Depends, Request

from services.api.dependencies import MANAGERS, Api
from services.api.limits import PHOTO_MAX_BYTES
from services.api.state import State
from services.api.uploads import read_upload
from services.api.views import box_view, brief_view, quality_view
from usher import wire
from usher.identity.decide import Recognised, decide
from usher.vision.images import PHOTO_FORMATS, decode_image
from usher.vision.pipeline import FaceDescription

router = APIRouter(tags=["identify"])

PHOTO_MAX_PIXELS = 50_000_000

PHOTO: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {"image": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
"""How OpenAPI says: a form with one photograph."""


@router.post("/identify", dependencies=[Depends(MANAGERS)], openapi_extra=PHOTO)
async def identify(request: Request, state: Api) -> wire.Identification:
    """Every face in a photograph with who it is. Nothing is stored."""
    form = await read_upload(request, max_bytes=PHOTO_MAX_BYTES)
    described = await asyncio.to_thread(_described, form.image, state)
    return wire.Identification(faces=[await _identified(face, state) for face in described])


def _described(data: bytes, state: State) -> list[FaceDescription]:
    photo_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=PHOTO_MAX_PIXELS)
    found = state.pipeline.faces_in(photo_rgb)
    return state.pipeline.describe(photo_rgb, [face.box for face in found])


async def _identified(face: FaceDescription, state: State) -> wire.IdentifiedFace:
    decision = decide(
        face.embedding,
        acceptable=face.quality.acceptable,
        galleries=await state.galleries.current(),
        rule=state.rule,
    )
    known = decision if isinstance(decision, Recognised) else None
    persons = await state.people.of_ids([known.person_id]) if known else {}
    return wire.IdentifiedFace(
        box=box_view(face.box),
        person=brief_view(persons.get(known.person_id)) if known else None,
        confidence=known.confidence if known else None,
        quality=quality_view(face.quality),
    )
