"""The rules of who is told of which visits, and the alerts that they make of a visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.errors import BulkWriteError

from usher.domain.alerting import (
    Hours,
    Occasion,
    Rule,
    Span,
    Subject,
    Told,
    applies,
    deliveries,
)
from usher.domain.errors import NotFound
from usher.domain.identifiers import new_id
from usher.domain.records import Absence, Alert, Camera, Detection
from usher.storage.alerts import alert_document
from usher.storage.database import Database, Session, in_transaction
from usher.storage.documents import (
    Document,
    camera_from_document,
    milliseconds,
    person_from_document,
    plain,
)
from usher.storage.repetitions import Once, Repetitions

_DUPLICATE = 11000

STRANGERS = Rule(id="strangers", name="Strangers")
"""The rule that there is until somebody changes it: every stranger, to the camera's managers."""


class AlertRules:
    """Queries on the collections `alert_rules` and `alert_mutes`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rules = database["alert_rules"]
        self._repetitions = Repetitions(database)
        self._mutes = database["alert_mutes"]

    async def all(self, session: Session | None = None) -> list[Rule]:
        """Every rule, in the order in which they were made."""
        found = await self._rules.find({}, session=session).sort("created_at", 1).to_list()
        return [_rule(document) for document in found]

    async def names(self, rule_ids: Sequence[str]) -> dict[str, str]:
        """The names of those rules that exist, by id."""
        found = self._rules.find({"_id": {"$in": list(rule_ids)}}, {"name": 1})
        return {row["_id"]: row["name"] for row in await found.to_list()}

    async def get(self, rule_id: str) -> Rule:
        """Raises NotFound where there is none."""
        document = await self._rules.find_one({"_id": rule_id})
        if document is None:
            raise NotFound(f"there is no alert rule {rule_id}")
        return _rule(document)

    async def add(self, rule: Rule, *, once: Once | None = None) -> None:
        """Keep a new rule; Conflict where `once` was answered meanwhile."""

        async def work(session: Session) -> None:
            if once is not None:
                await self._repetitions.note(once, rule.id, session)
            await self.save(rule, session)

        await in_transaction(self._database, work)

    async def save(self, rule: Rule, session: Session | None = None) -> None:
        """Keep a rule, new or changed; it tells of nothing that was before."""
        now = milliseconds(datetime.now(UTC))
        await self._rules.update_one(
            {"_id": rule.id},
            {
                "$set": {**rule_document(rule), "looked_until": now},
                "$setOnInsert": {"created_at": now},
            },
            upsert=True,
            session=session,
        )

    async def about_absence(self) -> list[tuple[Rule, datetime]]:
        """The rules that tell of who did not come, with the end of the time told of."""
        query = {"enabled": True, "about": Subject.ABSENT}
        return [(_rule(row), row["looked_until"]) async for row in self._rules.find(query)]

    async def looked(self, rule_id: str, until: datetime) -> None:
        """Keep until when a rule has told of who did not come."""
        await self._rules.update_one({"_id": rule_id}, {"$max": {"looked_until": until}})

    async def remove(self, rule_id: str) -> None:
        """Raises NotFound where there is none."""
        if not (await self._rules.delete_one({"_id": rule_id})).deleted_count:
            raise NotFound(f"there is no alert rule {rule_id}")

    async def mute(self, to: str, until: datetime) -> None:
        """Tell an address (`CHANNEL:ADDRESS`) of no visit that begins before `until`."""
        await self._mutes.update_one({"_id": to}, {"$set": {"until": until}}, upsert=True)

    async def muted(self, session: Session | None = None) -> dict[str, datetime]:
        """By address, until when it is told of nothing."""
        found = await self._mutes.find({}, session=session).to_list()
        return {document["_id"]: document["until"] for document in found}


@dataclass(frozen=True, slots=True)
class Beginning:
    """A visit that begins with a detection."""

    visit_id: str
    person_id: str
    detection: Detection


@dataclass(frozen=True, slots=True)
class Missing:
    """Somebody who was not seen in the hours of a rule."""

    rule: Rule
    span: Span
    occasion: Occasion
    detection_id: str
    last_seen_at: datetime


class AlertIntents:
    """Makes alerts of visits, and of visits that did not come."""

    def __init__(self, database: Database) -> None:
        self._persons = database["persons"]
        self._cameras = database["cameras"]
        self._alerts = database["alerts"]
        self._rules = AlertRules(database)

    async def write(self, beginnings: Sequence[Beginning], session: Session) -> None:
        """Write down whom the rules want to be told of these visits: a part of a transaction."""
        if not beginnings:
            return
        rules = [rule for rule in await self._rules.all(session) if rule.enabled]
        if not rules:
            return
        occasions = await self._occasions(beginnings, session)
        told = await self._told(rules, beginnings, session)
        muted = await self._rules.muted(session)
        now = milliseconds(datetime.now(UTC))
        alerts = []
        for beginning in sorted(beginnings, key=lambda one: one.detection.captured_at):
            occasion = occasions.get(beginning.visit_id)
            matching = [rule for rule in rules if occasion and applies(rule, occasion, told)]
            if occasion is None or not matching:
                continue
            told += [_told(rule.id, occasion) for rule in matching]
            alerts.append(
                Alert(
                    id=new_id(),
                    visit_id=beginning.visit_id,
                    person_id=beginning.person_id,
                    camera_id=beginning.detection.camera_id,
                    detection_id=beginning.detection.id,
                    captured_at=beginning.detection.captured_at,
                    created_at=now,
                    rules=tuple(rule.id for rule in matching),
                    deliveries=deliveries(matching, occasion, now=now, muted=muted),
                )
            )
        if alerts:
            await self._alerts.insert_many(
                [alert_document(alert) for alert in alerts], session=session
            )

    async def write_missing(self, missing: Sequence[Missing]) -> None:
        """Write down whom a rule tells of these, each once however often this is called."""
        if not missing:
            return
        muted = await self._rules.muted()
        now = milliseconds(datetime.now(UTC))
        documents = [alert_document(_missing_alert(one, now, muted)) for one in missing]
        try:
            await self._alerts.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            if any(one["code"] != _DUPLICATE for one in error.details["writeErrors"]):
                raise

    async def _occasions(
        self, beginnings: Sequence[Beginning], session: Session
    ) -> dict[str, Occasion]:
        ids = {"_id": {"$in": sorted({one.person_id for one in beginnings})}}
        found = await self._persons.find(ids, session=session).to_list()
        persons = {row["_id"]: person_from_document(row) for row in found}
        ids = {"_id": {"$in": sorted({one.detection.camera_id for one in beginnings})}}
        found = await self._cameras.find(ids, session=session).to_list()
        cameras = {row["_id"]: camera_from_document(row) for row in found}
        return {
            one.visit_id: Occasion(
                persons[one.person_id],
                cameras.get(one.detection.camera_id, _unknown_camera(one.detection.camera_id)),
                one.detection.captured_at,
            )
            for one in beginnings
            if one.person_id in persons
        }

    async def _told(
        self, rules: Sequence[Rule], beginnings: Sequence[Beginning], session: Session
    ) -> list[Told]:
        """Of what the rules have told, as far as they still cool down from it."""
        longest = timedelta(seconds=max(rule.cooldown_s for rule in rules))
        if not longest:
            return []
        moments = [one.detection.captured_at for one in beginnings]
        found = self._alerts.find(
            {
                "person_id": {"$in": sorted({one.person_id for one in beginnings})},
                "captured_at": {"$gt": min(moments) - longest, "$lt": max(moments) + longest},
            },
            {"rules": 1, "person_id": 1, "camera_id": 1, "captured_at": 1},
            session=session,
        )
        return [
            Told(rule_id, row["person_id"], row["camera_id"], row["captured_at"])
            for row in await found.to_list()
            for rule_id in row.get("rules", ())
        ]


def _missing_alert(missing: Missing, now: datetime, muted: Mapping[str, datetime]) -> Alert:
    rule, occasion = missing.rule, missing.occasion
    id_ = f"{rule.id}-{occasion.person.id}-{missing.span.end:%Y%m%dT%H%M}"
    return Alert(
        id=id_,
        visit_id=id_,
        person_id=occasion.person.id,
        camera_id=occasion.camera.id,
        detection_id=missing.detection_id,
        captured_at=occasion.moment,
        created_at=now,
        rules=(rule.id,),
        deliveries=deliveries([rule], occasion, now=now, muted=muted),
        absence=Absence(expected_from=missing.span.start, last_seen_at=missing.last_seen_at),
    )


def _told(rule_id: str, occasion: Occasion) -> Told:
    return Told(rule_id, occasion.person.id, occasion.camera.id, occasion.moment)


def _unknown_camera(camera_id: str) -> Camera:
    return Camera(id=camera_id, name=camera_id)


def rule_document(rule: Rule) -> Document:
    """What is kept of a rule, without its identifier."""
    document = {one.name: plain(getattr(rule, one.name)) for one in fields(rule)}
    del document["id"]
    return {**document, "hours": _plain_hours(rule.hours), "quiet": _plain_hours(rule.quiet)}


def _plain_hours(hours: Sequence[Hours]) -> list[Document]:
    return [{"days": list(one.days), "start": one.start, "end": one.end} for one in hours]


def _rule(document: Mapping[str, Any]) -> Rule:
    known = {one.name for one in fields(Rule)} - {"id"}
    values = {name: value for name, value in document.items() if name in known}
    for name in ("classes", "cameras", "to", "escalate_to"):
        values[name] = tuple(values[name])
    for name in ("hours", "quiet"):
        values[name] = tuple(
            Hours(tuple(one["days"]), one["start"], one["end"]) for one in values[name]
        )
    values["about"] = tuple(Subject(one) for one in values["about"])
    return Rule(id=document["_id"], **values)
