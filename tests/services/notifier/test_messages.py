from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from services.notifier.messages import alert_message, escaped
from usher.domain.records import PersonKind
from usher.wire import Camera, PersonBrief

from .conftest import an_alert

CET = timezone(timedelta(hours=1), "CET")
PANEL = "http://usher.test:8000"


def brief(name: str | None, kind: PersonKind) -> PersonBrief:
    return PersonBrief(id="p-7k3qxz", name=name, kind=kind)


def test_alert_says_who_where_when_and_what_one_can_answer() -> None:
    message = alert_message(an_alert(), panel_url=PANEL, zone=CET)
    assert message.text.splitlines() == [
        "**Unknown face p-7k3qxz** at Front door, 2026-11-22 14:03:12 CET",
        "If you know them: `!name p-7k3qxz NAME`",
        "To hear no more of them: `!ignore p-7k3qxz`",
        "http://usher.test:8000/people/p-7k3qxz",
    ]


@pytest.mark.parametrize(
    ("person", "who", "link"),
    [
        # Named between the classification and the message.
        (brief("Alice", PersonKind.KNOWN), "Alice", f"{PANEL}/people/p-7k3qxz"),
        (brief(None, PersonKind.KNOWN), "p-7k3qxz", f"{PANEL}/people/p-7k3qxz"),
        # Ignored meanwhile, with and without a name.
        (brief(None, PersonKind.IGNORED), "Ignored person p-7k3qxz", f"{PANEL}/people/p-7k3qxz"),
        (brief("Bob", PersonKind.IGNORED), "Ignored person Bob", f"{PANEL}/people/p-7k3qxz"),
        # Deleted: there is no page to link to.
        (None, "Unknown face (deleted since)", PANEL),
    ],
)
def test_alert_asks_nothing_when_there_is_no_stranger_any_more(
    person: PersonBrief | None, who: str, link: str
) -> None:
    message = alert_message(an_alert(person=person), panel_url=PANEL, zone=CET)
    assert (message.who, message.link) == (who, link)
    assert "!name" not in message.text
    assert "!ignore" not in message.text


def test_link_has_one_slash_when_the_panel_url_ends_with_one() -> None:
    message = alert_message(an_alert(), panel_url=PANEL + "/")
    assert message.link == f"{PANEL}/people/p-7k3qxz"


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ("Front door", "Front door"),
        # Markdown's own signs keep their looks.
        ("*A*_b_`c`[d](e)", r"\*A\*\_b\_\`c\`\[d\](e)"),
        ("back\\slash", "back\\\\slash"),
        # HTML, and a chat's call to everybody.
        ("<b>bold</b> <!channel>", "\u2039b\u203abold\u2039/b\u203a \u2039!channel\u203a"),
        # A line break would begin a new paragraph, or a heading.
        ("two\n# lines", "two # lines"),
    ],
)
def test_words_that_somebody_chose_have_no_meaning_in_a_message(words: str, plain: str) -> None:
    assert escaped(words) == plain


def test_camera_name_cannot_change_the_message() -> None:
    camera = Camera(id="c", name="**yard**\n[win](http://evil.test)", managers=[])
    first, *_ = alert_message(an_alert(camera=camera), panel_url=PANEL).text.splitlines()
    assert r"\*\*yard\*\* \[win\](http://evil.test)" in first
