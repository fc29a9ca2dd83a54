"""Ten minutes of a clip, as Errbot's test backend hears them. Run by `test_clip.py`."""

from __future__ import annotations

import os
import queue
import time

from services.notifier.settings import NotifierSettings
from usher.client import UsherClient

from .conftest import Bot

NAMED_WITHIN_S = 2.0
QUIET_S = 5.0


def test_bot_tells_of_each_stranger_once_and_names_one(bot: Bot) -> None:
    wanted = set(os.environ["USHER_TEST_PERSONS"].split(","))
    said = _heard(bot, len(wanted))
    assert sorted(words.split()[2] for words in said) == sorted(wanted)

    person_id = min(wanted)
    settings = NotifierSettings()
    bot.speak_as("@ann")
    with UsherClient(settings.api_url, settings.key()) as client:
        begun = time.monotonic()
        assert f"{person_id} is Alice" in bot.ask(f"!name {person_id} Alice")
        seen = client.detections(person_id=person_id).items
        assert time.monotonic() - begun < NAMED_WITHIN_S
        assert client.person(person_id).name == "Alice"
        assert {one.person.name for one in seen if one.person} == {"Alice"}


def _heard(bot: Bot, at_least: int) -> list[str]:
    """Every alert in words, until nothing has come for a while."""
    said = []
    while True:
        try:
            words = bot.pop_message(timeout=30 if len(said) < at_least else QUIET_S)
        except queue.Empty:
            return said
        if isinstance(words, str):
            assert words.startswith("Unknown face"), words
            said.append(words)
