"""Passwords: argon2id, hashed and compared in a thread."""

from __future__ import annotations

import asyncio
import secrets

from pwdlib import PasswordHash

_HASHER = PasswordHash.recommended()
# The hash of a random password that nobody kept.
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$0W+byBGeL+ZYIc2lgQWhCA$"
    "m1DHAobYRsbhww3VCvD3/J9ci91D6/Hw07is0sqviJs"
)


async def hash_password(password: str) -> str:
    """An argon2id hash with its own salt."""
    return await asyncio.to_thread(_HASHER.hash, password)


async def password_fits(password: str, password_hash: str | None) -> bool:
    """Whether the password is the hashed one.

    For an account that does not exist (None) it takes as long, so that names cannot be probed.
    """
    fits = await asyncio.to_thread(_HASHER.verify, password, password_hash or _NOBODY)
    return fits and password_hash is not None


def new_password() -> str:
    """A password to be shown once: 120 random bits."""
    return secrets.token_urlsafe(15)
