"""Signing in and out."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from services.api.dependencies import SIGNED_IN, Api, Principal
from services.api.passwords import hash_password, password_fits
from services.api.state import State
from services.api.views import user_view
from usher.domain.errors import NotAuthenticated, TooManyRequests
from usher.domain.identifiers import new_id
from usher.domain.records import User
from usher.wire import SESSION_COOKIE, Credentials, PasswordChange, Session, utc_now

router = APIRouter(tags=["sessions"])

_SESSION_FOR = timedelta(hours=12)
_FAILURE_WINDOW = timedelta(minutes=15)
_MAX_FAILURES = 10


@router.post("/session")
async def sign_in(
    credentials: Credentials, request: Request, response: Response, state: Api
) -> Session:
    """Sign in. Ten failures in fifteen minutes, of an account or an address, make one wait."""
    user = await _proven(state, credentials.username, credentials.password, request)
    token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    await state.users.open_session(
        token, user, csrf_token=csrf_token, expires_at=utc_now() + _SESSION_FOR
    )
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(_SESSION_FOR.total_seconds()),
        httponly=True,
        samesite="strict",
        secure=state.settings.secure_cookies,
    )
    await state.audit.add(user.id, "session.open", user.id, now=utc_now())
    return Session(user=user_view(user), csrf_token=csrf_token)


@router.get("/session")
async def current_session(principal: Annotated[Principal, Depends(SIGNED_IN)]) -> Session:
    """Who is signed in."""
    user, csrf_token = _of_session(principal)
    return Session(user=user_view(user), csrf_token=csrf_token)


@router.delete("/session", status_code=204, dependencies=[Depends(SIGNED_IN)])
async def sign_out(request: Request, response: Response, state: Api) -> None:
    """End the session."""
    await state.users.close_session(request.cookies.get(SESSION_COOKIE, ""))
    response.delete_cookie(SESSION_COOKIE)


@router.post("/session/password", status_code=204)
async def change_password(
    change: PasswordChange,
    principal: Annotated[Principal, Depends(SIGNED_IN)],
    request: Request,
    response: Response,
    state: Api,
) -> None:
    """Change one's own password. It ends every session, this one too."""
    user, _ = _of_session(principal)
    await _proven(state, user.username, change.current_password, request)
    await state.users.change_password(user, await hash_password(change.new_password))
    await state.audit.add(user.id, "password.change", user.id, now=utc_now())
    response.delete_cookie(SESSION_COOKIE)


async def _proven(state: State, username: str, password: str, request: Request) -> User:
    """The user of that name and password, unless too many attempts failed before."""
    account = f"account:{username}"
    await _count_attempt(state, account, request)
    user = await state.users.by_name(username)
    fits = await password_fits(password, user.password_hash if user else None)
    if user is None or not fits:
        raise NotAuthenticated("the name or the password is wrong")
    await state.sign_in_failures.forget(account)
    return user


async def _count_attempt(state: State, account: str, request: Request) -> None:
    """Take an attempt for a failure until it succeeds: those side by side count each other."""
    address = f"address:{request.client.host if request.client else 'unknown'}"
    attempt = f"attempt:{new_id()}"
    now = utc_now()
    await state.sign_in_failures.add([account, address, attempt], now=now)
    failures = await state.sign_in_failures.count(
        [account, address], now=now, window=_FAILURE_WINDOW
    )
    if failures > _MAX_FAILURES:
        await state.sign_in_failures.forget(attempt)
        wait_s = int(_FAILURE_WINDOW.total_seconds())
        raise TooManyRequests("too many failed attempts: wait a while", retry_after_s=wait_s)


def _of_session(principal: Principal) -> tuple[User, str]:
    if principal.user is None or principal.csrf_token is None:
        raise NotAuthenticated("this is for people who signed in")
    return principal.user, principal.csrf_token
