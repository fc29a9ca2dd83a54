"""What routes ask for: the API's state, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from secrets import compare_digest
from typing import Annotated

from fastapi import Depends, Header, Query, Request

from services.api.state import State
from usher.domain.errors import NotAuthenticated, PermissionDenied
from usher.domain.records import Role, User
from usher.wire import CSRF_HEADER, IDEMPOTENCY_HEADER, SESSION_COOKIE, utc_now

_SEEN_EVERY = timedelta(minutes=1)
"""How exact the time is at which a device was last seen: not every request is worth a write."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a user with a session, or a device with a key."""

    id: str
    role: Role
    user: User | None = None
    csrf_token: str | None = None


def get_state(request: Request) -> State:
    state: State = request.app.state.usher
    return state


async def authenticate(request: Request, state: State) -> Principal:
    """Who is asking.

    Raises
    ------
    NotAuthenticated
        If there is neither a valid key nor a session that has not expired.
    PermissionDenied
        If a session's request changes something without its CSRF token.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await _by_key(state, key)
    token = request.cookies.get(SESSION_COOKIE)
    if token is None:
        raise NotAuthenticated("sign in, or send a key as `Authorization: Bearer …`")
    return await _by_session(request, state, token)


async def _by_key(state: State, key: str) -> Principal:
    device = await state.devices.by_key(key)
    if device is None:
        raise NotAuthenticated("this key is not known: it was revoked, or mistyped")
    now = utc_now()
    if device.last_seen_at is None or now - device.last_seen_at > _SEEN_EVERY:
        await state.devices.saw(device.id, now)
    return Principal(device.id, device.role)


async def _by_session(request: Request, state: State, token: str) -> Principal:
    found = await state.users.of_session(token, now=utc_now())
    if found is None:
        raise NotAuthenticated("the session has ended: sign in again")
    user, csrf_token = found
    sent = request.headers.get(CSRF_HEADER, "").encode()
    if request.method not in _SAFE_METHODS and not compare_digest(sent, csrf_token.encode()):
        raise PermissionDenied(f"send the session's csrf_token as {CSRF_HEADER}")
    return Principal(user.id, user.role, user, csrf_token)


class Policy:
    """Lets some roles in. Every route below the API's prefix has one, and a test says so."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    async def __call__(
        self, request: Request, state: Annotated[State, Depends(get_state)]
    ) -> Principal:
        principal = await authenticate(request, state)
        state.rates.take(principal.id)
        if principal.role not in self.roles:
            raise PermissionDenied(f"a {principal.role.value} may not do that")
        return principal


SIGNED_IN = Policy(Role.ADMIN, Role.MANAGER, Role.VIEWER)
READERS = Policy(Role.ADMIN, Role.MANAGER, Role.VIEWER, Role.NOTIFIER)
MANAGERS = Policy(Role.ADMIN, Role.MANAGER)
ANSWERERS = Policy(Role.ADMIN, Role.MANAGER, Role.NOTIFIER)
ADMINS = Policy(Role.ADMIN)
UPLOADERS = Policy(Role.ADMIN, Role.MANAGER, Role.DEVICE)
REPORTERS = Policy(Role.DEVICE)
SENDERS = Policy(Role.NOTIFIER)

Api = Annotated[State, Depends(get_state)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=200)]

OptionalKey = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_HEADER,
        min_length=8,
        max_length=128,
        pattern=r"^[\x21-\x7e]+$",
        description="Made once for a request; a repeat with it within a day makes nothing twice.",
    ),
]
