"""Who stayed where and when: the visits, to be read, and what they make of each day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from usher.domain.errors import InvalidInput
from usher.domain.records import Person, PersonKind, Visit
from usher.storage.database import Database
from usher.storage.documents import Document, person_from_document, visit_from_document
from usher.storage.paging import newest_first

MOST_DAYS = 93
MOST_ROWS = 20_000
_LONGEST = timedelta(days=7)
"""Of a visit that lasts longer only the last days are told: an index then bounds what is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayFilter:
    """What visits are narrowed to; None leaves a field open. `until` is exclusive."""

    camera_ids: frozenset[str] | None = None
    person_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> Document:
        query: Document = {} if self.person_id is None else {"person_id": self.person_id}
        if self.camera_ids is not None:
            query["camera_id"] = {"$in": sorted(self.camera_ids)}
        bounds = {"$gte": self.since, "$lt": self.until}
        between = {name: value for name, value in bounds.items() if value is not None}
        return {**query, "started_at": between} if between else query


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A visit, how many detections it has, and the first of them."""

    visit: Visit
    detections: int
    detection_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Days in a time zone, both included, of persons of a kind and perhaps of a class."""

    first: date
    last: date
    zone: ZoneInfo
    kind: PersonKind = PersonKind.KNOWN
    class_name: str | None = None
    camera_ids: frozenset[str] | None = None

    def bounds(self) -> tuple[datetime, datetime]:
        """Where the first begins and where the last ends, in UTC.

        Raises
        ------
        InvalidInput
            If they are none, or too many, or lie at the ends of the calendar.
        """
        if not 0 <= (self.last - self.first).days < MOST_DAYS:
            raise InvalidInput(f"ask for 1 to {MOST_DAYS} days, the first of them before the last")
        try:
            end = self.last + timedelta(days=1)
            return self._midnight(self.first), self._midnight(end)
        except OverflowError as error:
            raise InvalidInput("the days lie before or after the years 1 to 9999") from error

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone).astimezone(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attended:
    """When somebody was first and last seen on a day, and how many visits that were."""

    day: date
    person: Person
    first_at: datetime
    last_at: datetime
    visits: int


class Stays:
    """Queries on `visits`."""

    def __init__(self, database: Database) -> None:
        self._visits = database["visits"]
        self._detections = database["detections"]

    async def page(
        self, selection: StayFilter, *, cursor: str | None, limit: int
    ) -> tuple[list[Stay], str | None]:
        """Visits, the last to begin first."""
        documents, following = await newest_first(
            self._visits, selection.query(), by="started_at", cursor=cursor, limit=limit
        )
        firsts = await self._first_detections(documents)
        return [_stay(document, firsts) for document in documents], following

    async def attendance(self, days: Days) -> list[Attended]:
        """Who was there on which day, by day, name and id.

        Of a visit over midnight each day has its part.

        Raises
        ------
        InvalidInput
            As `Days.bounds`, or if there are more than 20,000 rows.
        """
        rows = await self._visits.aggregate(stages_of(days))
        found = [_attended(row, days.zone) async for row in rows]
        if len(found) > MOST_ROWS:
            raise InvalidInput(f"these are more than {MOST_ROWS} rows: ask for fewer days")
        return found

    async def _first_detections(self, visits: Sequence[Document]) -> dict[str, str]:
        """The detections that visits begin with, by visit."""
        if not visits:
            return {}
        begun = [
            {"person_id": visit["person_id"], "captured_at": visit["started_at"]}
            for visit in visits
        ]
        found = self._detections.find({"$or": begun}, {"visit_id": 1})
        return {row["visit_id"]: row["_id"] for row in await found.to_list()}


def stages_of(days: Days) -> list[Document]:
    """The aggregation over `visits` that gives a row for each day and person."""
    since, until = days.bounds()
    zone = days.zone.key
    query: Document = {
        "started_at": {"$gte": since - _LONGEST, "$lt": until},
        "last_at": {"$gte": since},
    }
    if days.camera_ids is not None:
        query["camera_id"] = {"$in": sorted(days.camera_ids)}
    person: Document = {"person.kind": days.kind}
    if days.class_name is not None:
        person["person.class_name"] = days.class_name
    begin: Document = {"$dateTrunc": {"date": "$started_at", "unit": "day", "timezone": zone}}
    span = {
        "$dateDiff": {
            "startDate": "$started_at",
            "endDate": "$last_at",
            "unit": "day",
            "timezone": zone,
        }
    }
    return [
        {"$match": query},
        {"$set": {"begin": begin, "nth": {"$range": [0, {"$add": [span, 1]}]}}},
        {"$unwind": "$nth"},
        {"$set": {"day": _later("$begin", "$nth", zone)}},
        {"$match": {"day": {"$gte": since, "$lt": until}}},
        {"$set": {"next": _later("$day", 1, zone)}},
        {
            "$group": {
                "_id": {"day": "$day", "person": "$person_id"},
                "first": {"$min": {"$max": ["$started_at", "$day"]}},
                "last": {"$max": {"$min": ["$last_at", "$next"]}},
                "visits": {"$sum": 1},
            }
        },
        {
            "$lookup": {
                "from": "persons",
                "localField": "_id.person",
                "foreignField": "_id",
                "as": "person",
            }
        },
        {"$unwind": "$person"},
        {"$match": person},
        {"$sort": {"_id.day": 1, "person.name": 1, "_id.person": 1}},
        {"$limit": MOST_ROWS + 1},
    ]


def _later(start: str, amount: str | int, zone: str) -> Document:
    return {"$dateAdd": {"startDate": start, "unit": "day", "amount": amount, "timezone": zone}}


def _attended(row: Document, zone: ZoneInfo) -> Attended:
    return Attended(
        day=row["_id"]["day"].astimezone(zone).date(),
        person=person_from_document(row["person"]),
        first_at=row["first"],
        last_at=row["last"],
        visits=row["visits"],
    )


def _stay(document: Document, firsts: Mapping[str, str]) -> Stay:
    return Stay(
        visit=visit_from_document(document),
        detections=document.get("detections", 0),
        detection_id=firsts.get(document["_id"]),
    )
