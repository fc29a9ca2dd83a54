"""A face in: where it was seen before, and whether two photographs show one person."""

from __future__ import annotations

import asyncio
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request

from services.api.dependencies import PHOTOGRAPH, Api, Limit, Manager
from services.api.forms import FILE, PHOTO, form_with
from services.api.limits import PHOTO_MAX_BYTES
from services.api.searching import MOST
from services.api.state import State
from services.api.uploads import read_pair, read_upload
from services.api.views import camera_set, detection_views
from usher import wire
from usher.domain.records import Vector
from usher.identity.decide import likeness
from usher.identity.seen import Scope
from usher.portraits import PHOTO_MAX_PIXELS
from usher.vision.images import PHOTO_FORMATS, decode_image
from usher.wire import utc_now

router = APIRouter(tags=["identify"])

_TWO_PHOTOS = form_with("first", "second", first=FILE, second=FILE)


@router.post("/search", dependencies=PHOTOGRAPH, openapi_extra=PHOTO)
async def search(
    request: Request,
    principal: Manager,
    state: Api,
    camera_id: str | None = None,
    since: Annotated[wire.Utc | None, Query(alias="from")] = None,
    until: Annotated[wire.Utc | None, Query(alias="to")] = None,
    skip: Annotated[int, Query(ge=0, le=MOST)] = 0,
    limit: Limit = 50,
) -> wire.SearchResults:
    """Every time that the one face of a photograph was seen, whoever it is taken for.

    It is looked for at the cameras that one may see. The photograph is not kept; that
    somebody has searched is noted. `total` says how many they are: with the photograph sent
    again, `skip` leaves out as many as there were before.
    """
    form = await read_upload(request, max_bytes=PHOTO_MAX_BYTES)
    probe = await asyncio.to_thread(_vector, form.image, state)
    cameras = camera_set(camera_id, principal.scope)
    scope = Scope(camera_ids=cameras, since=since, until=until)
    found = await state.search.find(probe, scope, skip=skip, limit=limit)
    await state.audit.add(principal.id, "search", "", now=utc_now())
    views = await detection_views(state, [detection for detection, _ in found.detections])
    return wire.SearchResults(
        items=[
            wire.SearchResult(detection=view, confidence=confidence)
            for view, (_, confidence) in zip(views, found.detections, strict=True)
        ],
        total=found.total,
        searched=found.searched,
    )


@router.post("/verify", dependencies=PHOTOGRAPH, openapi_extra=_TWO_PHOTOS)
async def verify(request: Request, state: Api) -> wire.Verification:
    """Whether two photographs, of one face each, show one person. Nothing is stored."""
    images = await read_pair(request, max_bytes=PHOTO_MAX_BYTES)
    first, second = [await asyncio.to_thread(_vector, image, state) for image in images]
    confidence = likeness(state.rule, float(np.linalg.norm(first - second)))
    return wire.Verification(same=confidence is not None, confidence=confidence)


def _vector(data: bytes, state: State) -> Vector:
    photo_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=PHOTO_MAX_PIXELS)
    return state.pipeline.portrait(photo_rgb).embedding
