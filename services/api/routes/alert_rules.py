"""The rules of who is told of which visits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.api.absences import missing_between
from services.api.dependencies import ADMINS, MANAGERS, Api, OptionalKey, Principal
from services.api.repeats import once_of
from services.api.state import State
from services.api.views import rule_view
from usher import wire
from usher.domain.alerting import Hours, Occasion, Rule, Told, addresses, applies, deliveries
from usher.domain.errors import Conflict
from usher.domain.identifiers import new_id
from usher.domain.records import Camera
from usher.storage.alert_rules import AlertRules
from usher.storage.stays import Stay, StayFilter
from usher.wire import utc_now

router = APIRouter(prefix="/alert-rules", tags=["alerts"])

Admin = Annotated[Principal, Depends(ADMINS)]

_MOST_RULES = 50
_PREVIEWED = timedelta(days=1)
_PREVIEWED_VISITS = 2_000
_EXAMPLES = 20


@router.get("", dependencies=[Depends(MANAGERS)])
async def rules(state: Api) -> wire.Page[wire.AlertRule]:
    """Every rule, in the order in which they were made."""
    return wire.Page(items=[rule_view(rule) for rule in await AlertRules(state.database).all()])


@router.post(
    "",
    status_code=201,
    responses={200: {"model": wire.AlertRule, "description": "Added before, by the same request."}},
)
async def create(
    body: wire.AlertRuleBody,
    response: Response,
    principal: Admin,
    state: Api,
    key: OptionalKey = None,
) -> wire.AlertRule:
    """Add a rule. A visit is one alert, however many rules tell of it."""
    found = AlertRules(state.database)
    once = once_of(principal, "alert_rule.create", key, body.model_dump_json().encode())
    if once and (made := await state.repetitions.made_by(once)):
        response.status_code = 200
        return rule_view(await found.get(made))
    if len(await found.all()) >= _MOST_RULES:
        raise Conflict(f"there are {_MOST_RULES} rules already: remove one first")
    rule = _rule(new_id(), body)
    await found.add(rule, once=once)
    await state.audit.add(principal.id, "alert_rule.create", rule.id, now=utc_now())
    return rule_view(rule)


@router.put("/{rule_id}")
async def replace(
    rule_id: str, body: wire.AlertRuleBody, principal: Admin, state: Api
) -> wire.AlertRule:
    """Change a rule. It holds for visits that begin from now on."""
    found = AlertRules(state.database)
    await found.get(rule_id)
    rule = _rule(rule_id, body)
    await found.save(rule)
    await state.audit.add(principal.id, "alert_rule.update", rule_id, now=utc_now())
    return rule_view(rule)


@router.delete("/{rule_id}", status_code=204)
async def delete(rule_id: str, principal: Admin, state: Api) -> None:
    """Remove a rule."""
    await AlertRules(state.database).remove(rule_id)
    await state.audit.add(principal.id, "alert_rule.delete", rule_id, now=utc_now())


@router.post("/preview", dependencies=[Depends(ADMINS)])
async def preview(body: wire.AlertRuleBody, state: Api) -> wire.RulePreview:
    """What a rule would have said of the last 24 hours, as people are called now."""
    rule = _rule("", body)
    if rule.is_about_absence:
        return await _previewed_absences(state, rule)
    visits = await _recent_visits(state)
    occasions = [one for one in await _occasions(state, visits) if one is not None]
    told: list[Told] = []
    alerts: list[tuple[Stay, Occasion]] = []
    for stay, occasion in occasions:
        if applies(rule, occasion, told):
            told.append(Told(rule.id, occasion.person.id, occasion.camera.id, occasion.moment))
            alerts.append((stay, occasion))
    messages = sum(len(deliveries([rule], one, now=one.moment)) for _, one in alerts)
    return wire.RulePreview(
        visits=len(occasions),
        alerts=len(alerts),
        messages=messages,
        examples=[
            _previewed(rule, occasion, stay.detection_id)
            for stay, occasion in reversed(alerts[-_EXAMPLES:])
        ],
    )


async def _previewed_absences(state: State, rule: Rule) -> wire.RulePreview:
    now = utc_now()
    missing = await missing_between(state, rule, now - _PREVIEWED, now)
    messages = (deliveries([rule], one.occasion, now=one.occasion.moment) for one in missing)
    return wire.RulePreview(
        visits=0,
        alerts=len(missing),
        messages=sum(map(len, messages)),
        examples=[
            _previewed(rule, one.occasion, one.detection_id)
            for one in reversed(missing[-_EXAMPLES:])
        ],
    )


async def _recent_visits(state: State) -> list[Stay]:
    """In the order in which they began."""
    selection = StayFilter(since=utc_now() - _PREVIEWED)
    found, _ = await state.stays.page(selection, cursor=None, limit=_PREVIEWED_VISITS)
    return found[::-1]


async def _occasions(state: State, visits: Sequence[Stay]) -> list[tuple[Stay, Occasion]]:
    persons = await state.people.of_ids(sorted({stay.visit.person_id for stay in visits}))
    cameras = await state.cameras.of_ids(sorted({stay.visit.camera_id for stay in visits}))
    found = []
    for stay in visits:
        camera_id = stay.visit.camera_id
        camera = cameras.get(camera_id) or Camera(id=camera_id, name=camera_id)
        if person := persons.get(stay.visit.person_id):
            found.append((stay, Occasion(person, camera, stay.visit.started_at)))
    return found


def _previewed(rule: Rule, occasion: Occasion, detection_id: str | None) -> wire.PreviewedAlert:
    person = occasion.person
    return wire.PreviewedAlert(
        person=wire.PersonBrief(id=person.id, name=person.name, kind=person.kind),
        camera_id=occasion.camera.id,
        detection_id=detection_id,
        captured_at=occasion.moment,
        to=addresses(rule.to, occasion),
    )


def _rule(rule_id: str, body: wire.AlertRuleBody) -> Rule:
    escalates = body.escalate_after_minutes
    return Rule(
        id=rule_id,
        name=body.name,
        enabled=body.enabled,
        about=tuple(body.about),
        classes=tuple(body.classes),
        cameras=tuple(body.cameras),
        zone=body.zone,
        hours=_hours(body.hours),
        quiet=_hours(body.quiet),
        cooldown_s=60 * body.cooldown_minutes,
        to=tuple(body.to),
        escalate_after_s=None if escalates is None else 60 * escalates,
        escalate_to=tuple(body.escalate_to),
    )


def _hours(written: Sequence[wire.WeeklyHours]) -> tuple[Hours, ...]:
    return tuple(
        Hours(tuple(sorted(set(one.days))), _minutes(one.start), _minutes(one.end))
        for one in written
    )


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return 60 * int(hours) + int(minutes)
