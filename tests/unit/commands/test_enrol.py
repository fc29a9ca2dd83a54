from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from services.api.bootstrap import FIRST_USERNAME
from usher.commands.enrol import (
    SUGGESTED_USERNAME,
    EnrolSettings,
    PersonOutcome,
    Summary,
    ask_credentials,
)
from usher.commands.people import Refusal
from usher.domain.errors import ConfigurationError


def settings(username: str | None, password: str | None) -> EnrolSettings:
    secret = None if password is None else SecretStr(password)
    return EnrolSettings(username=username, password=secret)


class Terminal:
    """Somebody sits there, or nobody does."""

    def __init__(self, *, there: bool) -> None:
        self._there = there

    def isatty(self) -> bool:
        return self._there


def test_credentials_of_the_settings_are_taken_without_asking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(there=False))
    assert ask_credentials(settings("ada", "secret words")) == ("ada", "secret words")


@pytest.mark.parametrize(("username", "password"), [("ada", None), (None, "x"), (None, None)])
def test_credentials_are_needed_where_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, username: str | None, password: str | None
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(there=False))
    with pytest.raises(ConfigurationError, match="USHER_PASSWORD"):
        ask_credentials(settings(username, password))


def test_credentials_are_asked_of_whoever_sits_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, *, default: str = "", hide_input: bool = False, err: bool) -> str:
        asked.append((text, hide_input))
        return default or "typed"

    monkeypatch.setattr("sys.stdin", Terminal(there=True))
    monkeypatch.setattr("typer.prompt", prompt)
    assert ask_credentials(settings(None, None)) == (SUGGESTED_USERNAME, "typed")
    assert asked == [("User name", False), ("Password", True)]


def test_suggested_name_is_that_of_the_first_login() -> None:
    assert SUGGESTED_USERNAME == FIRST_USERNAME


def test_password_is_not_shown_where_settings_are_printed() -> None:
    assert "secret words" not in repr(settings("ada", "secret words"))


def test_summary_counts_people_and_photographs() -> None:
    summary = Summary(
        people=[
            PersonOutcome("Ann", "p-1", is_new=True, added=2, present=0),
            PersonOutcome("Bob", "p-2", is_new=False, added=0, present=1),
            PersonOutcome("Eve", None, is_new=False, added=0, present=0),
        ],
        refusals=[Refusal(Path("Eve.jpg"), "no face")],
    )
    assert str(summary) == "2 people (1 new): 2 photographs added, 1 there already, 1 refused"
    assert not summary.is_complete


def test_summary_of_one_uses_the_singular() -> None:
    summary = Summary(people=[PersonOutcome("Ann", "p-1", is_new=True, added=1, present=0)])
    assert str(summary) == "1 person (1 new): 1 photograph added, 0 there already, 0 refused"
    assert summary.is_complete
