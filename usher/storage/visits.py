"""Visits and the alerts that they cause. Every method is a part of somebody else's transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pymongo import InsertOne, UpdateOne

from usher.domain.identifiers import new_id
from usher.domain.records import AlertStatus, Detection, Visit
from usher.storage.alert_rules import AlertIntents, Beginning
from usher.storage.database import Database, Session
from usher.storage.documents import Document, to_document


@dataclass(frozen=True, slots=True)
class Arrival:
    """Detections of a person at one camera that belong to one visit; the first says to which.

    Of several visits that it may belong to, it joins `visit_id`, or else the latest.
    """

    person_id: str
    detections: tuple[Detection, ...]
    visit_id: str | None = None


@dataclass(slots=True)
class _Stay:
    """A visit while detections join it, before that is written."""

    id: str
    started_at: datetime
    last_at: datetime
    begun_by: Arrival | None = None
    joined: list[datetime] = field(default_factory=list)

    def take(self, detections: Sequence[Detection]) -> None:
        self.joined.extend(detection.captured_at for detection in detections)
        self.started_at = min(self.started_at, *self.joined)
        self.last_at = max(self.last_at, *self.joined)


class Visits:
    """A person's detections at one camera belong together until a quiet gap.

    Parameters
    ----------
    gap_s
        Quiet seconds that end a visit.
    """

    def __init__(self, database: Database, *, gap_s: float) -> None:
        self._visits = database["visits"]
        self._alerts = database["alerts"]
        self._intents = AlertIntents(database)
        self._gap = timedelta(seconds=gap_s)

    async def join(
        self, arrivals: Sequence[Arrival], session: Session, *, alert: bool = False
    ) -> list[str]:
        """Add detections to their persons' visits, or begin visits; the visits' ids.

        Parameters
        ----------
        arrivals
            In the order in which they are to join.
        alert
            Tell of visits that begin, as the rules say.
        """
        if not arrivals:
            return []
        stays = await self._stays(arrivals, session)
        joined = [self._join(stays[_place(arrival)], arrival) for arrival in arrivals]
        await self._write({stay.id: stay for stay in joined}, session)
        if alert:
            begun = {stay.id: stay.begun_by for stay in joined if stay.begun_by is not None}
            await self._intents.write(
                [Beginning(id_, by.person_id, by.detections[0]) for id_, by in begun.items()],
                session,
            )
        return [stay.id for stay in joined]

    async def leave(
        self, detections: Sequence[Detection], session: Session
    ) -> list[tuple[str, Document]]:
        """Take detections out of their visits, which go when nothing is left of them.

        Returns
        -------
        list
            The visits and alerts that went, each with the name of its collection.
        """
        left = Counter(item.visit_id for item in detections if item.visit_id is not None)
        if not left:
            return []
        await self._visits.bulk_write(
            [UpdateOne({"_id": id_}, {"$inc": {"detections": -n}}) for id_, n in left.items()],
            session=session,
        )
        return await self.remove_empty(list(left), session)

    async def remove_empty(
        self, visit_ids: Sequence[str], session: Session
    ) -> list[tuple[str, Document]]:
        """Remove those of the visits in which nobody was seen, and their alerts; what went.

        An alert that somebody was told of stays: what was sent does not become unsent.
        """
        nobody = {"_id": {"$in": list(visit_ids)}, "detections": {"$lte": 0}}
        visits = await self._visits.find(nobody, session=session).to_list()
        if not visits:
            return []
        of_them = {
            "visit_id": {"$in": [visit["_id"] for visit in visits]},
            "deliveries.status": {"$ne": AlertStatus.SENT},
        }
        alerts = await self._alerts.find(of_them, session=session).to_list()
        await self._visits.delete_many(nobody, session=session)
        await self._alerts.delete_many(of_them, session=session)
        return [("visits", visit) for visit in visits] + [("alerts", alert) for alert in alerts]

    async def _stays(
        self, arrivals: Sequence[Arrival], session: Session
    ) -> defaultdict[tuple[str, str], list[_Stay]]:
        """What there is to join, by person and camera."""
        moments = [arrival.detections[0].captured_at for arrival in arrivals]
        places = {_place(arrival) for arrival in arrivals}
        found = self._visits.find(
            {
                "person_id": {"$in": sorted({person_id for person_id, _ in places})},
                "camera_id": {"$in": sorted({camera_id for _, camera_id in places})},
                "started_at": {"$lte": max(moments) + self._gap},
                "last_at": {"$gte": min(moments) - self._gap},
            },
            session=session,
        )
        stays = defaultdict[tuple[str, str], list[_Stay]](list)
        for visit in await found.to_list():
            stay = _Stay(visit["_id"], visit["started_at"], visit["last_at"])
            stays[visit["person_id"], visit["camera_id"]].append(stay)
        return stays

    def _join(self, stays: list[_Stay], arrival: Arrival) -> _Stay:
        """The stay that the arrival belongs to, or a new one."""
        moment = arrival.detections[0].captured_at
        near = [
            stay
            for stay in stays
            if stay.started_at - self._gap <= moment <= stay.last_at + self._gap
        ]
        stay = max(near, key=lambda stay: (stay.id == arrival.visit_id, stay.last_at), default=None)
        if stay is None:
            stay = _Stay(new_id(), moment, moment, begun_by=arrival)
            stays.append(stay)
        stay.take(arrival.detections)
        return stay

    async def _write(self, stays: dict[str, _Stay], session: Session) -> None:
        await self._visits.bulk_write([_written(stay) for stay in stays.values()], session=session)


def _place(arrival: Arrival) -> tuple[str, str]:
    return arrival.person_id, arrival.detections[0].camera_id


def _written(stay: _Stay) -> InsertOne[Document] | UpdateOne:
    if stay.begun_by is None:
        return UpdateOne(
            {"_id": stay.id},
            {
                "$min": {"started_at": stay.started_at},
                "$max": {"last_at": stay.last_at},
                "$inc": {"detections": len(stay.joined)},
            },
        )
    person_id, camera_id = _place(stay.begun_by)
    visit = Visit(
        id=stay.id,
        person_id=person_id,
        camera_id=camera_id,
        started_at=stay.started_at,
        last_at=stay.last_at,
    )
    return InsertOne({**to_document(visit), "detections": len(stay.joined)})
