"""Identifiers."""

from __future__ import annotations

import re

from usher.domain.identifiers import new_id, new_key, new_person_id


def test_person_id_has_no_letters_that_are_misread_when_made() -> None:
    made = {new_person_id() for _ in range(2000)}
    assert all(re.fullmatch(r"p-[0-9a-hjkmnp-tv-z]{6}", person_id) for person_id in made)
    assert len(made) > 1990  # 30 random bits: a repeat among 2,000 is one in 500


def test_id_is_96_bits_of_hexadecimal_when_made() -> None:
    made = {new_id() for _ in range(2000)}
    assert len(made) == 2000
    assert all(re.fullmatch(r"[0-9a-f]{24}", identifier) for identifier in made)


def test_key_says_what_it_is_for_when_made() -> None:
    key = new_key("usher_device")
    assert re.fullmatch(r"usher_device_[\w-]{43}", key)
    assert key != new_key("usher_device")
