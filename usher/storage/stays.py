"""Who stayed where and when: the visits, to be read, and what they make of each day."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from usher.domain.errors import InvalidInput
from usher.domain.records import Person, PersonKind, Visit
from usher.storage.database import Database
from usher.storage.documents import Document, person_from_document, visit_from_document
from usher.storage.paging import cursor_after, newest_first

MOST_DAYS = 93
MOST_ROWS = 20_000
MOST_LOOKED_THROUGH = 5_000
"""Of visits, for one page of those of a kind: a visit does not say of which kind its person is."""
_STEP = 500
_BATCH = 5_000
_LONGEST = timedelta(days=7)
"""Of a visit that lasts longer only the last days are told: an index then bounds what is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StayFilter:
    """What visits are narrowed to; None leaves a field open. `until` is exclusive."""

    camera_ids: frozenset[str] | None = None
    person_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    kind: PersonKind | None = None

    def query(self) -> Document:
        """What a visit says itself: all but the kind of its person."""
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
class LastSeen:
    """Somebody's newest detection."""

    detection_id: str
    camera_id: str
    moment: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Days in a time zone, both included, of persons of a kind and perhaps of a class."""

    first: date
    last: date
    zone: ZoneInfo
    kind: PersonKind = PersonKind.KNOWN
    class_name: str | None = None
    camera_ids: frozenset[str] | None = None

    def midnights(self) -> list[datetime]:
        """Where each day begins, and where the last one ends, in UTC.

        Raises
        ------
        InvalidInput
            If they are none, or too many.
        """
        if not 0 <= (self.last - self.first).days < MOST_DAYS:
            raise InvalidInput(f"ask for 1 to {MOST_DAYS} days, the first of them before the last")
        count = (self.last - self.first).days + 1
        return [self._midnight(self.first + timedelta(days=nth)) for nth in range(count + 1)]

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
        self._persons = database["persons"]

    async def page(
        self, selection: StayFilter, *, cursor: str | None, limit: int
    ) -> tuple[list[Stay], str | None]:
        """Visits, the last to begin first.

        Of a kind a page may have fewer, or none, while others follow: 5,000 visits are looked
        through for one.
        """
        if selection.kind is None:
            documents, following = await self._newest(selection, cursor, limit)
        else:
            documents, following = await self._newest_of(selection.kind, selection, cursor, limit)
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
        midnights = days.midnights()
        persons: dict[str, Person | None] = {}
        spans: dict[tuple[int, str], tuple[datetime, datetime, int]] = {}
        async for visits in self._in_batches(visits_of(days)):
            await self._learn(persons, {visit["person_id"] for visit in visits}, days)
            for visit in visits:
                if persons[visit["person_id"]] is not None:
                    _add(spans, visit, midnights)
            if len(spans) > MOST_ROWS:
                raise InvalidInput(f"these are more than {MOST_ROWS} rows: ask for fewer days")
        found = [
            Attended(
                day=days.first + timedelta(days=nth),
                person=person,
                first_at=first_at,
                last_at=last_at,
                visits=count,
            )
            for (nth, person_id), (first_at, last_at, count) in spans.items()
            if (person := persons[person_id]) is not None
        ]
        return sorted(found, key=lambda one: (one.day, one.person.name or "", one.person.id))

    async def seen_between(
        self, start: datetime, end: datetime, camera_ids: Sequence[str] = ()
    ) -> set[str]:
        """Whom some of those cameras, or any, saw between two moments; `end` is exclusive."""
        query: Document = {"last_at": {"$gte": start}, "started_at": {"$lt": end}}
        if camera_ids:
            query["camera_id"] = {"$in": sorted(camera_ids)}
        return set(await self._visits.distinct("person_id", query))

    async def last_of(self, person_ids: Sequence[str]) -> dict[str, LastSeen]:
        """When and where each was seen for the last time; nothing of whoever never was."""
        newest: list[Document] = [
            {"$sort": {"captured_at": -1}},
            {"$limit": 1},
            {"$project": {"camera_id": 1, "captured_at": 1}},
        ]
        of_person = {"from": "detections", "localField": "_id", "foreignField": "person_id"}
        rows = await self._persons.aggregate(
            [
                {"$match": {"_id": {"$in": list(person_ids)}}},
                {"$project": {"_id": 1}},
                {"$lookup": {**of_person, "pipeline": newest, "as": "last"}},
                {"$unwind": "$last"},
            ]
        )
        return {
            row["_id"]: LastSeen(
                detection_id=row["last"]["_id"],
                camera_id=row["last"]["camera_id"],
                moment=row["last"]["captured_at"],
            )
            async for row in rows
        }

    async def _newest(
        self, selection: StayFilter, cursor: str | None, limit: int
    ) -> tuple[list[Document], str | None]:
        return await newest_first(
            self._visits, selection.query(), by="started_at", cursor=cursor, limit=limit
        )

    async def _newest_of(
        self, kind: PersonKind, selection: StayFilter, cursor: str | None, limit: int
    ) -> tuple[list[Document], str | None]:
        found: list[Document] = []
        for _ in range(0, MOST_LOOKED_THROUGH, _STEP):
            documents, cursor = await self._newest(selection, cursor, _STEP)
            found += await self._whose_persons_are(kind, documents)
            if len(found) > limit:
                return found[:limit], cursor_after(found[limit - 1], by="started_at")
            if cursor is None:
                break
        return found, cursor

    async def _whose_persons_are(
        self, kind: PersonKind, visits: Sequence[Document]
    ) -> list[Document]:
        ids = sorted({visit["person_id"] for visit in visits})
        persons = self._persons.find({"_id": {"$in": ids}, "kind": kind}, {"_id": 1})
        of_kind = {document["_id"] for document in await persons.to_list()}
        return [visit for visit in visits if visit["person_id"] in of_kind]

    async def _in_batches(self, query: Document) -> AsyncIterator[list[Document]]:
        fields = {"_id": 0, "person_id": 1, "started_at": 1, "last_at": 1}
        visits = self._visits.find(query, fields, batch_size=_BATCH)
        while visits.alive and (batch := await visits.to_list(_BATCH)):
            yield batch

    async def _learn(
        self, persons: dict[str, Person | None], person_ids: set[str], days: Days
    ) -> None:
        """Read those who are not there yet; None for who is not among the days' persons."""
        unread = [one for one in person_ids if one not in persons]
        if not unread:
            return
        asked: Document = {"_id": {"$in": unread}, "kind": days.kind}
        if days.class_name is not None:
            asked["class_name"] = days.class_name
        documents = await self._persons.find(asked).to_list()
        persons |= dict.fromkeys(unread)
        persons |= {document["_id"]: person_from_document(document) for document in documents}

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


def visits_of(days: Days) -> Document:
    """The query for the visits that touch those days."""
    midnights = days.midnights()
    query: Document = {
        "started_at": {"$gte": midnights[0] - _LONGEST, "$lt": midnights[-1]},
        "last_at": {"$gte": midnights[0]},
    }
    if days.camera_ids is not None:
        query["camera_id"] = {"$in": sorted(days.camera_ids)}
    return query


def _add(
    spans: dict[tuple[int, str], tuple[datetime, datetime, int]],
    visit: Document,
    midnights: Sequence[datetime],
) -> None:
    """Add a visit to the span of each day that it touches: first seen, last seen, visits."""
    start, end, person_id = visit["started_at"], visit["last_at"], visit["person_id"]
    nth = max(bisect_right(midnights, start) - 1, 0)
    while nth + 1 < len(midnights) and midnights[nth] <= end:
        first_at, last_at = max(start, midnights[nth]), min(end, midnights[nth + 1])
        if (nth, person_id) in spans:
            earliest, latest, count = spans[nth, person_id]
            spans[nth, person_id] = min(earliest, first_at), max(latest, last_at), count + 1
        else:
            spans[nth, person_id] = first_at, last_at, 1
        nth += 1


def _stay(document: Document, firsts: Mapping[str, str]) -> Stay:
    return Stay(
        visit=visit_from_document(document),
        detections=document.get("detections", 0),
        detection_id=firsts.get(document["_id"]),
    )
