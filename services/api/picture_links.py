"""Links to a face that open without signing in, for a day: for chats that take no files."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from usher.storage.database import Database
from usher.wire import API_PREFIX

LASTS = timedelta(days=1)
_KEY = "picture_links"


@dataclass(frozen=True, slots=True)
class PictureLinks:
    """Signs paths of pictures. Whoever has one sees that one picture until it ends."""

    key: bytes

    @classmethod
    async def of(cls, database: Database) -> PictureLinks:
        """With the database's own key."""
        document = await database["settings"].find_one({"_id": _KEY})
        return cls(bytes(document["key"]) if document else b"")

    def path(self, detection_id: str, now: datetime) -> str:
        """Where the API serves it, until a day from `now`."""
        until = int((now + LASTS).timestamp())
        key = self._sign(detection_id, until)
        return f"{API_PREFIX}/alerts/pictures/{detection_id}?until={until}&key={key}"

    def is_right(self, detection_id: str, until: int, key: str) -> bool:
        """Whether the link is one of ours; it may have ended."""
        right = self._sign(detection_id, until)
        return bool(self.key) and hmac.compare_digest(right.encode(), key.encode())

    def _sign(self, detection_id: str, until: int) -> str:
        return hmac.new(self.key, f"{detection_id}.{until}".encode(), sha256).hexdigest()[:32]
