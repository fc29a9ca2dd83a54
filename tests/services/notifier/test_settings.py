from __future__ import annotations

from pathlib import Path

import pytest

from services.notifier.settings import KEY_FILE, NotifierSettings
from usher.domain.errors import ConfigurationError


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("API_KEY", "DATA", "PANEL_URL", "CHAT_BACKEND", "CHAT_RECIPIENTS"):
        monkeypatch.delenv(f"USHER_{name}", raising=False)
    monkeypatch.delenv("USHER_CHAT_CREDENTIALS", raising=False)


@pytest.mark.parametrize(
    ("given", "recipients"),
    [
        ("", ()),
        ("@ann", ("@ann",)),
        (" @ann , <@U123>,, #door ", ("@ann", "<@U123>", "#door")),
    ],
)
def test_recipients_are_separated_by_commas(
    monkeypatch: pytest.MonkeyPatch, given: str, recipients: tuple[str, ...]
) -> None:
    monkeypatch.setenv("USHER_CHAT_RECIPIENTS", given)
    assert NotifierSettings().chat_recipients == recipients


def test_key_is_that_of_the_environment_when_there_is_one(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("from the file\n")
    assert NotifierSettings(data=tmp_path, api_key="given").key() == "given"


@pytest.mark.parametrize("given", [None, ""])
def test_key_is_that_of_the_data_directory_otherwise(tmp_path: Path, given: str | None) -> None:
    (tmp_path / KEY_FILE).write_text("from the file\n")
    assert NotifierSettings(data=tmp_path, api_key=given).key() == "from the file"


def test_key_says_where_it_could_come_from_when_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"USHER_API_KEY.*usher up"):
        NotifierSettings(data=tmp_path).key()


def test_panel_is_where_the_api_is_unless_told_otherwise() -> None:
    assert NotifierSettings(api_url="http://a.test").panel() == "http://a.test"
    assert NotifierSettings(panel_url="https://b.test").panel() == "https://b.test"


def test_identity_is_the_credentials_json() -> None:
    settings = NotifierSettings(chat_credentials='{"token": "xoxb-1"}')
    assert settings.chat_identity() == {"token": "xoxb-1"}


@pytest.mark.parametrize("credentials", ["xoxb-secret", '["xoxb-secret"]', '"xoxb-secret"'])
def test_identity_refuses_other_credentials_without_repeating_them(credentials: str) -> None:
    settings = NotifierSettings(chat_credentials=credentials)
    with pytest.raises(ConfigurationError) as caught:
        settings.chat_identity()
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r} {settings!r}"
