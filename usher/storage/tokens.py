"""API tokens: keys that people make for their programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from usher.domain.errors import NotFound
from usher.domain.records import Token, User
from usher.storage.access import secret_hash
from usher.storage.database import Database
from usher.storage.documents import to_document, token_from_document, user_from_document


class Tokens:
    """Queries on the collection `tokens`. Of a token only the hash is kept."""

    def __init__(self, database: Database) -> None:
        self._tokens = database["tokens"]
        self._users = database["users"]

    async def insert(self, token: Token, key: str) -> None:
        await self._tokens.insert_one({**to_document(token), "key_hash": secret_hash(key)})

    async def by_key(self, key: str, *, now: datetime) -> tuple[Token, User] | None:
        """A token that has not expired, and who made it; None where they may not come in.

        Nor, after an admin gave them a new password, until they have changed it.
        """
        document = await self._tokens.find_one({"key_hash": secret_hash(key)})
        if document is None:
            return None
        token = token_from_document(document)
        maker = await self._users.find_one({"_id": token.user_id})
        expired = token.expires_at is not None and token.expires_at <= now
        if expired or maker is None or maker.get("disabled") or maker.get("must_renew"):
            return None
        return token, user_from_document(maker)

    async def used(self, token_id: str, moment: datetime) -> None:
        await self._tokens.update_one({"_id": token_id}, {"$max": {"last_used_at": moment}})

    async def all(self, *, of_user: str | None = None) -> list[Token]:
        """Tokens by age, of one user or of all."""
        query = {} if of_user is None else {"user_id": of_user}
        documents = await self._tokens.find(query).sort([("created_at", 1), ("_id", 1)]).to_list()
        return [token_from_document(document) for document in documents]

    async def names(self, token_ids: Sequence[str]) -> dict[str, str]:
        """The names of those tokens that exist, by id."""
        found = self._tokens.find({"_id": {"$in": list(token_ids)}}, {"name": 1})
        return {row["_id"]: row["name"] for row in await found.to_list()}

    async def delete(self, token_id: str, *, of_user: str | None = None) -> None:
        """Revoke a token, of one user or of anybody. Raises NotFound where there is none."""
        query = {"_id": token_id} | ({} if of_user is None else {"user_id": of_user})
        result = await self._tokens.delete_one(query)
        if not result.deleted_count:
            raise NotFound(f"there is no token {token_id}")
