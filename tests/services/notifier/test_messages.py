from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.notifier.messages import alert_message, digest_message, escaped
from usher.domain.records import DeliveryKind, PersonKind
from usher.wire import Absence, Camera, ClaimedDelivery, PersonBrief

from .conftest import JPEG, claimed

CET = timezone(timedelta(hours=1), "CET")
AT = "2026-11-22 14:03:12 CET"
PANEL = "http://usher.test:8000"


def brief(name: str | None, kind: PersonKind) -> PersonBrief:
    return PersonBrief(id="p-7k3qxz", name=name, kind=kind)


def test_alert_says_who_where_when_and_what_one_can_answer() -> None:
    message = alert_message(claimed(), panel_url=PANEL, zone=CET)
    assert message.text.splitlines() == [
        "**Unknown face p-7k3qxz** at Front door, 2026-11-22 14:03:12 CET",
        "If you know them: `!name p-7k3qxz NAME`",
        "To hear no more of them: `!ignore p-7k3qxz`",
        "http://usher.test:8000/people/p-7k3qxz",
    ]


def test_alert_says_whom_it_probably_shows_and_how_to_say_so() -> None:
    bob = PersonBrief(id="p-b0b000", name="Bob", kind=PersonKind.KNOWN)
    message = alert_message(claimed(candidate=bob), panel_url=PANEL, zone=CET)
    assert message.title == f"Unknown face p-7k3qxz, perhaps Bob at Front door, {AT}"
    assert message.text.splitlines()[1] == "If it is them: `!same p-7k3qxz p-b0b000`"
    answered = claimed(candidate=bob, person=brief("Alice", PersonKind.KNOWN))
    assert "Bob" not in alert_message(answered, panel_url=PANEL, zone=CET).text


def missed() -> ClaimedDelivery:
    """Alice was expected from twelve o'clock on, and did not come."""
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    absence = Absence(expected_from=noon, last_seen_at=noon - timedelta(days=1))
    return claimed(person=brief("Alice", PersonKind.KNOWN), absence=absence)


def test_alert_says_who_did_not_come_and_where_they_were_last() -> None:
    message = alert_message(missed(), panel_url=PANEL, zone=CET)
    not_seen = "was not seen on 2026-11-22 between 13:00 and 14:03 CET"
    assert message.title == f"Alice {not_seen}"
    assert message.text.splitlines() == [
        f"**Alice** {not_seen}",
        "Last seen at Front door, 2026-11-21 13:00:00 CET",
        f"{PANEL}/people/p-7k3qxz",
    ]
    assert message.details["expected_from"] == "2026-11-22T12:00:00+00:00"


def test_digest_counts_at_no_camera_who_did_not_come() -> None:
    message = digest_message([claimed(id="a2"), missed()], panel_url=PANEL, zone=CET)
    assert "1 alert at Front door" in message.text
    assert "Alice was not seen on 2026-11-22 between 13:00 and 14:03 CET" in message.text


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
    message = alert_message(claimed(person=person), panel_url=PANEL, zone=CET)
    assert (message.title, message.link) == (f"{who} at Front door, {AT}", link)
    assert "!name" not in message.text
    assert "!ignore" not in message.text


def test_link_has_one_slash_when_the_panel_url_ends_with_one() -> None:
    message = alert_message(claimed(), panel_url=PANEL + "/")
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
    first, *_ = alert_message(claimed(camera=camera), panel_url=PANEL).text.splitlines()
    assert r"\*\*yard\*\* \[win\](http://evil.test)" in first


def test_message_reads_without_markdown_as_it_does_with_it() -> None:
    camera = Camera(id="c", name="*yard*", managers=[])
    message = alert_message(claimed(camera=camera), panel_url=PANEL, zone=CET)
    assert message.plain.splitlines()[0] == f"Unknown face p-7k3qxz at *yard*, {AT}"
    assert message.title == f"Unknown face p-7k3qxz at *yard*, {AT}"


def test_picture_has_a_link_for_chats_that_take_no_files() -> None:
    message = alert_message(claimed(), panel_url=PANEL, picture=JPEG)
    link = f"{PANEL}/api/v1/alerts/pictures/d1?until=1&key=k"
    assert message.text_with_links().splitlines()[-1] == link
    gone = alert_message(claimed(), panel_url=PANEL)
    assert gone.text_with_links() == gone.text


def test_escalation_says_that_nobody_has_answered() -> None:
    message = alert_message(claimed(kind=DeliveryKind.ESCALATION), panel_url=PANEL, zone=CET)
    assert message.title.startswith("No answer yet: Unknown face p-7k3qxz")
    assert message.text.startswith("No answer yet: **Unknown face")


def test_alert_that_was_reopened_says_so_and_asks_again() -> None:
    message = alert_message(claimed(kind=DeliveryKind.REOPENED), panel_url=PANEL, zone=CET)
    assert message.title.startswith("The answer was taken back: Unknown face p-7k3qxz")
    assert "!name p-7k3qxz" in message.text


def test_settled_alert_says_by_whom() -> None:
    answered = claimed(kind=DeliveryKind.SETTLED, answered_by="ann_b", answer="is Alice Smith")
    message = alert_message(answered, panel_url=PANEL)
    assert message.text.splitlines()[0] == (r"Settled: `p-7k3qxz` is Alice Smith (says ann\_b)")
    assert message.title == "Settled: p-7k3qxz is Alice Smith (says ann_b)"


def test_digest_says_which_answers_were_taken_back_and_which_are_missing() -> None:
    kinds = (DeliveryKind.ALERT, DeliveryKind.ESCALATION, DeliveryKind.REOPENED)
    many = [claimed(id=kind.value, kind=kind) for kind in kinds]
    lines = digest_message(many, panel_url=PANEL, zone=CET).text.splitlines()
    for begins in ("Unknown face", "No answer yet: Unknown", "The answer was taken back: Unknown"):
        assert len([line for line in lines if line.startswith(begins)]) == 1


def test_digest_counts_alerts_people_and_cameras() -> None:
    yard = Camera(id="yard", name="Yard", managers=[])
    other = PersonBrief(id="p-2m9rtb", name=None, kind=PersonKind.UNKNOWN)
    many = [
        *(claimed(id=f"a{number}") for number in range(12)),
        claimed(id="b", camera=yard, person=other),
    ]
    message = digest_message(many, panel_url=PANEL, pictures=[JPEG], zone=CET)
    lines = message.text.splitlines()
    assert lines[0] == f"**13 alerts of 2 people**, {AT} to {AT}"
    assert lines[1:3] == ["12 alerts at Front door", "1 alert at Yard"]
    assert len([line for line in lines if line.startswith("Unknown face")]) == 10
    assert "and 3 before these" in lines
    assert (lines[-1], message.kind) == (f"{PANEL}/alerts", "digest")
    assert message.facts()["event_type"] == "digest"
    assert len(message.facts()["alerts"]) == 13
