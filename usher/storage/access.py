"""Who may come in: users, their sessions, devices with keys, and failed attempts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from usher.domain.errors import Conflict, NotFound
from usher.domain.records import Device, Role, User
from usher.storage.database import Database, Session, in_transaction
from usher.storage.documents import (
    Document,
    device_from_document,
    to_document,
    user_from_document,
)

ACCOUNTS = "accounts"
"""The id of what every change of an account writes to, so that they come one after the other."""
_ENDS_SESSIONS = frozenset({"role", "cameras", "disabled", "password_hash"})


def secret_hash(secret: str) -> str:
    """SHA-256 of a key or session token. They are random, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Users:
    """Accounts and their sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._users = database["users"]
        self._sessions = database["sessions"]

    async def is_empty(self) -> bool:
        return await self._users.find_one({}, {"_id": 1}) is None

    async def insert(self, user: User) -> None:
        """Raises Conflict where the name is taken."""
        try:
            await self._users.insert_one(to_document(user))
        except DuplicateKeyError as error:
            raise Conflict(f"there is a user {user.username!r} already") from error

    async def all(self) -> list[User]:
        documents = await self._users.find().sort("username", 1).to_list()
        return [user_from_document(document) for document in documents]

    async def get(self, user_id: str) -> User:
        """Raises NotFound where there is none."""
        document = await self._users.find_one({"_id": user_id})
        if document is None:
            raise NotFound(f"there is no user {user_id}")
        return user_from_document(document)

    async def by_account(self, account: str) -> User | None:
        """Whose account that is; nobody's where they may not sign in."""
        document = await self._users.find_one({"accounts": account, "disabled": False})
        return user_from_document(document) if document else None

    async def accounts(self, user_id: str) -> tuple[str, ...]:
        """A user's accounts in the chat; none where there is no such user."""
        document = await self._users.find_one({"_id": user_id})
        return user_from_document(document).accounts if document else ()

    async def by_name(self, username: str) -> User | None:
        document = await self._users.find_one({"username": username})
        return user_from_document(document) if document else None

    async def names(self, user_ids: Sequence[str]) -> dict[str, str]:
        """The names of those users that exist, by id."""
        found = self._users.find({"_id": {"$in": list(user_ids)}}, {"username": 1})
        return {row["_id"]: row["username"] for row in await found.to_list()}

    async def open_session(
        self, token: str, user: User, *, csrf_token: str, expires_at: datetime
    ) -> None:
        """Keep a session; of its token only the hash."""
        await self._sessions.insert_one(
            {
                "_id": secret_hash(token),
                "user_id": user.id,
                "csrf_token": csrf_token,
                "expires_at": expires_at,
            }
        )

    async def of_session(self, token: str, *, now: datetime) -> tuple[User, str] | None:
        """The user of a session that has not expired, and its CSRF token; none where disabled."""
        session = await self._sessions.find_one(
            {"_id": secret_hash(token), "expires_at": {"$gt": now}}
        )
        if session is None:
            return None
        document = await self._users.find_one({"_id": session["user_id"]})
        if document is None or document.get("disabled"):
            return None
        return user_from_document(document), session["csrf_token"]

    async def close_session(self, token: str) -> None:
        await self._sessions.delete_one({"_id": secret_hash(token)})

    async def update(self, user_id: str, changes: Document) -> User:
        """Change an account; another role, scope or password ends its sessions at once.

        Raises
        ------
        NotFound
            If there is no such user.
        Conflict
            If nobody would be left who is an admin, or the name is taken.
        """

        async def work(session: Session) -> User:
            await self._one_after_the_other(session)
            before = await self._users.find_one_and_update(
                {"_id": user_id}, {"$set": changes}, session=session
            )
            if before is None:
                raise NotFound(f"there is no user {user_id}")
            await self._check_admins(session)
            after = {**before, **changes}
            if any(before.get(name) != after[name] for name in _ENDS_SESSIONS & changes.keys()):
                await self._sessions.delete_many({"user_id": user_id}, session=session)
            if "password_hash" in changes:
                await self._database["browsers"].delete_many({"user_id": user_id}, session=session)
            return user_from_document(after)

        try:
            return await in_transaction(self._database, work)
        except DuplicateKeyError as error:
            taken = "there is a user of that name already"
            if "accounts" in str(error.details):
                taken = "one of these accounts is another user's"
            raise Conflict(taken) from error

    async def delete(self, user_id: str) -> None:
        """Remove an account with its sessions, tokens and browsers.

        Raises
        ------
        NotFound
            If there is no such user.
        Conflict
            If nobody would be left who is an admin.
        """

        async def work(session: Session) -> None:
            await self._one_after_the_other(session)
            result = await self._users.delete_one({"_id": user_id}, session=session)
            if not result.deleted_count:
                raise NotFound(f"there is no user {user_id}")
            await self._check_admins(session)
            for name in ("sessions", "tokens", "browsers"):
                await self._database[name].delete_many({"user_id": user_id}, session=session)

        await in_transaction(self._database, work)

    async def _one_after_the_other(self, session: Session) -> None:
        """Two admins who take each other's role away would both succeed otherwise."""
        await self._database["settings"].update_one(
            {"_id": ACCOUNTS}, {"$inc": {"version": 1}}, session=session
        )

    async def _check_admins(self, session: Session) -> None:
        able = {"role": Role.ADMIN.value, "disabled": {"$ne": True}}
        if await self._users.find_one(able, {"_id": 1}, session=session) is None:
            raise Conflict("this is the last admin: make somebody else one first")


class SignInFailures:
    """Failed sign-ins, pairings and links, kept for 15 minutes by an index, across restarts too."""

    def __init__(self, database: Database) -> None:
        self._failures = database["sign_in_failures"]

    async def count(self, keys: Sequence[str], *, now: datetime, window: timedelta) -> int:
        """How many there were lately under any of those keys."""
        return await self._failures.count_documents(
            {"keys": {"$in": list(keys)}, "at": {"$gt": now - window}}
        )

    async def add(self, keys: Sequence[str], *, now: datetime) -> None:
        await self._failures.insert_one({"keys": list(keys), "at": now})

    async def forget(self, key: str) -> None:
        await self._failures.delete_many({"keys": key})


class Browsers:
    """Browsers in which somebody has signed in before. Of their tokens only the hash is kept."""

    def __init__(self, database: Database) -> None:
        self._browsers = database["browsers"]

    async def add(self, token: str, user_id: str, *, expires_at: datetime) -> None:
        """Keep that the user has signed in there; a token is of one user."""
        await self._browsers.insert_one(
            {"_id": secret_hash(token), "user_id": user_id, "expires_at": expires_at}
        )

    async def is_of(self, token: str, user_id: str, *, now: datetime) -> bool:
        query = {"_id": secret_hash(token), "user_id": user_id, "expires_at": {"$gt": now}}
        return await self._browsers.find_one(query, {"_id": 1}) is not None


class Devices:
    """Things that hold a key. Of a key only the hash is kept."""

    def __init__(self, database: Database) -> None:
        self._devices = database["devices"]
        self._settings = database["settings"]

    async def insert_given(self, device: Device, key: str) -> None:
        """Add a device whose key was made elsewhere, the first time: a revoked one stays away."""
        mark = {"_id": f"given-key:{secret_hash(key)}"}
        if await self._settings.find_one(mark) is not None:
            return
        with suppress(Conflict):
            await self.insert(device, key)
        with suppress(DuplicateKeyError):
            await self._settings.insert_one(mark)

    async def insert(self, device: Device, key: str) -> None:
        """Raises Conflict where the key is another device's."""
        try:
            await self._devices.insert_one({**to_document(device), "key_hash": secret_hash(key)})
        except DuplicateKeyError as error:
            raise Conflict("that key belongs to a device already") from error

    async def by_key(self, key: str) -> Device | None:
        document = await self._devices.find_one({"key_hash": secret_hash(key)})
        return device_from_document(document) if document else None

    async def names(self, device_ids: Sequence[str]) -> dict[str, str]:
        """The names of those devices that exist, by id."""
        found = self._devices.find({"_id": {"$in": list(device_ids)}}, {"name": 1})
        return {row["_id"]: row["name"] for row in await found.to_list()}

    async def saw(self, device_id: str, moment: datetime) -> None:
        await self._devices.update_one({"_id": device_id}, {"$max": {"last_seen_at": moment}})

    async def all(self) -> list[Device]:
        documents = await self._devices.find().sort([("created_at", 1), ("_id", 1)]).to_list()
        return [device_from_document(document) for document in documents]

    async def delete(self, device_id: str) -> None:
        """Raises NotFound where there is none."""
        result = await self._devices.delete_one({"_id": device_id})
        if not result.deleted_count:
            raise NotFound(f"there is no device {device_id}")
