"""Whom a visit is told to, and when: rules, without a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from usher.domain.identifiers import new_id
from usher.domain.records import Camera, Delivery, DeliveryKind, Person, PersonKind

MANAGERS = "managers"
"""Stands for the managers of the camera and of the person; where there are none, for `DEFAULT`."""
DEFAULT = "default:"
"""Whoever the notifier's own settings name."""
CHANNELS = ("chat", "mail", "webhook", "mqtt", "apprise", "default")

_MINUTES_A_DAY = 24 * 60
_DAYS = 7


class Subject(StrEnum):
    """Who a rule is about, beside the classes that it names."""

    STRANGER = "stranger"
    KNOWN = "known"
    EXPIRED = "expired"
    """Known, and here outside of the time in which they are expected."""
    ABSENT = "absent"
    """Known, and not seen in the hours of the rule, which is then about nothing else."""


@dataclass(frozen=True, slots=True)
class Span:
    """Hours of one day, in UTC; `end` is exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of some days of the week.

    Attributes
    ----------
    days
        On which they begin; Monday is 0.
    start, end
        Minutes after midnight. They go on over midnight where `end` is not after `start`; where
        both are equal, for a whole day.
    """

    days: tuple[int, ...]
    start: int
    end: int

    def end_of(self, local: datetime) -> datetime | None:
        """When the hours that a local time lies in end; None where it lies in none."""
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % _DAYS
        over_midnight = self.end <= self.start
        if today in self.days and self.start <= minute and (over_midnight or minute < self.end):
            return _at(local, self.end + (_MINUTES_A_DAY if over_midnight else 0))
        if yesterday in self.days and over_midnight and minute < self.end:
            return _at(local, self.end)
        return None

    def on(self, day: date, zone: ZoneInfo) -> Span:
        """The hours that begin on a day."""
        midnight = datetime.combine(day, time(), zone)
        over_midnight = _MINUTES_A_DAY if self.end <= self.start else 0
        start, end = _at(midnight, self.start), _at(midnight, self.end + over_midnight)
        return Span(start.astimezone(UTC), end.astimezone(UTC))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who is told about whom, where and when.

    Attributes
    ----------
    about, classes
        Of whom: somebody to whom one of either applies. Never somebody who is ignored or snoozed.
        Of somebody absent, one of these classes, if there are any.
    cameras
        Identifiers; none stands for all.
    zone
        IANA name of the time zone of `hours` and `quiet`.
    hours
        In which a visit has to begin; none stands for always. Or in which somebody is expected.
    quiet
        In which nothing is sent; it comes when they end.
    cooldown_s
        After a visit of which the rule has told, it tells of no other one of the same person at the
        same camera for so long.
    to, escalate_to
        `CHANNEL:ADDRESS`, or `MANAGERS`.
    escalate_after_s
        Without an answer, `escalate_to` is told too; None where nobody is.
    """

    id: str
    name: str
    enabled: bool = True
    about: tuple[Subject, ...] = (Subject.STRANGER,)
    classes: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    zone: str = "UTC"
    hours: tuple[Hours, ...] = ()
    quiet: tuple[Hours, ...] = ()
    cooldown_s: int = 0
    to: tuple[str, ...] = (MANAGERS,)
    escalate_after_s: int | None = None
    escalate_to: tuple[str, ...] = ()

    @property
    def is_about_absence(self) -> bool:
        """Whether it tells of who did not come, and not of visits."""
        return Subject.ABSENT in self.about


@dataclass(frozen=True, slots=True)
class Occasion:
    """A visit that has begun, or hours that have ended without one."""

    person: Person
    camera: Camera
    moment: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """An earlier visit of which a rule has told."""

    rule_id: str
    person_id: str
    camera_id: str
    moment: datetime


def applies(rule: Rule, occasion: Occasion, earlier: Iterable[Told] = ()) -> bool:
    """Whether a rule has something to say of a visit, after what it said of `earlier` ones."""
    local = occasion.moment.astimezone(ZoneInfo(rule.zone))
    return (
        rule.enabled
        and not rule.is_about_absence
        and _is_about(rule, occasion)
        and (not rule.cameras or occasion.camera.id in rule.cameras)
        and (not rule.hours or any(hours.end_of(local) for hours in rule.hours))
        and not any(_cools_down(rule, occasion, told) for told in earlier)
    )


def ended_between(rule: Rule, after: datetime, until: datetime) -> list[Span]:
    """The rule's hours that ended after `after` and not after `until`, in that order."""
    zone = ZoneInfo(rule.zone)
    first, last = after.astimezone(zone).date(), until.astimezone(zone).date()
    # They may have begun the day before.
    days = [first + timedelta(days=nth) for nth in range(-1, (last - first).days + 1)]
    spans = [
        hours.on(day, zone) for hours in rule.hours for day in days if day.weekday() in hours.days
    ]
    return sorted((one for one in spans if after < one.end <= until), key=lambda one: one.end)


def is_expected(rule: Rule, person: Person, span: Span) -> bool:
    """Whether a rule about absence tells of somebody who was not seen in those hours."""
    is_snoozed = person.snoozed_until is not None and span.end < person.snoozed_until
    return (
        person.kind is PersonKind.KNOWN
        and not is_snoozed
        and (not rule.classes or person.class_name in rule.classes)
        and person.is_valid_at(span.start)
        and person.is_valid_at(span.end)
    )


def deliveries(
    rules: Iterable[Rule],
    occasion: Occasion,
    *,
    now: datetime,
    muted: Mapping[str, datetime] | None = None,
) -> tuple[Delivery, ...]:
    """Whom these rules tell of a visit, each once, however many rules name them.

    Parameters
    ----------
    muted
        By `CHANNEL:ADDRESS`, until when somebody wants to hear of nothing.
    """
    found: dict[tuple[DeliveryKind, str], Delivery] = {}
    for rule in rules:
        for delivery in _of_rule(rule, occasion, now):
            key = delivery.kind, delivery.to
            if (muted or {}).get(delivery.to, now) > now:
                continue
            if key not in found or delivery.not_before < found[key].not_before:
                found[key] = delivery
    return tuple(found.values())


def addresses(to: Sequence[str], occasion: Occasion) -> list[str]:
    """Each as `CHANNEL:ADDRESS`, with the managers where they are meant."""
    named = [written for written in to if written != MANAGERS]
    if MANAGERS in to:
        named += [*occasion.camera.managers, *occasion.person.managers] or [DEFAULT]
    return list(dict.fromkeys(qualified(written) for written in named))


def qualified(written: str) -> str:
    """`CHANNEL:ADDRESS`; what names no channel is an account of the chat."""
    channel, colon, _ = written.partition(":")
    return written if colon and channel in CHANNELS else f"chat:{written}"


def _of_rule(rule: Rule, occasion: Occasion, now: datetime) -> Iterable[Delivery]:
    first = _after_quiet(rule, now)
    for to in addresses(rule.to, occasion):
        yield _delivery(DeliveryKind.ALERT, to, first)
    if rule.escalate_after_s is not None:
        later = _after_quiet(rule, first + timedelta(seconds=rule.escalate_after_s))
        for to in addresses(rule.escalate_to, occasion):
            yield _delivery(DeliveryKind.ESCALATION, to, later)


def _delivery(kind: DeliveryKind, to: str, not_before: datetime) -> Delivery:
    channel, _, address = to.partition(":")
    return Delivery(id=new_id(), kind=kind, channel=channel, address=address, not_before=not_before)


def _is_about(rule: Rule, occasion: Occasion) -> bool:
    person = occasion.person
    is_snoozed = person.snoozed_until is not None and occasion.moment < person.snoozed_until
    if person.kind is PersonKind.IGNORED or is_snoozed:
        return False
    if person.class_name is not None and person.class_name in rule.classes:
        return True
    if person.kind is PersonKind.UNKNOWN:
        return Subject.STRANGER in rule.about
    expired = Subject.EXPIRED in rule.about and not person.is_valid_at(occasion.moment)
    return Subject.KNOWN in rule.about or expired


def _cools_down(rule: Rule, occasion: Occasion, told: Told) -> bool:
    same = (told.rule_id, told.person_id, told.camera_id) == (
        rule.id,
        occasion.person.id,
        occasion.camera.id,
    )
    apart = abs(occasion.moment - told.moment)
    return same and apart < timedelta(seconds=rule.cooldown_s)


def _after_quiet(rule: Rule, moment: datetime) -> datetime:
    """The moment, or the end of the quiet hours that it lies in."""
    zone = ZoneInfo(rule.zone)
    local = moment.astimezone(zone)
    # One may end where another begins; all of a week is no quiet any more.
    for _ in range(2 * _DAYS):
        ends = [end for hours in rule.quiet if (end := hours.end_of(local))]
        if not ends:
            break
        local = max(ends)
    return local.astimezone(moment.tzinfo)


def _at(local: datetime, minutes: int) -> datetime:
    """So many minutes after the midnight at which that day began, by the clock on the wall."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(minutes=minutes)
