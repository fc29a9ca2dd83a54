"""Requests that create something, and are sent again where their answer was lost."""

from __future__ import annotations

import hashlib

from services.api.dependencies import Principal
from usher.storage.repetitions import Once


def once_of(principal: Principal, operation: str, key: str | None, content: bytes) -> Once | None:
    """The request, where its sender has made a key for it.

    The key, which is kept nowhere, is part of the digest: that of a name alone could be guessed.
    """
    if key is None:
        return None
    digest = hashlib.sha256(key.encode() + content).hexdigest()
    return Once(principal_id=principal.id, operation=operation, key=key, content_sha256=digest)
