"""What those who have some of the cameras may do, and change of what others share with them."""

from __future__ import annotations

from collections.abc import Collection

from services.api.dependencies import Principal
from services.api.state import State
from usher.domain.errors import CameraDenied, NotFound, PermissionDenied
from usher.domain.records import Role
from usher.domain.scope import Scope

_ELSEWHERE = "other cameras than yours saw them too: somebody who has those has to do it"


def check_camera(camera_id: str, principal: Principal) -> None:
    """Hold a camera to be of the principal's.

    Raises
    ------
    CameraDenied
        If it is none of a detector's key.
    NotFound
        If it is none of a person's: they do not hear whether there is such a camera.
    """
    if principal.scope.admits(camera_id):
        return
    if principal.role is Role.DEVICE:
        raise CameraDenied(_other_cameras(camera_id, principal.scope))
    raise NotFound(f"there is no camera {camera_id}")


def check_everything(principal: Principal) -> None:
    """Raises PermissionDenied where the principal does not have all cameras."""
    if principal.scope.cameras is not None:
        raise PermissionDenied("this is of all cameras: somebody who has all of them has to do it")


async def check_seen(state: State, person_ids: Collection[str], principal: Principal) -> None:
    """Hold persons to be those whom the principal's cameras see: what they are called may change.

    Raises
    ------
    PermissionDenied
        If one was seen by other cameras alone. Somebody whom none has seen is everybody's.
    """
    if principal.scope.cameras is None:
        return
    for person_id in person_ids:
        here, elsewhere = await state.people.seen([person_id], principal.scope)
        if elsewhere and not here:
            raise PermissionDenied("your cameras never saw them: somebody whose did has to do it")


async def check_own(state: State, person_ids: Collection[str], principal: Principal) -> None:
    """Hold persons to be those whom no other camera saw: their detections may go or move.

    Raises
    ------
    PermissionDenied
        If one was seen by another camera.
    """
    if principal.scope.cameras is None:
        return
    _, elsewhere = await state.people.seen(person_ids, principal.scope)
    if elsewhere:
        raise PermissionDenied(_ELSEWHERE)


def _other_cameras(camera_id: str, key: Scope) -> str:
    named = sorted(key.cameras or ())
    cameras, these = ("camera", "this one") if len(named) == 1 else ("cameras", "one of these")
    return (
        f"this key is for the {cameras} {', '.join(named)}, not for {camera_id}: "
        f"name the camera as {these}, or make another key"
    )
