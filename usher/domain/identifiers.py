"""Identifiers: opaque, short where a person types them."""

from __future__ import annotations

import secrets

# Crockford's base 32 in lower case: no i, l, o, u, so that an identifier survives being read aloud.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_person_id() -> str:
    """A new person's identifier, such as `p-7k3qxz`: 30 random bits.

    Short because managers type it into a chat. The primary key refuses the rare repeat.
    """
    return "p-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))


def new_id() -> str:
    """An identifier that nobody types: 96 random bits in hexadecimal."""
    return secrets.token_hex(12)


def new_key(prefix: str) -> str:
    """A secret key with a readable prefix, 256 random bits."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"
