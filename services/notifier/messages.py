"""What the notifier says: the text of alerts and of answers, as Markdown that chats render."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from usher.domain.records import ENDED, CameraState, Confidence, DeliveryKind, PersonKind
from usher.wire import (
    Absence,
    Alert,
    Camera,
    ClaimedDelivery,
    Person,
    PersonBrief,
    SearchResults,
    Stats,
    Visit,
)

NAME_USAGE = "Say who it is: `!name ID NAME`, such as `!name p-7k3qxz Alice Smith`."
IGNORE_USAGE = "Say who to ignore: `!ignore ID`, such as `!ignore p-7k3qxz`."
NAME_LENGTH = "A name has 1 to 120 characters."
SAME_USAGE = "Say who they are: `!same ID WHO`, such as `!same p-7k3qxz Alice Smith`."
SNOOZE_USAGE = "Say whom, and for how long: `!snooze p-7k3qxz 2h` (45m, 2h or 3d; at most 7d)."
NOT_FACE_USAGE = "Say which: `!notface ID`, or `!notface` alone for the newest alert."
DONE_USAGE = "Say which: `!done ID`, or `!done` alone for the newest alert."
WHO_IS_USAGE = "Say who: `!whois ID`, or `!whois` alone for the newest alert."
PERSON_USAGE = "Say who: `!person NAME` or `!person ID`."
FIND_USAGE = "Send `!find` as the words of a photograph with one face."
ENROL_USAGE = "Send `!enrol NAME` as the words of a photograph with one face."
MUTE_USAGE = "Say for how long: `!mute 2h` (45m, 2h or 3d; at most 7d), or `!mute off`."
NOT_OF_A_PICTURE = "The newest alert tells of somebody who did not come: say which you mean."
NO_FACE = "Noted: that was no face."
NO_ALERT_YET = "There has been no alert yet."
UNAVAILABLE = "Usher does not answer at the moment. Please try again in a minute."

DIGEST = "digest"
DAILY = "daily"
MESSAGE_KINDS = (*(kind.value for kind in DeliveryKind), DIGEST, DAILY)
_MOST_LINES = 30
_ALIKE = {
    Confidence.HIGH: "very alike",
    Confidence.MEDIUM: "alike",
    Confidence.LOW: "somewhat alike",
}
_UNTROUBLED = {None, CameraState.LIVE, *ENDED}
_PREFIX = {
    DeliveryKind.ESCALATION: "No answer yet: ",
    DeliveryKind.REOPENED: "The answer was taken back: ",
}
_LISTED = 10
"""Of the alerts of a digest, the newest."""

_ESCAPED = re.compile(r"\\([\\`*_\[\]])")
_MARKDOWN = re.compile(r"([\\`*_\[\]])")


@dataclass(frozen=True)
class Message:
    """What one address is told at once.

    Attributes
    ----------
    id
        The same where the same message comes again.
    kind
        One of `MESSAGE_KINDS`.
    title
        One line, without Markdown.
    text
        All of it, as Markdown.
    link
        Into the panel.
    pictures
        Faces, as JPEG.
    picture_links
        Where the pictures are found for a while, for chats that take no files.
    details
        What programs are told of an alert.
    """

    id: str
    kind: str
    title: str
    text: str
    link: str
    pictures: tuple[bytes, ...] = ()
    picture_links: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def plain(self) -> str:
        """The text as it reads without Markdown."""
        return _ESCAPED.sub(r"\1", self.text.replace("**", "").replace("`", ""))

    def text_with_links(self) -> str:
        """The text, with links to its pictures."""
        return "\n".join([self.text, *self.picture_links])

    def facts(self) -> dict[str, Any]:
        """For programs. `event_type` is what Home Assistant calls the kind."""
        return {
            "id": self.id,
            "event_type": self.kind,
            "title": self.title,
            "text": self.plain,
            "link": self.link,
            **self.details,
        }


def alert_message(
    claimed: ClaimedDelivery,
    *,
    panel_url: str,
    picture: bytes | None = None,
    zone: tzinfo | None = None,
) -> Message:
    """Put a delivery of one alert into words: an alert, an escalation, or an answer.

    Parameters
    ----------
    panel_url
        Where a manager's browser reaches the panel.
    picture
        The face, as JPEG; none where it has been deleted since.
    zone
        Of the time in the message; by default this machine's.
    """
    alert, kind = claimed.alert, claimed.delivery.kind
    who, where = who_it_may_be(alert), alert.camera.name
    seen_at = _local(alert.captured_at, zone)
    if kind is DeliveryKind.SETTLED:
        return _settled_message(claimed, panel_url)
    prefix = _PREFIX.get(kind, "")
    said = f"at {_one_line(where)}, {seen_at}"
    if alert.absence:
        said = _missed(alert.absence, alert.captured_at, zone)
    return Message(
        id=claimed.delivery.id,
        kind=kind.value,
        title=f"{prefix}{_one_line(who)} {said}",
        text=prefix + alert_text(alert, panel_url=panel_url, zone=zone),
        link=link_to(panel_url, alert.person),
        pictures=(picture,) if picture else (),
        picture_links=_picture_links([claimed], panel_url) if picture else (),
        details=_details(claimed),
    )


def _settled_message(claimed: ClaimedDelivery, panel_url: str) -> Message:
    alert = claimed.alert
    person_id = alert.person.id if alert.person else "somebody deleted since"
    by, answer = alert.answered_by or "somebody", alert.answer or "is taken care of"
    link = link_to(panel_url, alert.person)
    said = f"{_one_line(answer)} (says {_one_line(by)})"
    return Message(
        id=claimed.delivery.id,
        kind=claimed.delivery.kind.value,
        title=f"Settled: {person_id} {said}",
        text=f"Settled: `{person_id}` {escaped(said)}\n{link}",
        link=link,
        details=_details(claimed),
    )


def digest_message(
    claimed: Sequence[ClaimedDelivery],
    *,
    panel_url: str,
    pictures: Sequence[bytes] = (),
    zone: tzinfo | None = None,
) -> Message:
    """Many deliveries for one address in one message, in order of capture."""
    asking = [one for one in claimed if one.delivery.kind is not DeliveryKind.SETTLED]
    alerts = [one.alert for one in asking]
    settled = [one.alert for one in claimed if one.delivery.kind is DeliveryKind.SETTLED]
    lines = []
    if alerts:
        people = len({alert.person.id if alert.person else alert.id for alert in alerts})
        begun, ended = _local(alerts[0].captured_at, zone), _local(alerts[-1].captured_at, zone)
        lines = [f"**{_count(len(alerts), 'alert')} of {_count(people, 'person')}**"]
        lines[0] += f", {begun} to {ended}"
        lines += [
            f"{_count(number, 'alert')} at {escaped(camera)}"
            for camera, number in Counter(
                alert.camera.name for alert in alerts if not alert.absence
            ).most_common(5)
        ]
        lines += [_digest_line(one, zone) for one in asking[-_LISTED:]]
        if len(alerts) > _LISTED:
            lines.append(f"and {len(alerts) - _LISTED} before these")
    lines += [
        f"Settled: `{person_id}` {escaped(alert.answer or '')} "
        f"(says {escaped(alert.answered_by or 'somebody')})"
        for person_id, alert in list(
            {alert.person.id if alert.person else alert.id: alert for alert in settled}.items()
        )[-_LISTED:]
    ]
    link = f"{panel_url.rstrip('/')}/alerts"
    text = "\n".join([*lines, link])
    title = lines[0].replace("**", "") if alerts else f"{_count(len(settled), 'alert')} settled"
    return Message(
        id=claimed[0].delivery.id,
        kind=DIGEST,
        title=title.replace("\\", "").replace("`", ""),
        text=text,
        link=link,
        pictures=tuple(pictures),
        details={"alerts": [_details(one) for one in claimed]},
    )


def _digest_line(claimed: ClaimedDelivery, zone: tzinfo | None) -> str:
    alert = claimed.alert
    who = _PREFIX.get(claimed.delivery.kind, "") + escaped(who_it_may_be(alert))
    if alert.absence:
        return f"{who} {_missed(alert.absence, alert.captured_at, zone)}"
    return f"{who}, {escaped(alert.camera.name)}, {_local(alert.captured_at, zone)}"


def _missed(absence: Absence, until: datetime, zone: tzinfo | None) -> str:
    begun, ended = (moment.astimezone(zone) for moment in (absence.expected_from, until))
    return f"was not seen on {begun:%Y-%m-%d} between {begun:%H:%M} and {ended:%H:%M %Z}"


def daily_message(
    visits: Sequence[Visit],
    cameras: Sequence[Camera],
    *,
    now: datetime,
    id_: str,
    panel_url: str,
    pictures: Sequence[bytes] = (),
) -> Message:
    """Who came today, first and last; strangers; cameras in trouble.

    Parameters
    ----------
    visits
        Of the day, in order.
    now
        Aware; its time zone is that of the times in the message.
    pictures
        Of strangers, JPEG.
    """
    names = {camera.id: camera.name for camera in cameras}
    by_person: dict[str, list[Visit]] = {}
    for visit in visits:
        if visit.person is not None:
            by_person.setdefault(visit.person.id, []).append(visit)
    stays = [(theirs[0].person, theirs) for theirs in by_person.values()]
    known = [stay for stay in stays if stay[0] and stay[0].kind is PersonKind.KNOWN]
    strange = [stay for stay in stays if stay[0] and stay[0].kind is PersonKind.UNKNOWN]
    title = (
        f"{now:%A, %d %B}: {_count(len(known), 'person')} known, {_count(len(strange), 'stranger')}"
    )
    lines = [f"**{title}**"]
    for stay in (known, strange):
        lines += [_stay_line(person, theirs, names, now) for person, theirs in stay[:_MOST_LINES]]
        if len(stay) > _MOST_LINES:
            lines.append(f"and {len(stay) - _MOST_LINES} more")
    for camera in cameras:
        if camera.state not in _UNTROUBLED and camera.state:
            since = f" since {_local(camera.state_since, now.tzinfo)}" if camera.state_since else ""
            lines.append(f"Camera {escaped(camera.name)} is {camera.state.value}{since}")
    link = panel_url.rstrip("/")
    return Message(
        id=id_,
        kind=DAILY,
        title=title,
        text="\n".join([*lines, link]),
        link=link,
        pictures=tuple(pictures),
    )


def _stay_line(
    person: PersonBrief | None, visits: Sequence[Visit], names: Mapping[str, str], now: datetime
) -> str:
    first = min(visit.started_at for visit in visits).astimezone(now.tzinfo)
    last = max(visit.last_at for visit in visits).astimezone(now.tzinfo)
    seen = (
        f"{first:%H:%M}"
        if f"{first:%H:%M}" == f"{last:%H:%M}"
        else f"{first:%H:%M} to {last:%H:%M}"
    )
    where = ", ".join(
        dict.fromkeys(names.get(visit.camera_id, visit.camera_id) for visit in visits)
    )
    return f"{escaped(who_is(person))}: {seen}, {escaped(where)}"


def _details(claimed: ClaimedDelivery) -> dict[str, Any]:
    alert = claimed.alert
    return {
        "alert_id": alert.id,
        "detection_id": alert.detection_id,
        "person": alert.person.model_dump(mode="json") if alert.person else None,
        "candidate": alert.candidate.model_dump(mode="json") if alert.candidate else None,
        "camera": {"id": alert.camera.id, "name": alert.camera.name},
        "captured_at": alert.captured_at.isoformat(),
        "expected_from": alert.absence.expected_from.isoformat() if alert.absence else None,
        "answered_by": alert.answered_by,
        "answer": alert.answer,
    }


def _picture_links(claimed: Sequence[ClaimedDelivery], panel_url: str) -> tuple[str, ...]:
    root = panel_url.rstrip("/")
    return tuple(root + one.picture_path for one in claimed)


def alert_text(alert: Alert, *, panel_url: str, zone: tzinfo | None = None) -> str:
    """An alert as Markdown: who, where and when, what can be said to it, and the link.

    No line begins with code: Errbot's renderers lose a line break before it.
    """
    where, seen_at = escaped(alert.camera.name), _local(alert.captured_at, zone)
    who = escaped(who_it_may_be(alert))
    lines = [f"**{who}** at {where}, {seen_at}"]
    if alert.absence:
        last = _local(alert.absence.last_seen_at, zone)
        lines = [f"**{who}** {_missed(alert.absence, alert.captured_at, zone)}"]
        lines += [f"Last seen at {where}, {last}"]
    if alert.answered_by and alert.person:
        lines.append(f"Settled: {escaped(alert.answer or '')} (says {escaped(alert.answered_by)})")
    elif alert.person is not None and alert.person.kind is PersonKind.UNKNOWN:
        if alert.candidate:
            lines.append(f"If it is them: `!same {alert.person.id} {alert.candidate.id}`")
        lines += [
            f"If you know them: `!name {alert.person.id} NAME`",
            f"To hear no more of them: `!ignore {alert.person.id}`",
        ]
    return "\n".join([*lines, link_to(panel_url, alert.person)])


def named(person: Person) -> str:
    return f"`{person.id}` is **{escaped(person.name or person.id)}** from now on."


def ignored(person: Person) -> str:
    return f"You will hear no more of `{person.id}`."


def merged(person_id: str, into: Person) -> str:
    return f"`{person_id}` is **{escaped(into.name or into.id)}** (`{into.id}`) from now on."


def snoozed(person: Person, until: datetime, zone: tzinfo | None) -> str:
    return f"You will hear nothing of `{person.id}` until {_local(until, zone)}."


def taken_care_of(alert: Alert) -> str:
    who = f"`{alert.person.id}`" if alert.person else "it"
    return f"Everybody who was told of {who} hears that you take care of it."


def nearest(alert: Alert, people: Sequence[tuple[PersonBrief, Confidence]]) -> str:
    """Who looks like the face of an alert, in bands and never in numbers."""
    who = escaped(who_is(alert.person))
    if not people:
        return f"{who} looks like nobody I know."
    lines = [f"{who} looks most like:"]
    for person, confidence in people:
        name = escaped(person.name or person.id)
        lines.append(f"**{name}** (`{person.id}`), {_ALIKE[confidence]}")
    if alert.person and alert.person.kind is PersonKind.UNKNOWN:
        lines.append(f"If it is one of them: `!same {alert.person.id} WHO`")
    return "\n".join(lines)


def who_was_seen(
    visits: Sequence[Visit], cameras: Mapping[str, str], today: bool, zone: tzinfo | None
) -> str:
    """One line a person."""
    when = "today" if today else "in the last ten minutes"
    if not visits:
        return f"Nobody was seen {when}."
    lines = [f"**{_count(len(visits), 'person')}** seen {when}:"]
    for visit in visits[:_MOST_LINES]:
        camera = escaped(cameras.get(visit.camera_id, visit.camera_id))
        begun, last = (f"{at.astimezone(zone):%H:%M}" for at in (visit.started_at, visit.last_at))
        span = begun if begun == last else f"{begun} to {last}"
        lines.append(f"{escaped(who_is(visit.person))}, {camera}, {span}")
    if len(visits) > _MOST_LINES:
        lines.append(f"and {len(visits) - _MOST_LINES} more")
    return "\n".join(lines)


def about(person: Person, panel_url: str, zone: tzinfo | None) -> str:
    lines = [f"**{escaped(person.name or who_is(_brief(person)))}** (`{person.id}`)"]
    if person.class_name:
        lines.append(f"Class: {escaped(person.class_name)}")
    if not person.valid_now:
        lines.append("Not expected here now.")
    seen = f"Seen {_count(person.detections, 'time')}"
    if person.last_seen_at:
        seen += f", last {_local(person.last_seen_at, zone)}"
    lines.append(seen)
    if person.snoozed_until:
        lines.append(f"Snoozed until {_local(person.snoozed_until, zone)}")
    return "\n".join([*lines, link_to(panel_url, _brief(person))])


def found(results: SearchResults, zone: tzinfo | None) -> str:
    """When a face was seen, newest first."""
    if not results.items:
        return (
            f"I have not seen this face ({_count(results.searched, 'detection')} looked through)."
        )
    people = Counter(
        escaped(who_is(one.detection.person)) for one in results.items if one.detection.person
    )
    newest = max(results.items, key=lambda one: one.detection.captured_at).detection
    lines = [f"Seen {_count(len(results.items), 'time')}, last {_local(newest.captured_at, zone)}"]
    lines += [f"as {who}: {_count(number, 'time')}" for who, number in people.most_common(5)]
    return "\n".join(lines)


def enrolled(person: Person) -> str:
    return f"I know **{escaped(person.name or person.id)}** (`{person.id}`) by this photograph now."


def muted(minutes: int) -> str:
    if not minutes:
        return "You hear of everything again."
    return f"You hear of no visit that begins in the next {_span(minutes)}. `!mute off` ends that."


def status(cameras: Sequence[Camera], stats: Stats, zone: tzinfo | None) -> str:
    """Cameras that are not running first, and what waits."""
    lines = []
    troubled = [one for one in cameras if one.state not in _UNTROUBLED]
    for camera in troubled:
        state = camera.state.value if camera.state else ""
        since = f" since {_local(camera.state_since, zone)}" if camera.state_since else ""
        lines.append(f"**{escaped(camera.name)}** is {state}{since}")
    running = len(cameras) - len(troubled)
    lines.append(f"{_count(running, 'camera')} without trouble")
    lines.append(f"{_count(stats.queue, 'face')} being identified")
    lines.append(f"{_count(stats.alerts_unsent, 'alert')} to be sent")
    return "\n".join(lines)


def not_linked(account: str) -> str:
    return (
        f"I do not know what you may do: `{account}` is linked to no user. An admin links it in "
        "the panel, under Users."
    )


def no_alert_about(person_id: str) -> str:
    return f"There is no recent alert about `{person_id}`."


def nobody_called(words: str) -> str:
    return f"I know nobody called {escaped(words)}."


def several(words: str, people: Sequence[Person]) -> str:
    named_ = ", ".join(f"{escaped(one.name or '')} (`{one.id}`)" for one in people[:5])
    return f"Several people may be {escaped(words)}: {named_}. Say which by their ID."


def _brief(person: Person) -> PersonBrief:
    return PersonBrief(id=person.id, name=person.name, kind=person.kind)


def _span(minutes: int) -> str:
    for size, noun in ((1440, "day"), (60, "hour")):
        if minutes % size == 0:
            return _count(minutes // size, noun)
    return _count(minutes, "minute")


def no_such_person(person_id: str) -> str:
    return f"I know no person `{person_id}`."


def escaped(words: str) -> str:
    """Words that somebody chose, on one line and without a meaning in Markdown.

    Angle brackets become look-alikes: Markdown cannot escape them, and chats read them as HTML or
    as a call to everybody.
    """
    line = _one_line(words).replace("<", "\u2039").replace(">", "\u203a")
    return _MARKDOWN.sub(r"\\\1", line)


def _one_line(words: str) -> str:
    return " ".join(words.split())


def _count(number: int, noun: str) -> str:
    plural = {"person": "people"}.get(noun, f"{noun}s")
    return f"{number} {noun if number == 1 else plural}"


def who_is(person: PersonBrief | None) -> str:
    match person:
        case None:
            return "Unknown face (deleted since)"
        case PersonBrief(kind=PersonKind.UNKNOWN):
            return f"Unknown face {person.id}"
        case PersonBrief(kind=PersonKind.IGNORED):
            return f"Ignored person {person.name or person.id}"
        case _:
            return person.name or person.id


def who_it_may_be(alert: Alert) -> str:
    """Who it is, and whom the picture probably shows where nobody has said so yet."""
    who = who_is(alert.person)
    is_open = alert.person is not None and alert.person.kind is PersonKind.UNKNOWN
    if alert.candidate is None or not is_open:
        return who
    return f"{who}, perhaps {alert.candidate.name or alert.candidate.id}"


def link_to(panel_url: str, person: PersonBrief | None) -> str:
    root = panel_url.rstrip("/")
    return f"{root}/people/{person.id}" if person else root


def _local(moment: datetime, zone: tzinfo | None) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
