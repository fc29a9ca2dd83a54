"""What the notifier says: the text of alerts and of answers, as Markdown that chats render."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, tzinfo

from usher.domain.records import PersonKind
from usher.wire import Alert, Person, PersonBrief

NAME_USAGE = "Say who it is: `!name ID NAME`, such as `!name p-7k3qxz Alice Smith`."
IGNORE_USAGE = "Say who to ignore: `!ignore ID`, such as `!ignore p-7k3qxz`."
NAME_LENGTH = "A name has 1 to 120 characters."
NO_ALERT_YET = "No unknown face has been seen yet."
NOT_A_MANAGER = "You are not among the managers whom I tell about unknown faces."
UNAVAILABLE = "Usher does not answer at the moment. Please try again in a minute."

_MARKDOWN = re.compile(r"([\\`*_\[\]])")


@dataclass(frozen=True)
class AlertMessage:
    """One alert in words.

    `who` says what is known of the face by now, `seen_at` is local time, `link` leads to the panel.
    `answerable` is false where there is no stranger to name any more.
    """

    alert_id: str
    who: str
    person_id: str | None
    camera: str
    seen_at: str
    link: str
    answerable: bool

    @property
    def text(self) -> str:
        """The whole message, as Markdown.

        No line begins with code: Errbot's renderers lose a line break before it.
        """
        lines = [f"**{escaped(self.who)}** at {escaped(self.camera)}, {self.seen_at}"]
        if self.answerable:
            lines += [
                f"If you know them: `!name {self.person_id} NAME`",
                f"To hear no more of them: `!ignore {self.person_id}`",
            ]
        return "\n".join([*lines, self.link])


def alert_message(alert: Alert, *, panel_url: str, zone: tzinfo | None = None) -> AlertMessage:
    """Put an alert into words.

    Parameters
    ----------
    alert
        As the API gives it.
    panel_url
        Where a manager's browser reaches the panel.
    zone
        Of the time in the message; by default this machine's.
    """
    person = alert.person
    return AlertMessage(
        alert_id=alert.id,
        who=_who(person),
        person_id=person.id if person else None,
        camera=alert.camera.name,
        seen_at=_local(alert.captured_at, zone),
        link=_link(panel_url, person),
        answerable=person is not None and person.kind is PersonKind.UNKNOWN,
    )


def named(person: Person) -> str:
    return f"`{person.id}` is **{escaped(person.name or person.id)}** from now on."


def ignored(person: Person) -> str:
    return f"You will hear no more of `{person.id}`."


def no_such_person(person_id: str) -> str:
    return f"I know no person `{person_id}`."


def escaped(words: str) -> str:
    """Words that somebody chose, on one line and without a meaning in Markdown.

    Angle brackets become look-alikes: Markdown cannot escape them, and chats read them as HTML or
    as a call to everybody.
    """
    line = " ".join(words.split()).replace("<", "\u2039").replace(">", "\u203a")
    return _MARKDOWN.sub(r"\\\1", line)


def _who(person: PersonBrief | None) -> str:
    match person:
        case None:
            return "Unknown face (deleted since)"
        case PersonBrief(kind=PersonKind.UNKNOWN):
            return f"Unknown face {person.id}"
        case PersonBrief(kind=PersonKind.IGNORED):
            return f"Ignored person {person.name or person.id}"
        case _:
            return person.name or person.id


def _link(panel_url: str, person: PersonBrief | None) -> str:
    root = panel_url.rstrip("/")
    return f"{root}/people/{person.id}" if person else root


def _local(moment: datetime, zone: tzinfo | None) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
