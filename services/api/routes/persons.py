"""Persons and their faces."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import UploadFile

from services.api.dependencies import (
    FILM,
    PHOTOGRAPH,
    READERS,
    Api,
    Cursor,
    Limit,
    Manager,
    OptionalKey,
    Reader,
)
from services.api.exports import chunks, export_person
from services.api.films import frames_of
from services.api.forms import PHOTO, VIDEO
from services.api.limits import PHOTO_MAX_BYTES, VIDEO_MAX_BYTES
from services.api.pictures import delete_unheld
from services.api.repeats import once_of
from services.api.routes.detections import picture
from services.api.scoping import check_everything, check_own, check_seen
from services.api.state import State
from services.api.thumbnails import PictureSize
from services.api.uploads import read_upload, read_video
from services.api.views import camera_set, face_view, one_person_view, person_views, visit_views
from usher import wire
from usher.domain.errors import Conflict, NotFound
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id, new_person_id
from usher.domain.records import Embedding, Face, Person, PersonKind, Vector
from usher.portraits import PHOTO_MAX_PIXELS, Portrait, choose_frames
from usher.storage.documents import milliseconds, plain
from usher.storage.repetitions import Once
from usher.storage.stays import StayFilter
from usher.vision.images import PHOTO_FORMATS, RgbImage, decode_image, encode_jpeg
from usher.vision.pipeline import FaceDescription
from usher.wire import utc_now

router = APIRouter(prefix="/persons", tags=["persons"])

_CROP_MARGIN = 0.5
_BINARY = {"type": "string", "format": "binary"}
_CHUNK_BYTES = 2**20
_MAY_BE_TAKEN = frozenset({"class_name", "valid_from", "valid_until", "snoozed_until"})
"""What null takes away from a person."""
_TEXT = r"^[^\x00]*$"


@router.get("")
async def page(
    principal: Reader,
    state: Api,
    kind: PersonKind | None = None,
    text: Annotated[str | None, Query(alias="q", max_length=120, pattern=_TEXT)] = None,
    class_name: Annotated[str | None, Query(alias="class", max_length=40, pattern=_TEXT)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> wire.Page[wire.Person]:
    """Persons, the newest first; `q` is part of a name, or an id."""
    found, following = await state.people.page(
        kind=kind,
        text=text,
        class_name=class_name.strip().lower() if class_name is not None else None,
        cursor=cursor,
        limit=limit,
    )
    return wire.Page(items=await person_views(state, found, principal.scope), next_cursor=following)


@router.post(
    "",
    status_code=201,
    responses={200: {"model": wire.Person, "description": "Added before, by the same request."}},
)
async def create(
    body: wire.PersonCreate,
    response: Response,
    principal: Manager,
    state: Api,
    key: OptionalKey = None,
) -> wire.Person:
    """Add somebody known, to whom photographs can then be added."""
    once = once_of(principal, "person.create", key, body.model_dump_json().encode())
    if once and (made := await state.repetitions.made_by(once)):
        response.status_code = 200
        return await one(made, principal, state)
    person = Person(
        id=new_person_id(),
        kind=PersonKind.KNOWN,
        created_at=milliseconds(utc_now()),
        name=body.name,
        notes=body.notes,
        class_name=body.class_name,
    )
    await state.registry.create_person(person, once=once)
    await state.audit.add(principal.id, "person.create", person.id, now=utc_now())
    return await one_person_view(state, person, principal.scope)


@router.get("/classes", dependencies=[Depends(READERS)])
async def classes(state: Api) -> wire.Page[str]:
    """Every class that somebody is of, by name."""
    return wire.Page(items=await state.people.classes())


@router.get("/{person_id}")
async def one(person_id: str, principal: Reader, state: Api) -> wire.Person:
    """One person."""
    return await one_person_view(state, await state.people.get(person_id), principal.scope)


@router.patch("/{person_id}")
async def update(
    person_id: str,
    body: wire.PersonUpdate,
    principal: Manager,
    state: Api,
) -> wire.Person:
    """Rename, ignore, annotate, classify. Naming a stranger makes them known.

    Managers hear of a person from every camera, so only somebody who has all of them says who.
    """
    before = await state.people.get(person_id)
    changes = _changes(body, before)
    await check_seen(state, [person_id], principal)
    if "managers" in changes:
        check_everything(principal)
    if not changes:
        return await one(person_id, principal, state)
    person = await state.registry.update_person(person_id, changes, actor=principal.id)
    action = f"person.update:{','.join(sorted(changes))}"
    await state.audit.add(principal.id, action, person_id, now=utc_now())
    if before.kind is PersonKind.UNKNOWN and (words := _answer(person, changes)):
        await state.alerts.answer({"person_id": person_id}, by=principal.id, answer=words)
    return await one_person_view(state, person, principal.scope)


@router.delete("/{person_id}")
async def delete(person_id: str, principal: Manager, state: Api) -> wire.DeletionReceipt:
    """Delete a person with their faces, pictures, detections, visits and alerts. For good."""
    await check_own(state, [person_id], principal)
    removal = await state.registry.delete_person(person_id)
    await state.audit.add(principal.id, "person.delete", person_id, now=utc_now())
    await delete_unheld(state, removal.crops)
    return wire.DeletionReceipt(
        person_id=person_id,
        faces=removal.faces,
        detections=removal.detections,
        crops=len(removal.crops),
        visits=removal.visits,
        alerts=removal.alerts,
    )


@router.post("/{person_id}/merge")
async def merge(
    person_id: str,
    body: wire.Merge,
    principal: Manager,
    state: Api,
) -> wire.Person:
    """Fold other persons into this one: their faces, detections, visits and alerts."""
    await check_own(state, body.person_ids, principal)
    await check_seen(state, [person_id], principal)
    answered = await state.alerts.unanswered(body.person_ids)
    person = await state.corrections.merge(person_id, body.person_ids, actor=principal.id)
    words = f"is {person.name or person.id}"
    await state.alerts.answer({"_id": {"$in": answered}}, by=principal.id, answer=words)
    for other in body.person_ids:
        await state.audit.add(principal.id, f"person.merge:{other}", person_id, now=utc_now())
    return await one_person_view(state, person, principal.scope)


@router.post("/{person_id}/split")
async def split(
    person_id: str,
    body: wire.Split,
    principal: Manager,
    state: Api,
) -> wire.Person:
    """Give some of this person's detections to another one, or to a new stranger; who that is."""
    await state.detections.check_within(body.detection_ids, principal.scope)
    target = await state.corrections.split(
        person_id, body.detection_ids, body.into, actor=principal.id
    )
    await state.audit.add(principal.id, f"person.split:{target.id}", person_id, now=utc_now())
    return await one_person_view(state, target, principal.scope)


@router.get("/{person_id}/faces")
async def faces(person_id: str, principal: Reader, state: Api) -> wire.Page[wire.Face]:
    """What a person is recognised by, without what other cameras saw than those one may see."""
    await state.people.get(person_id)
    found = await state.people.faces_of(person_id, principal.scope)
    return wire.Page(items=[face_view(face) for face in found])


@router.post(
    "/{person_id}/faces",
    status_code=201,
    dependencies=PHOTOGRAPH,
    openapi_extra=PHOTO,
    responses={200: {"model": wire.Face, "description": "Added before, by the same request."}},
)
async def enrol(
    person_id: str,
    request: Request,
    response: Response,
    principal: Manager,
    state: Api,
    key: OptionalKey = None,
) -> wire.Face:
    """Add a photograph of one face. Only the face's surroundings are kept."""
    await state.people.get(person_id)
    await check_seen(state, [person_id], principal)
    form = await read_upload(request, max_bytes=PHOTO_MAX_BYTES)
    once = once_of(principal, f"face.enrol:{person_id}", key, form.image)
    if once and (made := await state.repetitions.made_by(once)):
        response.status_code = 200
        return face_view(await state.people.face(person_id, made))
    portrait = await asyncio.to_thread(_portrait, form.image, state)
    (face,) = await _add(person_id, [portrait], state, once=once)
    await state.audit.add(principal.id, "face.enrol", person_id, now=utc_now())
    return face_view(face)


@router.post(
    "/{person_id}/videos",
    status_code=201,
    dependencies=FILM,
    openapi_extra=VIDEO,
    responses={
        200: {"model": wire.Page[wire.Face], "description": "Added before, by the same request."}
    },
)
async def enrol_from_video(
    person_id: str,
    request: Request,
    response: Response,
    principal: Manager,
    state: Api,
    key: OptionalKey = None,
) -> wire.Page[wire.Face]:
    """Add photographs from a video of one person, of no more than a minute: the frames that show
    them best and from different sides, all or none of them. The video is not kept."""
    await state.people.get(person_id)
    await check_seen(state, [person_id], principal)
    async with read_video(request, max_bytes=VIDEO_MAX_BYTES) as video:
        content = await asyncio.to_thread(_digest, video) if key else b""
        once = once_of(principal, f"face.enrol_video:{person_id}", key, content)
        if once and (made := await state.repetitions.made_by(once)):
            response.status_code = 200
            return await _still_there(person_id, made.split(), state)
        frames = await frames_of(video)
    chosen = await asyncio.to_thread(choose_frames, frames, state.pipeline, state.rule)
    portraits = await asyncio.to_thread(lambda: [_of_frame(frame) for frame in chosen])
    faces = await _add(person_id, portraits, state, once=once)
    action = f"face.enrol:{len(faces)} from a video"
    await state.audit.add(principal.id, action, person_id, now=utc_now())
    return wire.Page(items=[face_view(face) for face in faces])


@router.delete("/{person_id}/faces/{face_id}", status_code=204)
async def remove_face(
    person_id: str,
    face_id: str,
    principal: Manager,
    state: Api,
) -> None:
    """Stop recognising a person by this face. A detection's own picture stays with it."""
    await state.people.face(person_id, face_id, principal.scope)
    await check_seen(state, [person_id], principal)
    face = await state.registry.remove_face(person_id, face_id)
    if face.origin == "enrolment":
        await asyncio.to_thread(state.crops.delete, face.crop)
    await state.audit.add(principal.id, "face.remove", person_id, now=utc_now())


@router.get(
    "/{person_id}/export",
    response_class=Response,
    responses={200: {"content": {"application/zip": {"schema": _BINARY}}}},
)
async def export(person_id: str, principal: Manager, state: Api) -> Response:
    """All that is known of a person, with the pictures: a zip archive, without vectors.

    It is of all cameras, so only somebody who has all of them can have it.
    """
    check_everything(principal)
    file = await export_person(state, person_id)
    await state.audit.add(principal.id, "person.export", person_id, now=utc_now())
    headers = {"Content-Disposition": f'attachment; filename="{person_id}.zip"'}
    return StreamingResponse(chunks(file), media_type="application/zip", headers=headers)


@router.get("/{person_id}/visits")
async def visits(
    person_id: str,
    principal: Reader,
    state: Api,
    camera_id: str | None = None,
    since: Annotated[wire.Utc | None, Query(alias="from")] = None,
    until: Annotated[wire.Utc | None, Query(alias="to")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> wire.Page[wire.Visit]:
    """A person's visits to the cameras that one may see, the last to begin first."""
    await state.people.get(person_id)
    cameras = camera_set(camera_id, principal.scope)
    selection = StayFilter(camera_ids=cameras, person_id=person_id, since=since, until=until)
    found, following = await state.stays.page(selection, cursor=cursor, limit=limit)
    return wire.Page(items=await visit_views(state, found), next_cursor=following)


@router.get("/{person_id}/faces/{face_id}/image", response_class=Response)
async def face_image(
    person_id: str,
    face_id: str,
    request: Request,
    principal: Reader,
    state: Api,
    size: PictureSize | None = None,
) -> Response:
    """The picture of a face, JPEG; with `size` made small, for lists."""
    face = await state.people.face(person_id, face_id, principal.scope)
    return await picture(face.crop, request, state, size)


def _answer(person: Person, changes: Mapping[str, Any]) -> str | None:
    """What a change says to the alerts about somebody who was a stranger; None: nothing."""
    match person:
        case Person(kind=PersonKind.KNOWN):
            return f"is {person.name}"
        case Person(kind=PersonKind.IGNORED):
            return "is ignored"
        case _:
            return "is snoozed" if changes.get("snoozed_until") else None


def _changes(body: wire.PersonUpdate, person: Person) -> dict[str, Any]:
    given = body.model_dump(exclude_unset=True, by_alias=False)
    changes = {
        name: value for name, value in given.items() if value is not None or name in _MAY_BE_TAKEN
    }
    if body.name is not None and body.kind is None:
        changes["kind"] = PersonKind.KNOWN
    if body.kind is PersonKind.KNOWN and body.name is None and person.name is None:
        raise Conflict("somebody known has a name: give one")
    _check_validity({"valid_from": person.valid_from, "valid_until": person.valid_until, **changes})
    return {name: plain(value) for name, value in changes.items()}


def _check_validity(bounds: Mapping[str, Any]) -> None:
    since, until = bounds["valid_from"], bounds["valid_until"]
    if since is not None and until is not None and since >= until:
        raise Conflict("the validity ends before it begins: change the one or the other")


class _Portrait(NamedTuple):
    """The face that a photograph is of, its surroundings, and where it lies in these."""

    vector: Vector
    jpeg: bytes
    box: Box


async def _add(
    person_id: str, portraits: Sequence[_Portrait], state: State, *, once: Once | None = None
) -> list[Face]:
    """Enrol all of them, or none."""
    faces = [
        Face(
            id=new_id(),
            person_id=person_id,
            embedding=Embedding(state.pipeline.model_id, portrait.vector),
            crop=await asyncio.to_thread(state.crops.put, portrait.jpeg),
            box=portrait.box,
            origin="enrolment",
            created_at=milliseconds(utc_now()),
        )
        for portrait in portraits
    ]
    try:
        await state.registry.add_faces(faces, once=once)
    except (Conflict, NotFound):
        for face in faces:
            await asyncio.to_thread(state.crops.delete, face.crop)
        raise
    return faces


async def _still_there(
    person_id: str, face_ids: Sequence[str], state: State
) -> wire.Page[wire.Face]:
    """Those of the faces that nobody has removed since."""
    found = {face.id: face for face in await state.people.faces_of(person_id)}
    return wire.Page(items=[face_view(found[id_]) for id_ in face_ids if id_ in found])


def _digest(video: UploadFile) -> bytes:
    digest = hashlib.sha256()
    while chunk := video.file.read(_CHUNK_BYTES):
        digest.update(chunk)
    video.file.seek(0)
    return digest.digest()


def _portrait(data: bytes, state: State) -> _Portrait:
    photo_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=PHOTO_MAX_PIXELS)
    return _cut_out(photo_rgb, state.pipeline.portrait(photo_rgb))


def _of_frame(frame: Portrait) -> _Portrait:
    photo_rgb = decode_image(frame.jpeg, formats=PHOTO_FORMATS, max_pixels=PHOTO_MAX_PIXELS)
    return _cut_out(photo_rgb, frame.face)


def _cut_out(photo_rgb: RgbImage, described: FaceDescription) -> _Portrait:
    height, width = photo_rgb.shape[:2]
    area = described.box.expanded(_CROP_MARGIN).clipped(width, height)
    jpeg = encode_jpeg(photo_rgb[area.y1 : area.y2, area.x1 : area.x2])
    return _Portrait(described.embedding, jpeg, described.box.shifted(-area.x1, -area.y1))
