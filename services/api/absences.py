"""Who was expected and did not come: found when the hours of a rule have ended."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta

from services.api.chores import doing
from services.api.state import State
from usher.domain.alerting import Occasion, Rule, Span, ended_between, is_expected
from usher.domain.records import Camera
from usher.storage.alert_rules import AlertIntents, AlertRules, Missing
from usher.wire import utc_now

_EVERY_S = 20.0
_LONGEST = timedelta(days=1)
"""What ended before that while no API ran is no news any more."""


async def missing_between(
    state: State, rule: Rule, after: datetime, until: datetime
) -> list[Missing]:
    """Whom a rule misses in its hours that ended after `after`, until `until`.

    Nobody who was never seen: where they would be, no camera knows.
    """
    found = []
    for span in ended_between(rule, after, until):
        found += await _missing_in(state, rule, span)
    return found


async def tell_missing(state: State, *, now: datetime) -> None:
    """Write an alert for everybody whom a rule misses; what is to be classified is waited for."""
    rules = AlertRules(state.database)
    for rule, looked_until in await rules.about_absence():
        for span in ended_between(rule, max(looked_until, now - _LONGEST), now):
            if await state.detections.waits_from_before(span.end):
                break
            await AlertIntents(state.database).write_missing(await _missing_in(state, rule, span))
            await rules.looked(rule.id, span.end)


def watching_absences(state: State) -> AbstractAsyncContextManager[None]:
    """Tell of who is missing, while the API runs."""
    return doing(lambda: tell_missing(state, now=utc_now()), "absences", every_s=_EVERY_S)


async def _missing_in(state: State, rule: Rule, span: Span) -> list[Missing]:
    seen = await state.stays.seen_between(span.start, span.end, rule.cameras)
    expected = {
        person.id: person
        for person in await state.people.known_of(rule.classes)
        if person.id not in seen and is_expected(rule, person, span)
    }
    last = await state.stays.last_of(list(expected))
    cameras = await state.cameras.of_ids(sorted({one.camera_id for one in last.values()}))
    return [
        Missing(
            rule,
            span,
            Occasion(
                expected[person_id],
                cameras.get(seen_at.camera_id)
                or Camera(id=seen_at.camera_id, name=seen_at.camera_id),
                span.end,
            ),
            seen_at.detection_id,
            seen_at.moment,
        )
        for person_id, seen_at in last.items()
    ]
