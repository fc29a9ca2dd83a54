"""The alert outbox: intents written with the classification that caused them, sent from here."""

from __future__ import annotations

from pymongo import ReturnDocument

from usher.domain.errors import LeaseLost, NotFound
from usher.domain.identifiers import new_id
from usher.domain.records import Alert, AlertStatus
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.database import Database
from usher.storage.documents import alert_from_document
from usher.storage.leases import FREE, available_in
from usher.storage.paging import newest_first

MAX_ATTEMPTS = 150
"""With the pauses between them, about a day: a chat that is away for a night loses nothing."""
_FIRST_BACKOFF_S = 2.0
_LONGEST_BACKOFF_S = 600.0


class Alerts:
    """Queries on the collection `alerts`."""

    def __init__(self, database: Database) -> None:
        self._alerts = database["alerts"]

    async def get(self, alert_id: str) -> Alert:
        """Raises NotFound where there is none."""
        document = await self._alerts.find_one({"_id": alert_id})
        if document is None:
            raise NotFound(f"there is no alert {alert_id}")
        return alert_from_document(document)

    async def page(
        self,
        *,
        status: AlertStatus | None,
        cursor: str | None,
        limit: int,
        scope: Scope = EVERYTHING,
    ) -> tuple[list[Alert], str | None]:
        """Alerts of those cameras, the newest first."""
        documents, following = await newest_first(
            self._alerts,
            {**({"status": status} if status else {}), **scope.query()},
            by="captured_at",
            cursor=cursor,
            limit=limit,
        )
        return [alert_from_document(document) for document in documents], following

    async def of_person(self, person_id: str) -> list[Alert]:
        """Every alert about somebody, in order of capture."""
        found = self._alerts.find({"person_id": person_id}).sort([("captured_at", 1), ("_id", 1)])
        return [alert_from_document(document) for document in await found.to_list()]

    async def claim(self, *, limit: int, lease_s: float) -> list[Alert]:
        """Take due alerts in order of capture; nobody else gets them for `lease_s`."""
        token = new_id()
        claimed: list[Alert] = []
        while len(claimed) < limit:
            document = await self._alerts.find_one_and_update(
                {"status": AlertStatus.PENDING, **FREE},
                [
                    {
                        "$set": {
                            "available_at": available_in(lease_s),
                            "claim_token": token,
                            "attempts": {"$add": ["$attempts", 1]},
                        }
                    }
                ],
                sort=[("captured_at", 1), ("_id", 1)],
                return_document=ReturnDocument.AFTER,
            )
            if document is None:
                break
            claimed.append(alert_from_document(document))
        return claimed

    async def settle_sent(self, alert_id: str, token: str) -> Alert:
        """pending → sent. Raises LeaseLost where the claim was lost, NotFound."""
        return await self._settle(
            alert_id, token, {"status": AlertStatus.SENT, "sent_at": "$$NOW", "reason": None}
        )

    async def settle_error(self, alert_id: str, token: str, *, reason: str) -> Alert:
        """Try again after a growing pause, or give up after the last attempt. Raises LeaseLost."""
        pause_s = {
            "$min": [
                _LONGEST_BACKOFF_S,
                {"$multiply": [_FIRST_BACKOFF_S, {"$pow": [2, "$attempts"]}]},
            ]
        }
        exhausted = {"$gte": ["$attempts", MAX_ATTEMPTS]}
        return await self._settle(
            alert_id,
            token,
            {
                "status": {"$cond": [exhausted, AlertStatus.FAILED, AlertStatus.PENDING]},
                "available_at": available_in(pause_s),
                "reason": {"$literal": reason},
            },
        )

    async def _settle(self, alert_id: str, token: str, changes: dict[str, object]) -> Alert:
        document = await self._alerts.find_one_and_update(
            {"_id": alert_id, "claim_token": token, "status": AlertStatus.PENDING},
            [{"$set": {**changes, "claim_token": None}}],
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            await self.get(alert_id)
            raise LeaseLost(f"alert {alert_id} is held by another sender, or settled")
        return alert_from_document(document)
