"""All that is known of a person, in one file that they can be given: nothing of anybody else."""

from __future__ import annotations

import asyncio
import json
import tempfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import IO, Any, TypeAlias, TypeVar

from pydantic import BaseModel

from services.api.state import State
from services.api.views import (
    alert_views,
    change_views,
    detection_views,
    face_view,
    one_person_view,
    visit_views,
)
from usher import wire
from usher.domain.errors import NotFound
from usher.domain.records import Detection
from usher.domain.scope import EVERYTHING
from usher.storage.detections import DetectionFilter
from usher.storage.stays import StayFilter

_PAGE = 200
_IN_MEMORY_BYTES = 8 * 1024 * 1024
"""A larger file is kept on disk while it is made and sent, without a name."""
_CHUNK_BYTES = 256 * 1024
_README = """What Usher keeps of one person, as of {at}.

person.json          the name, the class, the validity and the notes
photographs.json     the photographs that new faces are compared with, in photographs/
detections.json      each time that a camera saw the face, with pictures in detections/
visits.json          from when to when the person was at which camera
alerts.json          what managers were told
changes.json         what was changed of who the person is

Other people are left out, also those who work with Usher. So are the numbers that describe a face
to the computer: a face could be made of them.
"""
_OTHERS_IN_ALERTS: dict[str, Any] = {
    "candidate": True,
    "camera": {"managers"},
    "deliveries": True,
    "answered_by": True,
    "reason": True,
}
"""What an alert says of others: whom it could show, and who was told, in vain perhaps."""
Item = TypeVar("Item")
FetchPage: TypeAlias = Callable[[str | None], Awaitable[tuple[list[Item], str | None]]]


async def export_person(state: State, person_id: str) -> IO[bytes]:
    """A zip archive, from its beginning: of records as JSON, and of pictures; close it.

    Raises
    ------
    NotFound
        If there is no such person.
    """
    person = await state.people.get(person_id)
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 - the caller's to close
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            about = await one_person_view(state, person, EVERYTHING)
            readme = _README.format(at=wire.utc_now().isoformat(timespec="seconds"))
            archive.writestr("README.txt", readme)
            _write_json(archive, "person.json", about.model_dump(mode="json", exclude={"managers"}))
            await _write_faces(state, person_id, archive)
            await _write_detections(state, person_id, archive)
            await _write_rest(state, person_id, archive)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


async def chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    """What an open file holds, piece by piece; then it is closed."""
    with file:
        while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            yield piece


async def _write_faces(state: State, person_id: str, archive: zipfile.ZipFile) -> None:
    faces = await state.people.faces_of(person_id)
    crops = {f"photographs/{face.id}.jpg": face.crop for face in faces}
    await asyncio.to_thread(_write_pictures, state, crops, archive)
    _write_list(archive, "photographs.json", [face_view(face) for face in faces])


async def _write_detections(state: State, person_id: str, archive: zipfile.ZipFile) -> None:
    selection = DetectionFilter(person_id=person_id)
    views: list[wire.Detection] = []

    async def fetch(cursor: str | None) -> tuple[list[Detection], str | None]:
        return await state.detections.page(selection, cursor=cursor, limit=_PAGE)

    async for page in _pages(fetch):
        crops = {f"detections/{detection.id}.jpg": detection.crop for detection in page}
        await asyncio.to_thread(_write_pictures, state, crops, archive)
        views += await detection_views(state, page)
    _write_list(archive, "detections.json", views, without={"candidate": True})


async def _write_rest(state: State, person_id: str, archive: zipfile.ZipFile) -> None:
    stays = StayFilter(person_id=person_id)
    visits = [
        view
        async for page in _pages(lambda cursor: state.stays.page(stays, cursor=cursor, limit=_PAGE))
        for view in await visit_views(state, page)
    ]
    changes = [
        view
        async for page in _pages(
            lambda cursor: state.history.page(person_id=person_id, cursor=cursor, limit=_PAGE)
        )
        for view in await change_views(state, page)
    ]
    alerts = await alert_views(state, await state.alerts.of_person(person_id))
    _write_list(archive, "visits.json", visits)
    for change in changes:
        change.persons = [one for one in change.persons if one.id == person_id]
    _write_list(archive, "changes.json", changes, without={"actor": True, "undone_by": True})
    _write_list(archive, "alerts.json", alerts, without=_OTHERS_IN_ALERTS)


async def _pages(fetch: FetchPage[Item]) -> AsyncIterator[list[Item]]:
    cursor: str | None = None
    while True:
        page, cursor = await fetch(cursor)
        yield page
        if cursor is None:
            return


def _write_pictures(state: State, crops: Mapping[str, str], archive: zipfile.ZipFile) -> None:
    for name, crop in crops.items():
        try:
            archive.writestr(name, state.crops.get(crop))
        except NotFound:  # deleted since the records were read
            continue


def _write_list(
    archive: zipfile.ZipFile,
    name: str,
    items: Sequence[BaseModel],
    *,
    without: dict[str, Any] | None = None,
) -> None:
    rows = [item.model_dump(mode="json", exclude=without) for item in items]
    _write_json(archive, name, rows)


def _write_json(archive: zipfile.ZipFile, name: str, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1)
    archive.writestr(name, text, compress_type=zipfile.ZIP_DEFLATED)
