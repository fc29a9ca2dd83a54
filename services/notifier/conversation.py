"""What managers can say, and what they hear: the commands, without a bot.

Whoever speaks does what their user may do: the client asks for their account, and the API refuses
what is not theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from pydantic import ValidationError

from services.notifier import messages
from usher.client import UsherClient
from usher.domain.errors import NotFound, PermissionDenied, Unavailable, UsherError
from usher.domain.records import PersonKind
from usher.wire import (
    Alert,
    Assignment,
    Merge,
    Person,
    PersonCreate,
    PersonUpdate,
    Visit,
)

_PERSON_ID = re.compile(r"p-[0-9a-z]+")
_DURATION = re.compile(r"(\d{1,4})\s*(m|min|h|d)?")
_MINUTES = {"m": 1, "min": 1, "h": 60, "d": 1440}
_MOST_MINUTES = 10_080
_SNOOZED_MINUTES = 480
_MUTED_MINUTES = 60
_NOW = timedelta(minutes=10)
_RECENT_ALERTS = 100
_VISITS = 200
_NEAREST = 3


@dataclass(frozen=True)
class Reply:
    """An answer: Markdown, and a JPEG where there is one.

    Attributes
    ----------
    pictured
        The detection or the person that the picture is of: it may be shown while that exists.
    """

    text: str
    picture: bytes | None = None
    pictured: str = ""


class _NotUnderstoodError(UsherError):
    """What somebody said is no command; the message says how to say it."""


@dataclass(frozen=True)
class Conversation:
    """Answers commands. Every error that Usher foresees becomes a readable answer.

    Parameters
    ----------
    client
        That asks for `account`.
    panel_url
        For links in answers.
    account
        Who speaks: `chat:ACCOUNT`.
    zone
        Of times in answers; by default this machine's.
    """

    client: UsherClient
    panel_url: str
    account: str = ""
    zone: tzinfo | None = None

    # ---- Answers to an alert ---------------------------------------------------------------------

    def name(self, arguments: str) -> Reply:
        """Answer `!name ID NAME`: the person has this name from now on."""
        return self._answered(lambda: self._name(arguments))

    def same(self, arguments: str) -> Reply:
        """Answer `!same ID WHO`: both are one person, who keeps the name of the second."""
        return self._answered(lambda: self._same(arguments))

    def ignore(self, arguments: str) -> Reply:
        """Answer `!ignore ID`: no more alerts about this person."""
        return self._answered(lambda: self._ignore(arguments))

    def snooze(self, arguments: str) -> Reply:
        """Answer `!snooze ID [TIME]`: no alerts about this person for a while."""
        return self._answered(lambda: self._snooze(arguments))

    def not_a_face(self, arguments: str) -> Reply:
        """Answer `!notface ID`: the picture of the newest alert about them shows no face."""
        return self._answered(lambda: self._not_a_face(arguments))

    def done(self, arguments: str) -> Reply:
        """Answer `!done ID`: somebody takes care of it."""
        return self._answered(lambda: self._done(arguments))

    def who_is_this(self, arguments: str) -> Reply:
        """Answer `!whois ID`: the known people who look most like them."""
        return self._answered(lambda: self._who_is_this(arguments))

    # ---- Questions -------------------------------------------------------------------------------

    def who(self, arguments: str) -> Reply:
        """Answer `!who [today]`: who is here now, or was today."""
        return self._answered(lambda: self._who(today=arguments.strip().lower() == "today"))

    def last(self) -> Reply:
        """Answer `!last`: the newest alert, with its picture."""
        return self._answered(self._last)

    def person(self, arguments: str) -> Reply:
        """Answer `!person WHO`: what is known of somebody, with their picture."""
        return self._answered(lambda: self._person(arguments))

    def find(self, photograph: bytes | None) -> Reply:
        """Answer `!find` with a photograph: when this face was seen."""
        return self._answered(lambda: self._find(photograph))

    def enrol(self, arguments: str, photograph: bytes | None) -> Reply:
        """Answer `!enrol NAME` with a photograph: somebody known, or one more picture of them."""
        return self._answered(lambda: self._enrol(arguments, photograph))

    def mute(self, arguments: str) -> Reply:
        """Answer `!mute [TIME]`: this account hears of nothing for a while; `!mute off` ends it."""
        return self._answered(lambda: self._mute(arguments))

    def status(self) -> Reply:
        """Answer `!status`: cameras, and what waits."""
        return self._answered(self._status)

    # ---- How -------------------------------------------------------------------------------------

    def _answered(self, answer: Callable[[], Reply]) -> Reply:
        try:
            return answer()
        except Unavailable:
            return Reply(messages.UNAVAILABLE)
        except _NotUnderstoodError as error:
            return Reply(str(error))
        except PermissionDenied as error:
            linked = "linked to no user" not in str(error)
            return Reply(
                messages.escaped(str(error)) if linked else messages.not_linked(self.account)
            )
        except UsherError as error:
            return Reply(messages.escaped(str(error)))

    def _name(self, arguments: str) -> Reply:
        person_id, words = _id_and_words(arguments, messages.NAME_USAGE)
        if not words:
            raise _NotUnderstoodError(messages.NAME_USAGE)
        try:
            update = PersonUpdate(name=words)
        except ValidationError:
            raise _NotUnderstoodError(messages.NAME_LENGTH) from None
        return Reply(messages.named(self._update(person_id, update)))

    def _same(self, arguments: str) -> Reply:
        person_id, words = _id_and_words(arguments, messages.SAME_USAGE)
        if not words:
            raise _NotUnderstoodError(messages.SAME_USAGE)
        other = self._found(words)
        if other.id == person_id:
            raise _NotUnderstoodError(messages.SAME_USAGE)
        return Reply(
            messages.merged(person_id, self.client.merge(other.id, Merge(person_ids=[person_id])))
        )

    def _ignore(self, arguments: str) -> Reply:
        person_id, _ = _id_and_words(arguments, messages.IGNORE_USAGE)
        return Reply(
            messages.ignored(self._update(person_id, PersonUpdate(kind=PersonKind.IGNORED)))
        )

    def _snooze(self, arguments: str) -> Reply:
        person_id, words = _id_and_words(arguments, messages.SNOOZE_USAGE)
        minutes = _minutes(words, _SNOOZED_MINUTES, messages.SNOOZE_USAGE)
        until = datetime.now(UTC) + timedelta(minutes=minutes)
        person = self._update(person_id, PersonUpdate(snoozed_until=until))
        return Reply(messages.snoozed(person, until, self.zone))

    def _not_a_face(self, arguments: str) -> Reply:
        alert = self._alert_about(arguments, messages.NOT_FACE_USAGE)
        if alert.absence:
            raise _NotUnderstoodError(messages.NOT_OF_A_PICTURE)
        self.client.assign(alert.detection_id, Assignment(not_a_face=True))
        return Reply(messages.NO_FACE)

    def _done(self, arguments: str) -> Reply:
        alert = self._alert_about(arguments, messages.DONE_USAGE)
        answered = self.client.answer_alert(alert.id, "is taken care of")
        return Reply(messages.taken_care_of(answered))

    def _who_is_this(self, arguments: str) -> Reply:
        alert = self._alert_about(arguments, messages.WHO_IS_USAGE)
        picture = self.client.detection_image(alert.detection_id)
        found = self.client.search(picture, limit=_RECENT_ALERTS).items
        nearest = {
            one.detection.person.id: (one.detection.person, one.confidence)
            for one in reversed(found)
            if one.detection.person and one.detection.person.kind is PersonKind.KNOWN
        }
        likest_first = list(nearest.values())[::-1][:_NEAREST]
        return Reply(messages.nearest(alert, likest_first), picture, alert.detection_id)

    def _who(self, *, today: bool) -> Reply:
        now = datetime.now(UTC)
        midnight = now.astimezone(self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        visits = self.client.visits(limit=_VISITS, **{"from": midnight.isoformat()}).items
        if not today:
            visits = [visit for visit in visits if visit.last_at >= now - _NOW]
        return Reply(messages.who_was_seen(_newest(visits), self._cameras(), today, self.zone))

    def _last(self) -> Reply:
        alerts = self.client.alerts(limit=1).items
        if not alerts:
            return Reply(messages.NO_ALERT_YET)
        text = messages.alert_text(alerts[0], panel_url=self.panel_url, zone=self.zone)
        pictured = alerts[0].detection_id
        return Reply(text, self._picture(pictured), pictured)

    def _person(self, arguments: str) -> Reply:
        if not arguments.strip():
            raise _NotUnderstoodError(messages.PERSON_USAGE)
        person = self._found(arguments)
        faces = self.client.faces(person.id)
        picture = self.client.face_image(faces[0]) if faces else None
        return Reply(messages.about(person, self.panel_url, self.zone), picture, person.id)

    def _find(self, photograph: bytes | None) -> Reply:
        if photograph is None:
            raise _NotUnderstoodError(messages.FIND_USAGE)
        found = self.client.search(photograph, limit=_RECENT_ALERTS)
        return Reply(messages.found(found, self.zone))

    def _enrol(self, arguments: str, photograph: bytes | None) -> Reply:
        words = " ".join(arguments.split())
        if photograph is None or not words:
            raise _NotUnderstoodError(messages.ENROL_USAGE)
        people = self._called(words)
        if len(people) > 1:
            raise _NotUnderstoodError(messages.several(words, people))
        if people:
            self.client.enrol_face(people[0].id, photograph)
            return Reply(messages.enrolled(people[0]))
        person = self.client.create_person(PersonCreate(name=words))
        try:
            self.client.enrol_face(person.id, photograph)
        except UsherError:
            self.client.delete_person(person.id)
            raise
        return Reply(messages.enrolled(person))

    def _mute(self, arguments: str) -> Reply:
        words = arguments.strip().lower()
        minutes = 0 if words == "off" else _minutes(words, _MUTED_MINUTES, messages.MUTE_USAGE)
        self.client.mute(self.account, minutes=minutes)
        return Reply(messages.muted(minutes))

    def _status(self) -> Reply:
        return Reply(messages.status(self.client.cameras(), self.client.stats(), self.zone))

    # ---- Steps -----------------------------------------------------------------------------------

    def _update(self, person_id: str, update: PersonUpdate) -> Person:
        try:
            return self.client.update_person(person_id, update)
        except NotFound:
            raise _NotUnderstoodError(messages.no_such_person(person_id)) from None

    def _found(self, words: str) -> Person:
        """Somebody by their ID or name."""
        if person_id := _person_id(words):
            try:
                return self.client.person(person_id)
            except NotFound:
                raise _NotUnderstoodError(messages.no_such_person(person_id)) from None
        people = self._called(words) or self.client.persons(limit=10, q=words.strip()).items
        if not people:
            raise _NotUnderstoodError(messages.nobody_called(words))
        if len(people) > 1:
            raise _NotUnderstoodError(messages.several(words, people))
        return people[0]

    def _called(self, words: str) -> list[Person]:
        """Everybody known whose name is exactly that."""
        wanted = " ".join(words.split()).casefold()
        people = self.client.persons(limit=50, q=wanted, kind=PersonKind.KNOWN.value).items
        return [person for person in people if (person.name or "").casefold() == wanted]

    def _alert_about(self, arguments: str, usage: str) -> Alert:
        """The newest alert about somebody; without anybody named, the newest of all."""
        alerts = self.client.alerts(limit=_RECENT_ALERTS).items
        if not arguments.strip():
            if not alerts:
                raise _NotUnderstoodError(messages.NO_ALERT_YET)
            return alerts[0]
        person_id, _ = _id_and_words(arguments, usage)
        for alert in alerts:
            if alert.person and alert.person.id == person_id:
                return alert
        raise _NotUnderstoodError(messages.no_alert_about(person_id))

    def _cameras(self) -> dict[str, str]:
        return {camera.id: camera.name for camera in self.client.cameras()}

    def _picture(self, detection_id: str) -> bytes | None:
        try:
            return self.client.detection_image(detection_id)
        except NotFound:
            return None


def _newest(visits: list[Visit]) -> list[Visit]:
    """Of each person the newest visit; whoever was seen last comes first."""
    newest: dict[str, Visit] = {}
    for visit in sorted(visits, key=lambda visit: visit.last_at, reverse=True):
        if visit.person is not None:
            newest.setdefault(visit.person.id, visit)
    return list(newest.values())


def _id_and_words(arguments: str, usage: str) -> tuple[str, str]:
    first, *words = arguments.split() or [""]
    person_id = _person_id(first)
    if person_id is None:
        raise _NotUnderstoodError(usage)
    return person_id, " ".join(words)


def _person_id(word: str) -> str | None:
    """A person's id as it may stand in a URL, however the chat dressed it up."""
    candidate = word.strip().strip("`*_\"'<>.,").lower()
    return candidate if _PERSON_ID.fullmatch(candidate) else None


def _minutes(words: str, default: int, usage: str) -> int:
    """Minutes of `45`, `45m`, `2h` or `3d`."""
    if not words.strip():
        return default
    found = _DURATION.fullmatch(words.strip().lower())
    if found is None:
        raise _NotUnderstoodError(usage)
    minutes = int(found[1]) * _MINUTES[found[2] or "m"]
    if not 1 <= minutes <= _MOST_MINUTES:
        raise _NotUnderstoodError(usage)
    return minutes
