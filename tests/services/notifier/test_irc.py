"""The bot in a real chat: Errbot's IRC backend and an IRC server on this machine."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from usher.domain.records import AlertStatus, PersonKind
from usher.wire import Alert

from .conftest import alert_of, eventually, newly_seen
from .irc import ANSWERS_WITHIN_S, BEGINS_WITHIN_S, Speaker, bot, irc_server, link, settings
from .test_channels import free_port

NAMED_WITHIN_S = 2.0
AWAY_S = 5.0

pytestmark = pytest.mark.slow


def test_alert_is_answered_in_the_chat(
    bot_python: Path, api: Any, stranger: Alert, tmp_path: Path
) -> None:
    port = free_port()
    assert stranger.person is not None
    person_id = stranger.person.id
    with irc_server(bot_python, port), bot(tmp_path, **settings(api, tmp_path, port)):
        ann = Speaker(port, "ann")
        eventually(lambda: ann.is_there("usher") or None, within_s=BEGINS_WITHIN_S)
        ann.hear(person_id, within_s=BEGINS_WITHIN_S)
        pictures = r"(http://\S+/alerts/pictures/[^\s\x03\x0f]+)"
        picture = ann.hear(pictures, within_s=ANSWERS_WITHIN_S)[1]
        assert httpx2.get(picture).content.startswith(b"\xff\xd8")

        ann.say("usher", f"!name {person_id} Alice Smith")
        ann.hear("is linked to no user", within_s=ANSWERS_WITHIN_S)
        assert api.admin.person(person_id).kind is PersonKind.UNKNOWN
        link(api, ann)

        begun = time.monotonic()
        ann.say("usher", f"!name {person_id} Alice Smith")
        eventually(
            lambda: api.admin.person(person_id).name == "Alice Smith" or None,
            within_s=ANSWERS_WITHIN_S,
        )
        assert time.monotonic() - begun < NAMED_WITHIN_S
        ann.hear("Settled: .*Alice Smith", within_s=ANSWERS_WITHIN_S)
        answered = alert_of(api.admin, stranger.detection_id)
        assert answered is not None
        assert (answered.answered_by, answered.answer) == (api.admin_username, "is Alice Smith")

        for command, answer in (
            ("!who today", "seen today"),
            ("!last", "Alice Smith"),
            ("!person Alice Smith", person_id),
            (f"!whois {person_id}", "looks"),
            (f"!done {person_id}", "hears that you take care of it"),
            ("!status", "without trouble"),
            ("!mute 1m", "in the next 1 minute"),
            ("!find", "photograph"),
            ("!help", "mute"),
        ):
            ann.say("usher", command)
            ann.hear(re.escape(answer), within_s=ANSWERS_WITHIN_S)
        ann.close()
    assert api.notifier_key not in (tmp_path / "bot.log").read_text(errors="replace")
    assert "Alice" not in (tmp_path / "bot.log").read_text(errors="replace")
    assert (tmp_path / "errbot").stat().st_mode & 0o077 == 0


def test_alert_waits_while_the_chat_is_away(
    bot_python: Path, api: Any, photographs: Iterator[Path], tmp_path: Path
) -> None:
    port = free_port()
    with irc_server(bot_python, port) as first, bot(tmp_path, **settings(api, tmp_path, port)):
        ann = Speaker(port, "ann")
        eventually(lambda: ann.is_there("usher") or None, within_s=BEGINS_WITHIN_S)
        first.kill()
        first.wait()
        ann.close()
        alert = newly_seen(api, photographs)
        assert alert.person is not None
        time.sleep(AWAY_S)
        found = alert_of(api.admin, alert.detection_id)
        assert found is not None
        assert found.status is AlertStatus.PENDING

        with irc_server(bot_python, port):
            ann = Speaker(port, "ann")
            ann.hear(alert.person.id, within_s=BEGINS_WITHIN_S)
            said = ann.heard(for_s=AWAY_S)
            assert not [line for line in said if f"face {alert.person.id}" in line]
            ann.close()
