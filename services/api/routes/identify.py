"""Who is in a picture, without keeping it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from fastapi import APIRouter, Request

from services.api.dependencies import PHOTOGRAPH, Api
from services.api.forms import PHOTO
from services.api.limits import PHOTO_MAX_BYTES
from services.api.state import State
from services.api.uploads import read_upload
from services.api.views import box_view, brief_view, quality_view
from usher import wire
from usher.domain.records import Person
from usher.identity.decide import Decision
from usher.portraits import PHOTO_MAX_PIXELS
from usher.vision.images import PHOTO_FORMATS, decode_image
from usher.vision.pipeline import FaceDescription

router = APIRouter(tags=["identify"])


@router.post("/identify", dependencies=PHOTOGRAPH, openapi_extra=PHOTO)
async def identify(request: Request, state: Api) -> wire.Identification:
    """Every face in a photograph with who it is. Nothing is stored."""
    form = await read_upload(request, max_bytes=PHOTO_MAX_BYTES)
    described = await asyncio.to_thread(_described, form.image, state)
    async with state.follower.current() as (identifier, _):
        decisions = [
            await asyncio.to_thread(
                identifier.decide, face.embedding, acceptable=face.quality.acceptable
            )
            for face in described
        ]
    named = [id_ for one in decisions for id_ in (one.person_id, one.candidate_id) if id_]
    persons = await state.people.of_ids(named)
    return wire.Identification(
        faces=[_identified(*each, persons) for each in zip(described, decisions, strict=True)]
    )


def _described(data: bytes, state: State) -> list[FaceDescription]:
    photo_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=PHOTO_MAX_PIXELS)
    found = state.pipeline.faces_in(photo_rgb)
    return state.pipeline.describe(photo_rgb, [face.box for face in found])


def _identified(
    face: FaceDescription, decision: Decision, persons: Mapping[str, Person]
) -> wire.IdentifiedFace:
    return wire.IdentifiedFace(
        box=box_view(face.box),
        person=brief_view(persons.get(decision.person_id or "")),
        confidence=decision.confidence,
        candidate=brief_view(persons.get(decision.candidate_id or "")),
        quality=quality_view(face.quality),
    )
