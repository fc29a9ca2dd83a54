"""What routes ask for: the API's state, and who is asking."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from secrets import compare_digest
from typing import Annotated
from urllib.parse import unquote

from fastapi import Depends, Header, Query, Request
from fastapi.dependencies.models import Dependant

from services.api.state import State
from usher.domain.errors import InvalidInput, NotAuthenticated, PermissionDenied
from usher.domain.records import Role, User, lower_role
from usher.domain.scope import Scope
from usher.wire import ACCOUNT_HEADER, CSRF_HEADER, IDEMPOTENCY_HEADER, SESSION_COOKIE, utc_now

_SEEN_EVERY = timedelta(minutes=1)
"""How exact the time is at which a device was last seen: not every request is worth a write."""

TOKEN_PREFIX = "usher_token_"  # noqa: S105 - what tokens begin with, not one of them

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a user with a session, a user's program with a token, a device with a key.

    `scope` is of which cameras they may see or change something: every query for records of
    cameras is given it.
    """

    id: str
    role: Role
    scope: Scope
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
        return await _by_key(state, key, request.headers.get(ACCOUNT_HEADER))
    token = request.cookies.get(SESSION_COOKIE)
    if token is None:
        raise NotAuthenticated("sign in, or send a key as `Authorization: Bearer …`")
    return await _by_session(request, state, token)


async def _by_key(state: State, key: str, account: str | None) -> Principal:
    if key.startswith(TOKEN_PREFIX):
        return await _by_token(state, key)
    principal = await _by_device_key(state, key)
    if account and principal.role is Role.NOTIFIER:
        return await _for_account(state, account)
    return principal


async def _for_account(state: State, account: str) -> Principal:
    """Whoever has that account in the chat, an admin as a manager: what a bot says that somebody
    said shall not change settings or make keys."""
    user = await state.users.by_account(unquote(account))
    if user is None:
        raise PermissionDenied("this account is linked to no user: an admin does that under Users")
    return Principal(user.id, lower_role(user.role, Role.MANAGER), user.scope)


async def _by_token(state: State, key: str) -> Principal:
    now = utc_now()
    found = await state.tokens.by_key(key, now=now)
    if found is None:
        raise NotAuthenticated("this token is not known: it was revoked, has expired, or mistyped")
    token, maker = found
    if token.last_used_at is None or now - token.last_used_at > _SEEN_EVERY:
        await state.tokens.used(token.id, now)
    role = lower_role(token.role, maker.role)
    return Principal(token.id, role, maker.scope & Scope.of(token.cameras))


async def _by_device_key(state: State, key: str) -> Principal:
    device = await state.devices.by_key(key)
    if device is None:
        raise NotAuthenticated("this key is not known: it was revoked, or mistyped")
    now = utc_now()
    if device.last_seen_at is None or now - device.last_seen_at > _SEEN_EVERY:
        await state.devices.saw(device.id, now)
    return Principal(device.id, device.role, device.scope)


async def _by_session(request: Request, state: State, token: str) -> Principal:
    found = await state.users.of_session(token, now=utc_now())
    if found is None:
        raise NotAuthenticated("the session has ended: sign in again")
    user, csrf_token = found
    sent = request.headers.get(CSRF_HEADER, "").encode()
    if request.method not in _SAFE_METHODS and not compare_digest(sent, csrf_token.encode()):
        raise PermissionDenied(f"send the session's csrf_token as {CSRF_HEADER}")
    return Principal(user.id, user.role, user.scope, user, csrf_token)


def _check_parameters(request: Request) -> None:
    """Raises InvalidInput for a query parameter that the route does not take: a filter with a
    typing error would otherwise find everything."""
    if not request.query_params:
        return
    taken = sorted(set(_parameters(request.scope["route"].dependant)))
    for name in request.query_params:
        if name not in taken:
            takes = f"there are {', '.join(taken)}" if taken else "none is taken here"
            raise InvalidInput(f"there is no query parameter `{name[:40]}`: {takes}")


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _parameters(inner)


class Policy:
    """Lets some roles in. Every route below the API's prefix has one, and a test says so.

    Parameters
    ----------
    in_person
        Whether it takes a session: a token shall not make other tokens, keys or accounts.
    renewing
        Whether it is for those, too, who have to change their password first.
    """

    def __init__(self, *roles: Role, in_person: bool = False, renewing: bool = False) -> None:
        self.roles = frozenset(roles)
        self.in_person = in_person
        self.renewing = renewing

    async def __call__(
        self, request: Request, state: Annotated[State, Depends(get_state)]
    ) -> Principal:
        principal = await authenticate(request, state)
        state.rates.take(principal.id)
        self.admit(principal)
        _check_parameters(request)
        return principal

    def admit(self, principal: Principal) -> Principal:
        """Whoever it lets in. Raises PermissionDenied for others."""
        if principal.role not in self.roles:
            raise PermissionDenied(f"a {principal.role.value} may not do that")
        if self.in_person and principal.user is None:
            raise PermissionDenied("a token may not do that: sign in")
        if principal.user and principal.user.must_renew and not self.renewing:
            raise PermissionDenied("change the password that you were given first")
        return principal


OWN_SESSION = Policy(Role.ADMIN, Role.MANAGER, Role.VIEWER, in_person=True, renewing=True)
OWN_TOKENS = Policy(Role.ADMIN, Role.MANAGER, Role.VIEWER, in_person=True)
SIGNED_IN = Policy(Role.ADMIN, Role.MANAGER, Role.VIEWER)
READERS = Policy(Role.ADMIN, Role.MANAGER, Role.VIEWER, Role.NOTIFIER)
MANAGERS = Policy(Role.ADMIN, Role.MANAGER)
ADMINS = Policy(Role.ADMIN)
KEY_KEEPERS = Policy(Role.ADMIN, in_person=True)
UPLOADERS = Policy(Role.ADMIN, Role.MANAGER, Role.DEVICE)
REPORTERS = Policy(Role.DEVICE)
SENDERS = Policy(Role.NOTIFIER)

Api = Annotated[State, Depends(get_state)]


async def _through_uploads(state: Api) -> AsyncIterator[None]:
    async with state.gates.uploads.entered():
        yield


async def _through_photographs(state: Api) -> AsyncIterator[None]:
    async with state.gates.photographs.entered():
        yield


async def _through_films(state: Api) -> AsyncIterator[None]:
    async with state.gates.films.entered():
        yield


# For a route's `dependencies`, after its policy: whoever may not come in waits for nobody.
UPLOAD = (Depends(UPLOADERS), Depends(_through_uploads))
REPORT = (Depends(REPORTERS), Depends(_through_uploads))
PHOTOGRAPH = (Depends(MANAGERS), Depends(_through_photographs))
FILM = (Depends(MANAGERS), Depends(_through_films))

Reader = Annotated[Principal, Depends(READERS)]
Manager = Annotated[Principal, Depends(MANAGERS)]
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
