"""What managers can say, and what they hear: the commands, without a bot."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo

from pydantic import ValidationError

from services.notifier import messages
from usher.client import UsherClient
from usher.domain.errors import NotFound, Unavailable, UsherError
from usher.domain.records import PersonKind
from usher.wire import PersonUpdate

_PERSON_ID = re.compile(r"p-[0-9a-z]+")
_RECENT_ALERTS = 100


@dataclass(frozen=True)
class Reply:
    """An answer: Markdown, and a JPEG where there is one."""

    text: str
    picture: bytes | None = None


@dataclass(frozen=True)
class Conversation:
    """Answers managers' commands. Every error that Usher foresees becomes a readable answer.

    Parameters
    ----------
    client
        With a key that may read alerts and change persons.
    panel_url
        For links in answers.
    zone
        Of times in answers; by default this machine's.
    """

    client: UsherClient
    panel_url: str
    zone: tzinfo | None = None

    def name(self, arguments: str) -> Reply:
        """Answer `!name ID NAME`: the person has this name from now on."""
        first, *words = arguments.split() or [""]
        person_id = _person_id(first)
        if not person_id or not words:
            return Reply(messages.NAME_USAGE)
        try:
            update = PersonUpdate(name=" ".join(words))
        except ValidationError:
            return Reply(messages.NAME_LENGTH)
        return self._update(person_id, update)

    def ignore(self, arguments: str) -> Reply:
        """Answer `!ignore ID`: no more alerts about this person."""
        person_id = _person_id(arguments)
        if not person_id:
            return Reply(messages.IGNORE_USAGE)
        return self._update(person_id, PersonUpdate(kind=PersonKind.IGNORED))

    def last(self) -> Reply:
        """Answer `!last`: the newest alert, with its picture."""
        try:
            alerts = self.client.alerts(limit=1).items
            if not alerts:
                return Reply(messages.NO_ALERT_YET)
            message = messages.alert_message(alerts[0], panel_url=self.panel_url, zone=self.zone)
            return Reply(message.text, self._picture(alerts[0].detection_id))
        except UsherError as error:
            return Reply(_excuse(error))

    def _update(self, person_id: str, update: PersonUpdate) -> Reply:
        try:
            person = self.client.update_person(person_id, update)
        except NotFound:
            return Reply(messages.no_such_person(person_id))
        except UsherError as error:
            return Reply(_excuse(error))
        return Reply(messages.named(person) if update.name else messages.ignored(person))

    def _picture(self, detection_id: str) -> bytes | None:
        try:
            return self.client.detection_image(detection_id)
        except NotFound:
            return None


def managers(client: UsherClient, recipients: tuple[str, ...]) -> frozenset[str]:
    """Accounts that may use the commands: the recipients and recent alerts' cameras' managers.

    Just the recipients where the API does not answer.
    """
    try:
        alerts = client.alerts(limit=_RECENT_ALERTS).items
    except UsherError:
        return frozenset(recipients)
    return frozenset(recipients).union(*(alert.camera.managers for alert in alerts))


def _person_id(word: str) -> str | None:
    """A person's id as it may stand in a URL, however the chat dressed it up."""
    candidate = word.strip().strip("`*_\"'<>.,").lower()
    return candidate if _PERSON_ID.fullmatch(candidate) else None


def _excuse(error: UsherError) -> str:
    return messages.UNAVAILABLE if isinstance(error, Unavailable) else messages.escaped(str(error))
