"""Visits and the alerts that they cause. Every method is a part of somebody else's transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pymongo import ReturnDocument

from usher.domain.identifiers import new_id
from usher.domain.records import Alert, Detection, PersonKind, Visit
from usher.storage.database import Database, Session
from usher.storage.documents import milliseconds, to_document
from usher.storage.leases import AT_ONCE
from usher.storage.people import People


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
        self._people = People(database)
        self._gap = timedelta(seconds=gap_s)

    async def join(
        self, detection: Detection, person_id: str, session: Session, *, alert: bool = True
    ) -> str:
        """Add a detection to the person's visit at its camera, or begin one; the visit's id.

        A visit that a stranger begins is an alert, unless `alert` is false.
        """
        moment = detection.captured_at
        document = await self._visits.find_one_and_update(
            {
                "person_id": person_id,
                "camera_id": detection.camera_id,
                "started_at": {"$lte": moment + self._gap},
                "last_at": {"$gte": moment - self._gap},
            },
            {
                "$min": {"started_at": moment},
                "$max": {"last_at": moment},
                "$inc": {"detections": 1},
            },
            sort=[("last_at", -1)],
            session=session,
        )
        if document is not None:
            return str(document["_id"])
        alert = alert and await self._is_strange(person_id, session)
        return await self.begin(detection, person_id, session, alert=alert)

    async def begin(
        self, detection: Detection, person_id: str, session: Session, *, alert: bool
    ) -> str:
        """Begin a visit, with an alert intent or without; the visit's id."""
        visit = Visit(
            id=new_id(),
            person_id=person_id,
            camera_id=detection.camera_id,
            started_at=detection.captured_at,
            last_at=detection.captured_at,
        )
        await self._visits.insert_one({**to_document(visit), "detections": 1}, session=session)
        if alert:
            await self._intend_alert(visit, detection, session)
        return visit.id

    async def leave(self, detection: Detection, session: Session) -> None:
        """Take a detection out of its visit, which goes when nothing is left of it."""
        if detection.visit_id is None:
            return
        document = await self._visits.find_one_and_update(
            {"_id": detection.visit_id},
            {"$inc": {"detections": -1}},
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        if document is not None and document["detections"] <= 0:
            await self._visits.delete_one({"_id": detection.visit_id}, session=session)
            await self._alerts.delete_many({"visit_id": detection.visit_id}, session=session)

    async def _is_strange(self, person_id: str, session: Session) -> bool:
        person = await self._people.get(person_id, session=session)
        return person.kind is PersonKind.UNKNOWN

    async def _intend_alert(self, visit: Visit, detection: Detection, session: Session) -> None:
        alert = Alert(
            id=new_id(),
            visit_id=visit.id,
            person_id=visit.person_id,
            camera_id=visit.camera_id,
            detection_id=detection.id,
            captured_at=detection.captured_at,
            created_at=milliseconds(datetime.now(UTC)),
        )
        await self._alerts.insert_one(
            {**to_document(alert), "available_at": AT_ONCE}, session=session
        )
