"""The people who sign in: who they are, what they may, and of which cameras."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from services.api.dependencies import KEY_KEEPERS, Api, Principal
from services.api.passwords import hash_password, new_password
from services.api.views import user_view
from usher import wire
from usher.domain.alerting import qualified
from usher.domain.errors import InvalidInput
from usher.domain.identifiers import new_id
from usher.domain.records import Role, User
from usher.wire import utc_now

router = APIRouter(prefix="/users", tags=["users"])

Keeper = Annotated[Principal, Depends(KEY_KEEPERS)]


@router.get("", dependencies=[Depends(KEY_KEEPERS)])
async def users(state: Api) -> wire.Page[wire.User]:
    """Everybody who may sign in, by name."""
    return wire.Page(items=[user_view(user) for user in await state.users.all()])


@router.post("", status_code=201)
async def create(body: wire.UserCreate, principal: Keeper, state: Api) -> wire.UserCreated:
    """Add somebody. Their first password is shown in this answer and never again."""
    password = new_password()
    user = User(
        id=new_id(),
        username=body.username,
        role=body.role,
        password_hash=await hash_password(password),
        cameras=_scope(body.cameras, body.role),
        must_renew=True,
    )
    await state.users.insert(user)
    await state.audit.add(principal.id, f"user.create:{body.role}", user.id, now=utc_now())
    return wire.UserCreated(**user_view(user).model_dump(), password=password)


@router.patch("/{user_id}")
async def update(user_id: str, body: wire.UserUpdate, principal: Keeper, state: Api) -> wire.User:
    """Change a name, role, scope, or whether they may sign in. The last admin stays one."""
    user = await state.users.get(user_id)
    changes = _changes(body, user)
    if changes:
        user = await state.users.update(user_id, changes)
        action = f"user.update:{','.join(sorted(changes))}"
        await state.audit.add(principal.id, action, user_id, now=utc_now())
    return user_view(user)


@router.post("/{user_id}/password")
async def reset_password(user_id: str, principal: Keeper, state: Api) -> wire.UserCreated:
    """Give somebody a new password, shown in this answer and never again. It ends their sessions.

    They have to change it when they sign in.
    """
    await state.users.get(user_id)
    password = new_password()
    given = {"password_hash": await hash_password(password), "must_renew": True}
    user = await state.users.update(user_id, given)
    await state.audit.add(principal.id, "user.password", user_id, now=utc_now())
    return wire.UserCreated(**user_view(user).model_dump(), password=password)


@router.delete("/{user_id}", status_code=204)
async def delete(user_id: str, principal: Keeper, state: Api) -> None:
    """Remove somebody with their sessions and tokens. The last admin stays."""
    await state.users.delete(user_id)
    await state.audit.add(principal.id, "user.delete", user_id, now=utc_now())


def _changes(body: wire.UserUpdate, user: User) -> dict[str, Any]:
    """What differs from what is there."""
    given = body.model_dump(exclude_none=True)
    role = body.role or user.role
    if body.cameras is not None:
        given["cameras"] = _scope(body.cameras, role)
    elif role is Role.ADMIN:
        given["cameras"] = ()
    if body.accounts is not None:
        given["accounts"] = tuple(sorted({qualified(account) for account in body.accounts}))
    changed = {name: value for name, value in given.items() if getattr(user, name) != value}
    return {
        name: list(value) if name in ("cameras", "accounts") else value
        for name, value in changed.items()
    }


def _scope(cameras: list[str], role: Role) -> tuple[str, ...]:
    if cameras and role is Role.ADMIN:
        raise InvalidInput("an admin sees every camera: leave `cameras` empty")
    return tuple(sorted(set(cameras)))
