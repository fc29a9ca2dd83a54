"""Identifiers: opaque, short where a person types them."""

from __future__ import annotations

import re
import secrets

# Crockford's base 32 in lower case: no i, l, o, u, so that an identifier survives being read aloud.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_MISREAD = str.maketrans("oil", "011")
_CODE_LENGTH = 8


def new_person_id() -> str:
    """A new person's identifier, such as `p-7k3qxz`: 30 random bits.

    Short because managers type it into a chat. The primary key refuses the rare repeat.
    """
    return "p-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))


def new_id() -> str:
    """An identifier that nobody types: 96 random bits in hexadecimal."""
    return secrets.token_hex(12)


def new_pairing_code() -> str:
    """A code that is typed once, such as `7K3Q-XZ0M`: 40 random bits."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)).upper()
    return f"{letters[:4]}-{letters[4:]}"


def pairing_code_of(text: str) -> str | None:
    """The code that somebody meant, as it was shown; None where it cannot be one.

    Letters of either case, with or without the dash or spaces; O is taken for 0, I and L for 1.
    """
    letters = re.sub(r"[\s-]", "", text).lower().translate(_MISREAD)
    if len(letters) != _CODE_LENGTH or not set(letters) <= set(_ALPHABET):
        return None
    return f"{letters[:4]}-{letters[4:]}".upper()


def new_key(prefix: str) -> str:
    """A secret key with a readable prefix, 256 random bits."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"
