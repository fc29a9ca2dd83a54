"""Signing in and out."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.api.dependencies import OWN_SESSION, Api, Principal
from services.api.passwords import hash_password, password_fits
from services.api.state import State
from services.api.throttle import address_of, count_attempt
from services.api.views import user_view
from usher.domain.errors import Conflict, NotAuthenticated
from usher.domain.records import User
from usher.storage.access import secret_hash
from usher.storage.audit import NOBODY, UNKNOWN
from usher.wire import BROWSER_COOKIE, SESSION_COOKIE, Credentials, PasswordChange, Session, utc_now

router = APIRouter(tags=["sessions"])

_SESSION_FOR = timedelta(hours=12)
_KNOWN_FOR = timedelta(days=180)
_MAX_FAILURES = 10


@router.post("/session")
async def sign_in(
    credentials: Credentials, request: Request, response: Response, state: Api
) -> Session:
    """Sign in. Ten failures in fifteen minutes, of an account or an address, make one wait.

    Not where somebody has signed in before: ten failures there are that browser's own, so that
    nobody else keeps them out.
    """
    user = await _proven(state, credentials.username, credentials.password, request)
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    await state.users.open_session(
        token, user, csrf_token=csrf_token, expires_at=utc_now() + _SESSION_FOR
    )
    _keep(response, SESSION_COOKIE, token, _SESSION_FOR, state)
    await _know(request, response, user, state)
    await state.audit.add(user.id, "session.open", user.id, now=utc_now())
    return Session(user=user_view(user), csrf_token=csrf_token)


@router.get("/session")
async def current_session(principal: Annotated[Principal, Depends(OWN_SESSION)]) -> Session:
    """Who is signed in."""
    user, csrf_token = _of_session(principal)
    return Session(user=user_view(user), csrf_token=csrf_token)


@router.delete("/session", status_code=204)
async def sign_out(
    principal: Annotated[Principal, Depends(OWN_SESSION)],
    request: Request,
    response: Response,
    state: Api,
) -> None:
    """End the session."""
    await state.users.close_session(request.cookies.get(SESSION_COOKIE, ""))
    await state.audit.add(principal.id, "session.close", principal.id, now=utc_now())
    response.delete_cookie(SESSION_COOKIE)


@router.post("/session/password", status_code=204)
async def change_password(
    change: PasswordChange,
    principal: Annotated[Principal, Depends(OWN_SESSION)],
    request: Request,
    response: Response,
    state: Api,
) -> None:
    """Change one's own password. It ends every session, this one too."""
    user, _ = _of_session(principal)
    try:
        await _proven(state, user.username, change.current_password, request)
    except NotAuthenticated as error:
        raise NotAuthenticated("the current password is wrong") from error
    if change.new_password == change.current_password:
        raise Conflict("the new password is the one that you have")
    renewed = {"password_hash": await hash_password(change.new_password), "must_renew": False}
    await state.users.update(user.id, renewed)
    await state.audit.add(user.id, "password.change", user.id, now=utc_now())
    response.delete_cookie(SESSION_COOKIE)


async def _know(request: Request, response: Response, user: User, state: State) -> None:
    """Know this browser by the next time, with a token of its own."""
    known = request.cookies.get(BROWSER_COOKIE)
    if known and await state.browsers.is_of(known, user.id, now=utc_now()):
        return
    token = secrets.token_urlsafe(32)
    await state.browsers.add(token, user.id, expires_at=utc_now() + _KNOWN_FOR)
    _keep(response, BROWSER_COOKIE, token, _KNOWN_FOR, state)


def _keep(response: Response, name: str, value: str, lasts: timedelta, state: State) -> None:
    """Have the browser keep a cookie that no script reads and no other site sends."""
    response.set_cookie(
        name,
        value,
        max_age=int(lasts.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=state.settings.secure_cookies,
    )


async def _proven(state: State, username: str, password: str, request: Request) -> User:
    """The user of that name and password, unless too many attempts failed before."""
    user = await state.users.by_name(username)
    keys = await _counted_by(state, username, user, request)
    await count_attempt(state.sign_in_failures, [(keys, _MAX_FAILURES)])
    fits = await password_fits(password, user.password_hash if user else None)
    if user is None or user.disabled or not fits:
        whom = user.id if user else UNKNOWN
        await state.audit.add(NOBODY, "session.refuse", whom, now=utc_now())
        raise NotAuthenticated("the name or the password is wrong")
    await state.sign_in_failures.forget(keys[0])
    return user


async def _counted_by(
    state: State, username: str, user: User | None, request: Request
) -> list[str]:
    """By what failures are counted: a browser that is known, or the account and the address."""
    known = request.cookies.get(BROWSER_COOKIE)
    if user and known and await state.browsers.is_of(known, user.id, now=utc_now()):
        return [f"browser:{secret_hash(known)}"]
    return [f"account:{username}", address_of(request)]


def _of_session(principal: Principal) -> tuple[User, str]:
    if principal.user is None or principal.csrf_token is None:
        raise NotAuthenticated("this is for people who signed in")
    return principal.user, principal.csrf_token
