"""Detections in and out."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import ValidationError

from services.api.dependencies import (
    UPLOAD,
    UPLOADERS,
    Api,
    Cursor,
    Limit,
    Manager,
    Principal,
    Reader,
)
from services.api.forms import FILE, form_with, json_of
from services.api.limits import CROP_MAX_BYTES
from services.api.scoping import check_camera
from services.api.state import State
from services.api.thumbnails import PictureSize, thumbnail
from services.api.uploads import Upload, read_upload
from services.api.views import box_of, detection_views, one_detection_view
from usher import wire
from usher.domain.errors import IdempotencyConflict, InvalidInput
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id
from usher.domain.records import Detection, DetectionStatus, FramePlace
from usher.storage.detections import DetectionFilter
from usher.storage.documents import milliseconds
from usher.vision.align import check_box
from usher.vision.images import CROP_FORMATS, RgbImage, decode_image, encode_jpeg
from usher.wire import utc_now

router = APIRouter(prefix="/detections", tags=["detections"])

CROP_MAX_PIXELS = 16_000_000

IdempotencyKey = Annotated[
    str,
    Header(
        alias=wire.IDEMPOTENCY_HEADER,
        min_length=8,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Made once for an upload; a repeat with it stores nothing twice.",
    ),
]


@router.post(
    "",
    status_code=201,
    dependencies=UPLOAD,
    responses={200: {"model": wire.DetectionAccepted, "description": "Stored before."}},
    openapi_extra=form_with(
        "image", "metadata", image=FILE, metadata=json_of(wire.DetectionMetadata)
    ),
)
async def upload(
    request: Request,
    response: Response,
    principal: Annotated[Principal, Depends(UPLOADERS)],
    idempotency_key: IdempotencyKey,
    state: Api,
) -> wire.DetectionAccepted:
    """Store a face's picture. The answer comes when picture and record are safe."""
    form = await read_upload(request, max_bytes=CROP_MAX_BYTES, with_metadata=True)
    detection = await _prepared(state, form, principal, idempotency_key)
    is_new = await state.detections.insert(detection)
    if not is_new:
        detection = await _stored_before(state, detection)
        response.status_code = 200
    await state.sightings.note(detection.camera_id, detection.captured_at)
    state.metrics.uploads.labels("stored" if is_new else "repeated").inc()
    return wire.DetectionAccepted(id=detection.id, status=detection.status)


@router.get("")
async def page(
    principal: Reader,
    state: Api,
    camera_id: str | None = None,
    person_id: str | None = None,
    status: DetectionStatus | None = None,
    quality: Annotated[
        Literal["good", "poor"] | None,
        Query(description="Whether the picture is good enough to tell who it shows."),
    ] = None,
    review: bool = False,
    since: Annotated[wire.Utc | None, Query(alias="from")] = None,
    until: Annotated[wire.Utc | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> wire.Page[wire.Detection]:
    """The newest detections first; with `review` those that wait for a person's answer alone."""
    selection = DetectionFilter(
        camera_id=camera_id,
        person_id=person_id,
        status=status,
        acceptable=None if quality is None else quality == "good",
        review=review,
        since=since,
        until=until,
        scope=principal.scope,
    )
    found, following = await state.detections.page(selection, cursor=cursor, limit=limit)
    return wire.Page(items=await detection_views(state, found), next_cursor=following)


@router.get("/{detection_id}")
async def one(detection_id: str, principal: Reader, state: Api) -> wire.Detection:
    """One detection."""
    found = await state.detections.get(detection_id, principal.scope)
    return await one_detection_view(state, found)


@router.get("/{detection_id}/image", response_class=Response)
async def image(
    detection_id: str,
    request: Request,
    principal: Reader,
    state: Api,
    size: PictureSize | None = None,
) -> Response:
    """The detection's picture, JPEG; with `size` made small, for lists."""
    crop = await state.detections.crop_of(detection_id, principal.scope)
    return await picture(crop, request, state, size)


@router.post("/{detection_id}/assign")
async def assign(
    detection_id: str,
    assignment: wire.Assignment,
    principal: Manager,
    state: Api,
) -> wire.Detection:
    """Correct who a detection shows: this person, somebody new, or no face at all."""
    await state.detections.get(detection_id, principal.scope)
    if assignment.new_person:
        corrected = await state.corrections.correct_to_new(detection_id, actor=principal.id)
    else:
        corrected = await state.corrections.correct(
            detection_id, assignment.person_id, actor=principal.id
        )
    await state.audit.add(principal.id, "detection.assign", detection_id, now=utc_now())
    view = await one_detection_view(state, corrected)
    words = _answer(assignment, view.person)
    if words:
        await state.alerts.answer({"detection_id": detection_id}, by=principal.id, answer=words)
    return view


def _answer(assignment: wire.Assignment, person: wire.PersonBrief | None) -> str | None:
    """What a correction says to an alert that shows the detection; None: nothing."""
    if assignment.not_a_face:
        return "is no face"
    return f"is {person.name}" if person and person.name else None


@router.post("/{detection_id}/reject")
async def reject(
    detection_id: str,
    rejection: wire.Rejection,
    principal: Manager,
    state: Api,
) -> wire.Detection:
    """Say whom a detection does not show, of those whom Usher takes it for. It is remembered."""
    await state.detections.get(detection_id, principal.scope)
    rejected = await state.corrections.reject(detection_id, rejection.person_id, actor=principal.id)
    action = f"detection.reject:{rejection.person_id}"
    await state.audit.add(principal.id, action, detection_id, now=utc_now())
    return await one_detection_view(state, rejected)


@router.post("/{detection_id}/retry")
async def retry(detection_id: str, principal: Manager, state: Api) -> wire.Detection:
    """Try a detection again that has failed."""
    await state.detections.get(detection_id, principal.scope)
    retried = await state.detections.retry(detection_id)
    await state.audit.add(principal.id, "detection.retry", detection_id, now=utc_now())
    return await one_detection_view(state, retried)


async def picture(
    crop: str, request: Request, state: State, size: PictureSize | None = None
) -> Response:
    """A stored picture, JPEG; with `size` no side of it is longer.

    A browser may keep it, but asks each time: what was deleted, or is seen signed out, is gone. A
    key names the same pixels for ever, so it is the tag, and asking reads no file.
    """
    tag = f'"{crop}"' if size is None else f'"{crop}-{size:d}"'
    headers = {"Cache-Control": "private, no-cache", "ETag": tag}
    if _knows(request, tag):
        return Response(status_code=304, headers=headers)
    if size is None:
        jpeg = await asyncio.to_thread(state.crops.get, crop)
    else:
        jpeg = await asyncio.to_thread(thumbnail, state.crops, crop, size)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


def _knows(request: Request, tag: str) -> bool:
    """Whether the client has a picture of that tag, among its own (RFC 9110, 13.1.2)."""
    named = [each.strip() for each in request.headers.get("if-none-match", "").split(",")]
    return "*" in named or tag in [each.removeprefix("W/") for each in named]


async def _prepared(
    state: State, form: Upload, principal: Principal, idempotency_key: str
) -> Detection:
    """A valid upload as a record; its crop is on disk before anybody can read of it."""
    metadata = _metadata(form)
    check_camera(metadata.camera_id, principal)
    crop, box = await asyncio.to_thread(_keep, form.image, metadata, state)
    frame = metadata.frame
    received_at = utc_now()
    return Detection(
        id=new_id(),
        camera_id=metadata.camera_id,
        device_id=principal.id,
        idempotency_key=idempotency_key,
        content_sha256=_digest(form),
        # A device's clock may be ahead: what is yet to come would never be old enough to go.
        captured_at=milliseconds(min(metadata.captured_at, received_at)),
        received_at=milliseconds(received_at),
        crop=crop,
        box=box,
        landmarks=tuple((x, y) for x, y in metadata.landmarks) if metadata.landmarks else None,
        frame=FramePlace(box_of(frame.box), frame.width, frame.height) if frame else None,
        score=metadata.score,
        track_id=metadata.track_id,
    )


async def _stored_before(state: State, refused: Detection) -> Detection:
    """What was stored under the key of a detection that was refused, whose crop goes.

    Raises
    ------
    IdempotencyConflict
        If that is of another upload.
    """
    await asyncio.to_thread(state.crops.delete, refused.crop)
    key = refused.idempotency_key
    stored = await state.detections.by_idempotency_key(refused.device_id, key)
    if stored is None or stored.content_sha256 != refused.content_sha256:
        raise IdempotencyConflict(
            f"{wire.IDEMPOTENCY_HEADER} was used for another upload: make a new one for each"
        )
    return stored


def _keep(image: bytes, metadata: wire.DetectionMetadata, state: State) -> tuple[str, Box]:
    """Keep the picture, made anew from its pixels: its key, and the face's place in it."""
    image_rgb, box = _face(image, metadata, state)
    return state.crops.put(encode_jpeg(image_rgb)), box


def _face(image: bytes, metadata: wire.DetectionMetadata, state: State) -> tuple[RgbImage, Box]:
    """The decoded picture and the face's place in it: as posted, or else the most central one."""
    image_rgb = decode_image(image, formats=CROP_FORMATS, max_pixels=CROP_MAX_PIXELS, alpha=False)
    if metadata.box is None:
        return image_rgb, state.pipeline.central_face(image_rgb).box
    box = box_of(metadata.box)
    check_box(image_rgb, box)
    return image_rgb, box


def _metadata(form: Upload) -> wire.DetectionMetadata:
    try:
        return wire.DetectionMetadata.model_validate_json(form.metadata or "")
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'metadata'}: {item['msg']}"
            for item in error.errors()
        )
        raise InvalidInput(f"the metadata is not as it should be: {found}") from error


def _digest(form: Upload) -> str:
    """Of everything that was uploaded, so that the same key with another body is noticed."""
    digest = hashlib.sha256(hashlib.sha256(form.image).digest())
    digest.update((form.metadata or "").encode())
    return digest.hexdigest()
