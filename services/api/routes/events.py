"""What happens, as it happens."""

from __future__ import annotations

from collections.abc import AsyncIterable

from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.api.dependencies import SIGNED_IN, Api, Principal, authenticate
from services.api.state import State
from services.api.views import alert_views, camera_view, one_detection_view, one_person_view
from usher import wire
from usher.domain.errors import NotAuthenticated, PermissionDenied
from usher.domain.records import DetectionStatus
from usher.domain.scope import Scope
from usher.storage.changes import Change
from usher.storage.documents import (
    alert_from_document,
    camera_from_document,
    detection_from_document,
    person_from_document,
)

router = APIRouter(tags=["events"])


@router.get("/events", dependencies=[Depends(SIGNED_IN)], response_class=EventSourceResponse)
async def events(request: Request, state: Api) -> AsyncIterable[ServerSentEvent]:
    """Server-sent events: `detection`, `person`, `person_removed`, `alert`, `camera` when its state
    or name changes, `camera_removed`. That a camera goes offline is no event: nothing happens then.

    After a break, read the lists again: events are not kept for those who were away. The stream
    ends with the session. It tells of the cameras that one may see.
    """
    async for change in state.hub.listen():
        principal = await _still_signed_in(request, state)
        if principal is None:
            return
        if not _is_within(change, principal.scope):
            continue
        event = await _event(change, state, principal.scope)
        if event is not None:
            yield event


async def _still_signed_in(request: Request, state: State) -> Principal | None:
    try:
        # Without counting it: what happens is no request of whoever is told of it.
        return SIGNED_IN.admit(await authenticate(request, state))
    except (NotAuthenticated, PermissionDenied):
        return None


async def _event(change: Change, state: State, scope: Scope) -> ServerSentEvent | None:
    if change.document is None:
        return _removal(change)
    match change.collection:
        case "persons":
            person = person_from_document(change.document)
            return _sent("person", await one_person_view(state, person, scope))
        case "alerts":
            (alert,) = await alert_views(state, [alert_from_document(change.document)])
            return _sent("alert", alert)
        case "cameras":
            camera = camera_from_document(change.document)
            return _sent("camera", camera_view(camera, wire.utc_now()))
        case "detections" if change.document["status"] != DetectionStatus.EMBEDDED:
            detection = detection_from_document(change.document)
            return _sent("detection", await one_detection_view(state, detection))
    return None


def _is_within(change: Change, scope: Scope) -> bool:
    """Whether a change is of a camera of the scope, or of nobody's in particular."""
    if change.collection == "cameras":
        return scope.admits(change.document_id)
    if change.collection == "persons" or change.document is None:
        return True
    return scope.admits(change.document.get("camera_id", ""))


def _removal(change: Change) -> ServerSentEvent | None:
    match change.collection, change.operation:
        case "persons", "delete":
            return _sent("person_removed", wire.PersonRemoved(id=change.document_id))
        case "cameras", "delete":
            return _sent("camera_removed", wire.CameraRemoved(id=change.document_id))
    return None


def _sent(kind: wire.EventKind, body: wire.Resource) -> ServerSentEvent:
    return ServerSentEvent(event=kind, raw_data=body.model_dump_json())
