"""API tokens: keys that people make for their programs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from services.api.dependencies import OWN_TOKENS, TOKEN_PREFIX, Api, Principal
from services.api.views import token_views
from usher import wire
from usher.domain.errors import InvalidInput, PermissionDenied
from usher.domain.identifiers import new_id, new_key
from usher.domain.records import Role, Token, lower_role
from usher.storage.documents import milliseconds
from usher.wire import utc_now

router = APIRouter(prefix="/tokens", tags=["tokens"])

Owner = Annotated[Principal, Depends(OWN_TOKENS)]


@router.get("")
async def tokens(principal: Owner, state: Api) -> wire.Page[wire.Token]:
    """One's own tokens; for an admin everybody's."""
    found = await state.tokens.all(of_user=_whose(principal))
    return wire.Page(items=await token_views(state, found))


@router.post("", status_code=201)
async def create(body: wire.TokenCreate, principal: Owner, state: Api) -> wire.TokenCreated:
    """Make a token. It is shown in this answer and never again."""
    _check(body, principal)
    token = Token(
        id=new_id(),
        name=body.name,
        user_id=principal.id,
        role=body.role,
        created_at=milliseconds(utc_now()),
        cameras=tuple(sorted(set(body.cameras))),
        expires_at=milliseconds(body.expires_at) if body.expires_at else None,
    )
    key = new_key(TOKEN_PREFIX.rstrip("_"))
    await state.tokens.insert(token, key)
    await state.audit.add(principal.id, f"token.create:{token.role}", token.id, now=utc_now())
    (view,) = await token_views(state, [token])
    return wire.TokenCreated(**view.model_dump(), key=key)


@router.delete("/{token_id}", status_code=204)
async def delete(token_id: str, principal: Owner, state: Api) -> None:
    """Revoke a token, at once: one's own; an admin may revoke anybody's."""
    await state.tokens.delete(token_id, of_user=_whose(principal))
    await state.audit.add(principal.id, "token.delete", token_id, now=utc_now())


def _whose(principal: Principal) -> str | None:
    """Whose tokens somebody may see and revoke; None for everybody's."""
    return None if principal.role is Role.ADMIN else principal.id


def _check(body: wire.TokenCreate, principal: Principal) -> None:
    if lower_role(body.role, principal.role) is not body.role:
        raise PermissionDenied(f"a {principal.role.value} cannot make a token of an {body.role}")
    if body.role is Role.ADMIN and body.cameras:
        raise InvalidInput("an admin sees every camera: leave `cameras` out, or take another role")
    beyond = [camera for camera in body.cameras if not principal.scope.admits(camera)]
    if beyond:
        raise PermissionDenied(f"{beyond[0]} is not among your cameras")
    if body.expires_at is not None and body.expires_at <= utc_now():
        raise InvalidInput("expires_at has passed already")
