from __future__ import annotations

import stat
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from services.notifier.setting_up import SettingUp, write
from services.notifier.settings import NotifierSettings
from usher.domain.errors import ConfigurationError

from .test_channels import Receiver, Sink, free_port, sink

__all__ = ["sink"]


class Answers:
    """Somebody who answers what is asked, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self._left: Iterator[str] = iter(answers)
        monkeypatch.setattr("rich.console.input", self._answer, raising=False)
        monkeypatch.setattr(Console, "input", self._answer)

    def _answer(self, *_: Any, **__: Any) -> str:
        return next(self._left)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def set_up(path: Path) -> str:
    out = StringIO()
    SettingUp(Console(file=out, width=200), path).run()
    return out.getvalue()


def test_mail_is_tried_and_written_for_the_user_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sink: tuple[Sink, int]
) -> None:
    handler, port = sink
    url = f"smtp://127.0.0.1:{port}"
    Answers(monkeypatch, "mail", url, "usher@example.org", "ann@example.org", "done")
    path = tmp_path / ".env"
    path.write_text("USHER_PORT=8100\nUSHER_SMTP_URL=smtp://old\n")

    said = set_up(path)

    ((to, mail),) = handler.mails
    assert (to, mail["Subject"]) == (["ann@example.org"], "A trial of Usher")
    assert "mail:ann@example.org" in said
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    settings = NotifierSettings()
    assert settings.smtp_url is not None
    assert (settings.smtp_url.get_secret_value(), settings.port) == (url, 8100)
    assert "old" not in path.read_text()


def test_webhook_gets_a_secret_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with Receiver() as receiver:
        Answers(monkeypatch, "webhook", "ops", receiver.url, "done")
        said = set_up(tmp_path / ".env")
    assert len(receiver.requests) == 1
    channels = NotifierSettings().channels(console=None)  # type: ignore[arg-type]
    secret = channels["webhook"]._webhooks["ops"].secret  # type: ignore[attr-defined]
    assert len(secret) == 32
    assert secret in said


@pytest.mark.parametrize(("keep", "kept"), [("n", False), ("y", True)])
def test_what_fails_in_the_trial_is_kept_only_if_wanted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keep: str, kept: bool
) -> None:
    url = f"smtp://127.0.0.1:{free_port()}"
    Answers(monkeypatch, "mail", url, "a@b.example", "c@d.example", keep, "done")
    path = tmp_path / ".env"
    if kept:
        assert "The trial failed" in set_up(path)
    else:
        with pytest.raises(ConfigurationError, match="nothing was set up"):
            set_up(path)
    assert path.exists() is kept


def test_chat_is_refused_with_its_reason_and_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Answers(
        monkeypatch,
        *("chat", "irc", "no json", "#door"),
        *("chat", "irc", '{"nickname": "usher", "server": "127.0.0.1"}', "#door, ann"),
        "done",
    )
    said = set_up(tmp_path / ".env")
    assert "That does not work: USHER_CHAT_CREDENTIALS is not a JSON object" in said
    settings = NotifierSettings()
    assert (settings.chat_backend, settings.chat_recipients) == ("IRC", ("#door", "ann"))
    assert settings.chat_identity()["nickname"] == "usher"


def test_setting_of_two_lines_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        write(tmp_path / ".env", {"USHER_SMTP_URL": "two\nlines"})
    assert not (tmp_path / ".env").exists()


def test_file_keeps_what_is_between_quotes(tmp_path: Path) -> None:
    hard = '{"a": "$HOME # \\ \'x\' é"}'
    write(tmp_path / ".env", {"USHER_APPRISE": hard})
    settings = NotifierSettings()
    assert settings.apprise is not None
    assert settings.apprise.get_secret_value() == hard
