from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from usher.domain.alerting import (
    Hours,
    Occasion,
    Rule,
    Span,
    Subject,
    Told,
    addresses,
    applies,
    deliveries,
    ended_between,
    is_expected,
    qualified,
)
from usher.domain.records import Camera, DeliveryKind, Person, PersonKind

SUNDAY_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
STRANGER = Person(id="p-1", kind=PersonKind.UNKNOWN, created_at=SUNDAY_NOON)
ADA = Person(id="p-2", kind=PersonKind.KNOWN, created_at=SUNDAY_NOON, name="Ada")
DOOR = Camera(id="door", name="Door")
RULE = Rule(id="r", name="Strangers")
EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)
NIGHT = Hours(EVERY_DAY, 22 * 60, 7 * 60)


def seen(person: Person = STRANGER, at: datetime = SUNDAY_NOON, camera: Camera = DOOR) -> Occasion:
    return Occasion(person, camera, at)


def at_hour(hour: int, day: int = 22) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


# ---- Of whom -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "person", "expected"),
    [
        (RULE, STRANGER, True),
        (RULE, ADA, False),
        (RULE, replace(STRANGER, kind=PersonKind.IGNORED), False),
        (replace(RULE, enabled=False), STRANGER, False),
        (replace(RULE, about=(Subject.KNOWN,)), ADA, True),
        (replace(RULE, about=(Subject.KNOWN,)), STRANGER, False),
        (replace(RULE, classes=("barred",)), replace(ADA, class_name="barred"), True),
        (replace(RULE, classes=("barred",)), replace(ADA, class_name="staff"), False),
        (
            replace(RULE, classes=("barred",)),
            replace(ADA, class_name="barred", kind=PersonKind.IGNORED),
            False,
        ),
        (replace(RULE, about=(Subject.EXPIRED,)), ADA, False),
        (
            replace(RULE, about=(Subject.EXPIRED,)),
            replace(ADA, valid_until=SUNDAY_NOON),
            True,
        ),
        (
            replace(RULE, about=(Subject.EXPIRED,)),
            replace(ADA, valid_from=SUNDAY_NOON + timedelta(hours=1)),
            True,
        ),
        (RULE, replace(STRANGER, snoozed_until=SUNDAY_NOON + timedelta(minutes=1)), False),
        (RULE, replace(STRANGER, snoozed_until=SUNDAY_NOON), True),
    ],
)
def test_rule_applies_to_whom_it_is_about(rule: Rule, person: Person, expected: bool) -> None:
    assert applies(rule, seen(person)) is expected


@pytest.mark.parametrize(
    ("cameras", "expected"), [((), True), (("door",), True), (("yard",), False)]
)
def test_rule_applies_at_its_cameras(cameras: tuple[str, ...], expected: bool) -> None:
    assert applies(replace(RULE, cameras=cameras), seen()) is expected


# ---- When ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "hour", "expected"),
    [
        (Hours(EVERY_DAY, 9 * 60, 17 * 60), 9, True),
        (Hours(EVERY_DAY, 9 * 60, 17 * 60), 17, False),
        (Hours((0,), 9 * 60, 17 * 60), 12, False),
        (NIGHT, 23, True),
        (NIGHT, 3, True),
        (NIGHT, 7, False),
        # Sunday's small hours belong to Saturday's night.
        (Hours((5,), 22 * 60, 7 * 60), 3, True),
        (Hours((6,), 22 * 60, 7 * 60), 3, False),
        (Hours((6,), 0, 0), 0, True),
        (Hours((6,), 0, 0), 23, True),
        (Hours((5,), 0, 0), 0, False),
    ],
)
def test_rule_applies_in_its_hours(hours: Hours, hour: int, expected: bool) -> None:
    assert applies(replace(RULE, hours=(hours,)), seen(at=at_hour(hour))) is expected


def test_hours_are_of_the_rules_time_zone() -> None:
    rule = replace(RULE, zone="Asia/Tokyo", hours=(Hours((6,), 21 * 60, 22 * 60),))
    assert applies(rule, seen(at=at_hour(12)))
    assert not applies(replace(rule, zone="UTC"), seen(at=at_hour(12)))


def test_rule_cools_down_from_a_visit_of_the_same_person_at_the_same_camera() -> None:
    rule = replace(RULE, cooldown_s=600)
    told = Told("r", "p-1", "door", SUNDAY_NOON - timedelta(seconds=599))
    assert not applies(rule, seen(), [told])
    assert applies(rule, seen(), [replace(told, moment=SUNDAY_NOON - timedelta(seconds=600))])
    assert applies(rule, seen(), [replace(told, person_id="p-9")])
    assert applies(rule, seen(), [replace(told, camera_id="yard")])
    assert applies(rule, seen(), [replace(told, rule_id="another")])


@pytest.mark.parametrize(
    ("quiet", "now", "expected"),
    [
        ((), at_hour(23), at_hour(23)),
        ((NIGHT,), at_hour(12), at_hour(12)),
        ((NIGHT,), at_hour(23), at_hour(7, 23)),
        ((NIGHT,), at_hour(3, 23), at_hour(7, 23)),
        # One begins where the other ends.
        ((NIGHT, Hours((0,), 7 * 60, 9 * 60)), at_hour(23), at_hour(9, 23)),
    ],
)
def test_nothing_is_sent_in_quiet_hours(
    quiet: tuple[Hours, ...], now: datetime, expected: datetime
) -> None:
    (delivery,) = deliveries([replace(RULE, quiet=quiet, to=("@ann",))], seen(), now=now)
    assert delivery.not_before == expected


def test_quiet_hours_end_by_the_clock_on_the_wall_when_summer_time_begins() -> None:
    rule = replace(RULE, zone="Europe/Berlin", quiet=(NIGHT,), to=("@ann",))
    night = datetime(2026, 3, 28, 23, tzinfo=UTC)  # The clock goes from 2 to 3 in that night.
    (delivery,) = deliveries([rule], seen(), now=night)
    assert delivery.not_before == datetime(2026, 3, 29, 5, tzinfo=UTC)


# ---- To whom -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("@ann", "chat:@ann"),
        ("chat:@ann", "chat:@ann"),
        ("mail:ann@example.org", "mail:ann@example.org"),
        ("ann:of:xmpp", "chat:ann:of:xmpp"),
        ("<@U012>", "chat:<@U012>"),
    ],
)
def test_address_without_a_channel_is_of_the_chat(written: str, expected: str) -> None:
    assert qualified(written) == expected


def test_managers_are_those_of_the_camera_and_of_the_person() -> None:
    occasion = seen(
        replace(STRANGER, managers=("mail:eve@example.org",)),
        camera=replace(DOOR, managers=("@ann", "@bob")),
    )
    assert addresses(("managers", "@ann"), occasion) == [
        "chat:@ann",
        "chat:@bob",
        "mail:eve@example.org",
    ]
    assert addresses(("managers",), seen()) == ["default:"]
    assert addresses((), seen()) == []


def test_address_is_told_once_and_as_early_as_the_earliest_of_several_rules_says() -> None:
    quiet = replace(RULE, id="quiet", quiet=(NIGHT,), to=("@ann", "@bob"))
    loud = replace(RULE, id="loud", to=("chat:@ann",))
    found = deliveries([quiet, loud], seen(), now=at_hour(23))
    assert [(one.to, one.not_before) for one in found] == [
        ("chat:@ann", at_hour(23)),
        ("chat:@bob", at_hour(7, 23)),
    ]


def test_escalation_waits_for_an_answer() -> None:
    rule = replace(RULE, to=("@ann",), escalate_after_s=600, escalate_to=("@boss",))
    first, second = deliveries([rule], seen(), now=SUNDAY_NOON)
    assert (first.kind, first.to) == (DeliveryKind.ALERT, "chat:@ann")
    assert (second.kind, second.to) == (DeliveryKind.ESCALATION, "chat:@boss")
    assert second.not_before == SUNDAY_NOON + timedelta(seconds=600)


def test_muted_address_is_not_told_until_then() -> None:
    rule = replace(RULE, to=("@ann", "@bob"))
    muted = {"chat:@ann": SUNDAY_NOON + timedelta(minutes=1)}
    assert [one.to for one in deliveries([rule], seen(), now=SUNDAY_NOON, muted=muted)] == [
        "chat:@bob"
    ]
    over = SUNDAY_NOON + timedelta(minutes=1)
    assert len(deliveries([rule], seen(), now=over, muted=muted)) == 2


# ---- Who does not come ---------------------------------------------------------------------------

WORKDAYS = (0, 1, 2, 3, 4)
MORNING = Hours(WORKDAYS, 8 * 60, 10 * 60)
ABSENT = replace(RULE, about=(Subject.ABSENT,), hours=(MORNING,), zone="Europe/Berlin")


def test_a_rule_about_absence_says_nothing_of_visits() -> None:
    rule = replace(ABSENT, hours=(), classes=("staff",))
    assert not applies(rule, seen(replace(ADA, class_name="staff")))


def test_hours_that_ended_are_those_of_the_rules_own_days_and_zone() -> None:
    # From Friday noon to Tuesday noon: Monday's and Tuesday's, in Berlin's winter.
    found = ended_between(ABSENT, at_hour(12, day=20), at_hour(12, day=24))
    assert found == [
        Span(at_hour(7, day=23), at_hour(9, day=23)),
        Span(at_hour(7, day=24), at_hour(9, day=24)),
    ]
    assert ended_between(ABSENT, at_hour(9, day=24), at_hour(12, day=24)) == []
    assert ended_between(ABSENT, at_hour(8, day=24), at_hour(9, day=24)) == found[1:]


def test_hours_over_midnight_end_on_the_day_after() -> None:
    rule = replace(RULE, about=(Subject.ABSENT,), hours=(NIGHT,))
    assert ended_between(rule, at_hour(12), at_hour(12, day=23)) == [
        Span(at_hour(22), at_hour(7, day=23))
    ]


@pytest.mark.parametrize("day", [28, 29])
def test_hours_keep_to_the_clock_on_the_wall_when_it_is_put_forward(day: int) -> None:
    rule = replace(ABSENT, hours=(replace(MORNING, days=EVERY_DAY),))
    since = datetime(2026, 3, day, tzinfo=UTC)
    (span,) = ended_between(rule, since, since + timedelta(hours=20))
    assert span.start == since + timedelta(hours=7 if day == 28 else 6)
    assert span.end - span.start == timedelta(hours=2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"class_name": "staff"}, True),
        ({"class_name": "visitor"}, False),
        ({"kind": PersonKind.UNKNOWN}, False),
        ({"kind": PersonKind.IGNORED}, False),
        ({"valid_from": at_hour(8, day=23)}, False),
        ({"valid_until": at_hour(8, day=23)}, False),
        ({"snoozed_until": at_hour(12, day=23)}, False),
        ({"snoozed_until": at_hour(8, day=23)}, True),
    ],
)
def test_who_is_expected(changes: dict[str, Any], expected: bool) -> None:
    span = Span(at_hour(7, day=23), at_hour(9, day=23))
    rule = replace(ABSENT, classes=("staff",))
    ada = replace(ADA, **{"class_name": "staff", **changes})
    assert is_expected(rule, ada, span) is expected


def test_a_rule_without_classes_expects_everybody_known() -> None:
    assert is_expected(ABSENT, ADA, Span(at_hour(7, day=23), at_hour(9, day=23)))
