"""Domain records as response bodies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from services.api.state import State
from usher import wire
from usher.domain import records
from usher.domain.alerting import Hours, Rule
from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.alert_rules import AlertRules
from usher.storage.people import Tally
from usher.storage.stays import Attended, Stay


def box_view(box: Box) -> wire.BoxBody:
    return wire.BoxBody(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)


def box_of(body: wire.BoxBody) -> Box:
    return Box(body.x1, body.y1, body.x2, body.y2)


def camera_set(camera_id: str | None, scope: Scope) -> frozenset[str] | None:
    """The cameras of a scope that a request is narrowed to; None: all that there are."""
    chosen = EVERYTHING if camera_id is None else Scope(frozenset({camera_id}))
    return (scope & chosen).cameras


def quality_view(quality: FaceQuality) -> wire.Quality:
    return wire.Quality(
        acceptable=quality.acceptable,
        size_px=quality.size_px,
        sharpness=round(quality.sharpness, 3),
        probability=None if quality.probability is None else round(quality.probability, 3),
        reasons=list(quality.reasons),
    )


def brief_view(person: records.Person | None) -> wire.PersonBrief | None:
    if person is None:
        return None
    return wire.PersonBrief(id=person.id, name=person.name, kind=person.kind)


def camera_view(camera: records.Camera, now: datetime) -> wire.Camera:
    state, since = camera.state_at(now)
    regions = regions_of(camera)
    return wire.Camera(
        id=camera.id,
        name=camera.name,
        managers=list(camera.managers),
        last_seen_at=camera.last_seen_at,
        state=state,
        state_since=since,
        reason=camera.reason if state == camera.state else None,
        rates=wire.CameraRates(**asdict(camera.rates)) if camera.rates else None,
        spool=wire.SpoolBooks(**asdict(camera.spool)) if camera.spool else None,
        width=camera.width,
        height=camera.height,
        device_id=camera.device_id,
        reported_at=camera.reported_at,
        has_frame=camera.frame_at is not None,
        frame_at=camera.frame_at,
        regions=regions,
        regions_taken_up=camera.regions_taken == (regions.digest if regions else None),
    )


def regions_of(camera: records.Camera) -> wire.CameraRegions | None:
    return wire.CameraRegions(**camera.regions) if camera.regions else None


def rates_of(body: wire.CameraRates) -> records.CameraRates:
    return records.CameraRates(**body.model_dump())


def spool_of(body: wire.SpoolBooks) -> records.SpoolBooks:
    return records.SpoolBooks(**body.model_dump())


def pairing_code_view(pairing: records.PairingCode) -> wire.PairingCode:
    return wire.PairingCode(
        id=pairing.id,
        name=pairing.name,
        cameras=list(pairing.cameras),
        expires_at=pairing.expires_at,
        device_id=pairing.device_id,
    )


def device_view(device: records.Device, scope: Scope = EVERYTHING) -> wire.Device:
    """A device, with those of its cameras that the scope admits."""
    return wire.Device(
        id=device.id,
        name=device.name,
        role=device.role,
        cameras=[camera_id for camera_id in device.cameras if scope.admits(camera_id)],
        created_at=device.created_at,
        last_seen_at=device.last_seen_at,
    )


def user_view(user: records.User) -> wire.User:
    return wire.User(
        id=user.id,
        username=user.username,
        role=user.role,
        cameras=list(user.cameras),
        accounts=list(user.accounts),
        disabled=user.disabled,
        must_renew=user.must_renew,
    )


def token_view(token: records.Token, names: Mapping[str, str]) -> wire.Token:
    return wire.Token(
        id=token.id,
        name=token.name,
        user_id=token.user_id,
        username=names.get(token.user_id, token.user_id),
        role=token.role,
        cameras=list(token.cameras),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )


async def token_views(state: State, tokens: Sequence[records.Token]) -> list[wire.Token]:
    names = await state.users.names(sorted({token.user_id for token in tokens}))
    return [token_view(token, names) for token in tokens]


async def audit_views(state: State, entries: Sequence[records.AuditEntry]) -> list[wire.AuditEntry]:
    subjects = {item.subject for item in entries}
    more = {item.id: item.action.partition(":")[2] for item in entries}
    persons = await _person_names(state, {*subjects, *more.values()})
    names = {
        **await _thing_names(state, subjects),
        **persons,
        **await names_of(state, {*subjects, *(item.actor for item in entries)}),
    }
    return [
        wire.AuditEntry(
            id=entry.id,
            number=entry.number,
            at=entry.at,
            actor_id=entry.actor,
            actor=names.get(entry.actor, entry.actor),
            action=entry.action,
            more=persons.get(more[entry.id], more[entry.id]) or None,
            subject_id=entry.subject,
            subject=names.get(entry.subject, entry.subject),
            digest=entry.digest,
        )
        for entry in entries
    ]


async def names_of(state: State, ids: Collection[str]) -> dict[str, str]:
    """The names of those users, devices and tokens that exist, by id."""
    wanted = sorted(ids)
    return {
        **await state.devices.names(wanted),
        **await state.tokens.names(wanted),
        **await state.users.names(wanted),
    }


async def _person_names(state: State, ids: Collection[str]) -> dict[str, str]:
    """The names of those persons that exist and have one, by id."""
    persons = await state.people.of_ids(sorted(ids))
    return {id_: person.name for id_, person in persons.items() if person.name}


async def _thing_names(state: State, ids: Collection[str]) -> dict[str, str]:
    """The names of those cameras and rules that exist, by id."""
    wanted = sorted(ids)
    cameras = await state.cameras.of_ids(wanted)
    return {
        **await AlertRules(state.database).names(wanted),
        **{id_: camera.name for id_, camera in cameras.items()},
    }


def face_view(face: records.Face) -> wire.Face:
    return wire.Face(
        id=face.id,
        person_id=face.person_id,
        origin=face.origin,
        detection_id=face.detection_id,
        created_at=face.created_at,
    )


def person_view(person: records.Person, tally: Tally, now: datetime) -> wire.Person:
    return wire.Person(
        id=person.id,
        name=person.name,
        kind=person.kind,
        notes=person.notes,
        created_at=person.created_at,
        last_seen_at=tally.last_seen_at,
        faces=tally.faces,
        detections=tally.detections,
        face_id=tally.face_id,
        class_name=person.class_name,
        valid_from=person.valid_from,
        valid_until=person.valid_until,
        valid_now=person.is_valid_at(now),
        managers=list(person.managers),
        snoozed_until=person.snoozed_until,
    )


def detection_view(
    detection: records.Detection, persons: Mapping[str, records.Person]
) -> wire.Detection:
    frame = detection.frame
    return wire.Detection(
        id=detection.id,
        camera_id=detection.camera_id,
        captured_at=detection.captured_at,
        received_at=detection.received_at,
        status=detection.status,
        reason=detection.reason,
        person=brief_view(persons.get(detection.person_id or "")),
        confidence=detection.confidence,
        candidate=brief_view(persons.get(detection.candidate_id or "")),
        confirmed=detection.confirmed,
        quality=quality_view(detection.quality) if detection.quality else None,
        box=box_view(detection.box) if detection.box else None,
        frame=wire.FramePlace(box=box_view(frame.box), width=frame.width, height=frame.height)
        if frame
        else None,
        track_id=detection.track_id,
        visit_id=detection.visit_id,
    )


async def person_views(
    state: State, persons: Sequence[records.Person], scope: Scope
) -> list[wire.Person]:
    """Persons, with what the cameras of a scope have seen of them."""
    tallies = await state.people.tallies([person.id for person in persons], scope)
    now = wire.utc_now()
    return [person_view(person, tallies[person.id], now) for person in persons]


async def one_person_view(state: State, person: records.Person, scope: Scope) -> wire.Person:
    (view,) = await person_views(state, [person], scope)
    return view


async def detection_views(
    state: State, detections: Sequence[records.Detection]
) -> list[wire.Detection]:
    named = {id_ for item in detections for id_ in (item.person_id, item.candidate_id) if id_}
    persons = await state.people.of_ids(sorted(named))
    return [detection_view(detection, persons) for detection in detections]


async def one_detection_view(state: State, detection: records.Detection) -> wire.Detection:
    (view,) = await detection_views(state, [detection])
    return view


async def visit_views(state: State, stays: Sequence[Stay]) -> list[wire.Visit]:
    persons = await state.people.of_ids(sorted({stay.visit.person_id for stay in stays}))
    return [_visit_view(stay, persons.get(stay.visit.person_id)) for stay in stays]


def _visit_view(stay: Stay, person: records.Person | None) -> wire.Visit:
    visit = stay.visit
    return wire.Visit(
        id=visit.id,
        person=brief_view(person),
        camera_id=visit.camera_id,
        started_at=visit.started_at,
        last_at=visit.last_at,
        detections=stay.detections,
        detection_id=stay.detection_id,
    )


def presence_view(attended: Attended) -> wire.Presence:
    person = attended.person
    return wire.Presence(
        day=attended.day,
        person=wire.PersonBrief(id=person.id, name=person.name, kind=person.kind),
        class_name=person.class_name,
        first_seen_at=attended.first_at,
        last_seen_at=attended.last_at,
        duration_s=(attended.last_at - attended.first_at).total_seconds(),
        visits=attended.visits,
    )


async def alert_views(state: State, alerts: Sequence[records.Alert]) -> list[wire.Alert]:
    candidates = await state.detections.candidates_of([alert.detection_id for alert in alerts])
    ids = {alert.person_id for alert in alerts} | set(candidates.values())
    persons = await state.people.of_ids(sorted(ids))
    cameras = await state.cameras.of_ids(sorted({alert.camera_id for alert in alerts}))
    names = await names_of(state, {alert.answered_by for alert in alerts if alert.answered_by})
    now = wire.utc_now()
    return [
        _alert_view(
            alert,
            persons.get(alert.person_id),
            persons.get(candidates.get(alert.detection_id, "")),
            cameras.get(alert.camera_id),
            names,
            now,
        )
        for alert in alerts
    ]


def _alert_view(
    alert: records.Alert,
    person: records.Person | None,
    candidate: records.Person | None,
    camera: records.Camera | None,
    names: Mapping[str, str],
    now: datetime,
) -> wire.Alert:
    return wire.Alert(
        id=alert.id,
        status=alert.status,
        person=brief_view(person),
        candidate=brief_view(candidate),
        camera=camera_view(camera or records.Camera(id=alert.camera_id, name=alert.camera_id), now),
        detection_id=alert.detection_id,
        visit_id=alert.visit_id,
        captured_at=alert.captured_at,
        created_at=alert.created_at,
        sent_at=alert.sent_at,
        attempts=alert.attempts,
        reason=alert.reason,
        rules=list(alert.rules),
        deliveries=[delivery_view(one) for one in alert.deliveries],
        answered_at=alert.answered_at,
        answered_by=names.get(alert.answered_by or "", alert.answered_by),
        answer=alert.answer,
        absence=wire.Absence(
            expected_from=alert.absence.expected_from, last_seen_at=alert.absence.last_seen_at
        )
        if alert.absence
        else None,
    )


def delivery_view(delivery: records.Delivery) -> wire.Delivery:
    return wire.Delivery(
        id=delivery.id,
        kind=delivery.kind,
        to=delivery.to,
        status=delivery.status,
        not_before=delivery.not_before,
        attempts=delivery.attempts,
        sent_at=delivery.sent_at,
        reason=delivery.reason,
        via="console" if delivery.via else None,
    )


def rule_view(rule: Rule) -> wire.AlertRule:
    escalates = rule.escalate_after_s
    return wire.AlertRule(
        id=rule.id,
        name=rule.name,
        enabled=rule.enabled,
        about=list(rule.about),
        classes=list(rule.classes),
        cameras=list(rule.cameras),
        zone=rule.zone,
        hours=[_hours_view(hours) for hours in rule.hours],
        quiet=[_hours_view(hours) for hours in rule.quiet],
        cooldown_minutes=rule.cooldown_s // 60,
        to=list(rule.to),
        escalate_after_minutes=None if escalates is None else escalates // 60,
        escalate_to=list(rule.escalate_to),
    )


def _hours_view(hours: Hours) -> wire.WeeklyHours:
    return wire.WeeklyHours(days=list(hours.days), start=_clock(hours.start), end=_clock(hours.end))


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


async def change_views(
    state: State, changes: Sequence[records.IdentityChange]
) -> list[wire.IdentityChange]:
    persons = await state.people.of_ids(sorted({id_ for item in changes for id_ in item.persons}))
    actors = {id_ for item in changes for id_ in (item.actor, item.undone_by) if id_}
    names = await names_of(state, actors)
    return [_change_view(change, persons, names) for change in changes]


async def one_change_view(state: State, change: records.IdentityChange) -> wire.IdentityChange:
    (view,) = await change_views(state, [change])
    return view


def _change_view(
    change: records.IdentityChange,
    persons: Mapping[str, records.Person],
    names: Mapping[str, str],
) -> wire.IdentityChange:
    briefs = [brief_view(persons.get(id_)) for id_ in change.persons]
    return wire.IdentityChange(
        id=change.id,
        at=change.at,
        actor=names.get(change.actor, change.actor),
        kind=change.kind,
        persons=[brief for brief in briefs if brief is not None],
        detections=change.detections,
        undone_at=change.undone_at,
        undone_by=names.get(change.undone_by or "", change.undone_by),
        final=change.final,
    )
