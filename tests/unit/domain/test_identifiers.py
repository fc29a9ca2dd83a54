"""Identifiers."""

from __future__ import annotations

import re

import pytest

from usher.domain.identifiers import (
    new_id,
    new_key,
    new_pairing_code,
    new_person_id,
    pairing_code_of,
)


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


def test_pairing_code_is_40_bits_without_letters_that_are_misread() -> None:
    made = {new_pairing_code() for _ in range(2000)}
    assert all(re.fullmatch(r"(?:[0-9A-HJKMNP-TV-Z]{4}-?){2}", code) for code in made)
    assert len(made) == 2000
    assert {pairing_code_of(code) for code in made} == made


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("7K3Q-XZ0M", "7K3Q-XZ0M"),
        ("7k3qxz0m", "7K3Q-XZ0M"),
        (" 7k3q xz0m\n", "7K3Q-XZ0M"),
        ("7K3Q-XZOM", "7K3Q-XZ0M"),
        ("IL1o-0000", "1110-0000"),
        ("7K3Q-XZ0", None),
        ("7K3Q-XZ0M0", None),
        ("7K3Q-XZ0U", None),
        ("7K3Q-XZ0\u0130", None),
        ("", None),
    ],
)
def test_pairing_code_is_what_was_meant_when_it_was_typed(typed: str, code: str | None) -> None:
    assert pairing_code_of(typed) == code
