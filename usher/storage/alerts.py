"""Alerts and their outbox: what is due for an address, what became of it, what was answered.

Deliveries stand inside of their alert, so whatever moves, removes or puts back an alert takes them
along. `due` is true while one of them waits to be sent.
"""

from __future__ import annotations

from collections.abc import Collection as Container
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from usher.domain.errors import Conflict, LeaseLost, NotFound
from usher.domain.identifiers import new_id
from usher.domain.records import Alert, AlertStatus, Delivery, DeliveryKind, IdentityChange
from usher.domain.scope import EVERYTHING, Scope
from usher.storage.database import Database, Session
from usher.storage.documents import Document, alert_from_document, to_document
from usher.storage.leases import AT_ONCE, available_in
from usher.storage.paging import newest_first

MAX_ATTEMPTS = 150
"""With the pauses between them, about a day: a chat that is away for a night loses nothing."""
_FIRST_BACKOFF_S = 2.0
_LONGEST_BACKOFF_S = 600.0
_GIVEN_WITHIN = timedelta(seconds=10)
"""How long after a change the answer is noted that comes of it."""
_TELLS_OF_ANSWERS = ("chat", "default")
"""Channels that say who has answered; to the others an answer is no news."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one sender holds for one address: alerts, each with the one delivery, as captured."""

    token: str
    items: tuple[tuple[Alert, Delivery], ...] = ()


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

    # ---- The outbox ------------------------------------------------------------------------------

    async def claim(
        self, channels: Sequence[str], *, skip: Sequence[str] = (), limit: int, lease_s: float
    ) -> Batch:
        """Take what is due longest for an address, with all else that waits for that address.

        What failed before does not wait for the end of its pause then: the pause is the address's.

        Parameters
        ----------
        channels
            That the sender serves.
        skip
            Addresses (`CHANNEL:ADDRESS`) of which nothing is taken.
        """
        token = new_id()
        to = await self._due_for(channels, skip)
        if to is None:
            return Batch(token)
        waits = {**_of_address(to), "$expr": _is_free("$deliveries")}
        rows = await self._alerts.aggregate(
            [*_DUE, {"$unwind": "$deliveries"}, {"$match": waits}, {"$limit": limit}]
        )
        found = [(row["_id"], row["deliveries"]["id"]) async for row in rows]
        await self._hold(found, token, lease_s)
        return Batch(token, await self._held(token))

    async def settle(
        self,
        token: str,
        *,
        error: str | None,
        delivery_ids: Container[str] | None = None,
        via: str | None = None,
    ) -> list[Alert]:
        """Say how sending went: of what the token holds, or of some of it; the alerts it was of.

        With an error it is sent again after a growing pause; after the last attempt it has failed.

        Raises
        ------
        LeaseLost
            If the token holds nothing of it any more.
        """
        wanted: Document = {"$eq": ["$$one.claim_token", token]}
        if delivery_ids is not None:
            wanted = {"$and": [wanted, {"$in": ["$$one.id", list(delivery_ids)]}]}
        of_token = {"deliveries.claim_token": token}
        ids = [row["_id"] async for row in self._alerts.find(of_token, {"_id": 1})]
        changes = _FAILED if error is not None else _SENT
        reason = {"reason": {"$literal": error}, "via": via}
        result = await self._alerts.update_many(
            {"_id": {"$in": ids}, **of_token},
            _changing(wanted, {**changes, **reason, "claim_token": None}),
        )
        if not result.modified_count:
            raise LeaseLost("the deliveries are held by another sender, or settled")
        return [alert_from_document(row) async for row in self._alerts.find({"_id": {"$in": ids}})]

    async def retry(self, alert_id: str) -> Alert:
        """Send again what has failed of an alert. Raises Conflict where nothing has, NotFound."""
        failed = {"$eq": ["$$one.status", AlertStatus.FAILED]}
        afresh = {"status": AlertStatus.PENDING, "attempts": 0, "available_at": AT_ONCE}
        result = await self._alerts.update_one(
            {"_id": alert_id, "deliveries.status": AlertStatus.FAILED}, _changing(failed, afresh)
        )
        alert = await self.get(alert_id)
        if not result.modified_count:
            raise Conflict("nothing of this alert has failed")
        return alert

    # ---- Answers ---------------------------------------------------------------------------------

    async def unanswered(self, person_ids: Sequence[str]) -> list[str]:
        """The alerts about those persons that have no answer."""
        query = {"person_id": {"$in": list(person_ids)}, "answered_at": None}
        return [row["_id"] async for row in self._alerts.find(query, {"_id": 1})]

    async def answer(
        self,
        of: Mapping[str, Any],
        *,
        by: str,
        answer: str,
        session: Session | None = None,
    ) -> int:
        """Note who has answered the alerts that a query selects; how many had no answer before.

        Nobody is asked to help any more, and whoever was told by chat is told of the answer.
        """
        note = {"answered_at": "$$NOW", "answered_by": by, "answer": answer}
        literal = {name: {"$literal": value} for name, value in note.items() if value != "$$NOW"}
        result = await self._alerts.update_many(
            {**of, "answered_at": None},
            [{"$set": {"answered_at": "$$NOW", **literal, "deliveries": _AFTER_ANSWER}}, _SUMMARY],
            session=session,
        )
        return result.modified_count

    async def reopen(self, change: IdentityChange) -> int:
        """Take back the answers that came of a change; how many alerts have none now.

        They are those that whoever made the change gave with it, about those persons. Whoever was
        told of the answer is asked again.
        """
        given = {"$gte": change.at, "$lte": change.at + _GIVEN_WITHIN}
        theirs = {"person_id": {"$in": list(change.persons)}, "answered_by": change.actor}
        nothing = dict.fromkeys(("answered_at", "answered_by", "answer"))
        result = await self._alerts.update_many(
            {**theirs, "answered_at": given},
            [{"$set": {"deliveries": _AFTER_REOPENING}}, {"$set": nothing}, _SUMMARY],
        )
        return result.modified_count

    # ---- Steps -----------------------------------------------------------------------------------

    async def _due_for(self, channels: Sequence[str], skip: Sequence[str]) -> str | None:
        """The address for which something has been due for longest."""
        rows = await self._alerts.aggregate(
            [
                *_DUE,
                {"$unwind": "$deliveries"},
                {
                    "$match": {
                        "deliveries.status": AlertStatus.PENDING,
                        "deliveries.channel": {"$in": list(channels)},
                        "$expr": {
                            "$and": [
                                {"$lte": ["$deliveries.not_before", "$$NOW"]},
                                {"$lte": ["$deliveries.available_at", "$$NOW"]},
                                {"$not": {"$in": [_TO, list(skip)]}},
                            ]
                        },
                    }
                },
                {"$limit": 1},
                {"$project": {"to": _TO}},
            ]
        )
        return next((row["to"] for row in await rows.to_list()), None)

    async def _hold(self, found: Sequence[tuple[str, str]], token: str, lease_s: float) -> None:
        wanted = {
            "$and": [
                {"$in": ["$$one.id", [delivery_id for _, delivery_id in found]]},
                {"$eq": ["$$one.status", AlertStatus.PENDING]},
                _is_free("$$one"),
            ]
        }
        held = {
            "claim_token": token,
            "available_at": available_in(lease_s),
            "attempts": {"$add": ["$$one.attempts", 1]},
        }
        await self._alerts.update_many(
            {"_id": {"$in": [alert_id for alert_id, _ in found]}}, _changing(wanted, held)
        )

    async def _held(self, token: str) -> tuple[tuple[Alert, Delivery], ...]:
        found = self._alerts.find({"deliveries.claim_token": token})
        items = []
        async for row in found.sort([("captured_at", 1), ("_id", 1)]):
            ids = {one["id"] for one in row["deliveries"] if one["claim_token"] == token}
            alert = alert_from_document(row)
            items += [(alert, one) for one in alert.deliveries if one.id in ids]
        return tuple(items)


def alert_document(alert: Alert) -> Document:
    """A new alert, as it is inserted."""
    waits = any(one.kind is DeliveryKind.ALERT for one in alert.deliveries)
    if not waits:
        alert = replace(alert, status=AlertStatus.SENT, sent_at=alert.created_at)
    document = to_document(alert)
    for delivery in document["deliveries"]:
        delivery |= {"available_at": AT_ONCE, "claim_token": None}
    return {**document, "due": bool(alert.deliveries)}


_TO = {"$concat": ["$deliveries.channel", ":", "$deliveries.address"]}
_DUE: list[Document] = [{"$match": {"due": True}}, {"$sort": {"captured_at": 1, "_id": 1}}]
_A_DAY_AGO = {"$dateSubtract": {"startDate": "$$NOW", "unit": "day", "amount": 1}}
"""What was sent before is history: its answer is no news."""


def _of_address(to: str) -> Document:
    channel, _, address = to.partition(":")
    return {
        "deliveries.status": AlertStatus.PENDING,
        "deliveries.channel": channel,
        "deliveries.address": address,
    }


def _is_free(one: str) -> Document:
    """Whether a delivery's time has come and nobody holds it; a pause holds nothing."""
    return {
        "$and": [
            {"$lte": [f"{one}.not_before", "$$NOW"]},
            {
                "$or": [
                    {"$eq": [f"{one}.claim_token", None]},
                    {"$lte": [f"{one}.available_at", "$$NOW"]},
                ]
            },
        ]
    }


def _changing(wanted: Document, changes: Document) -> list[Document]:
    """An update of those deliveries for which `wanted` holds (`$$one`), and of their summary."""
    changed = {"$mergeObjects": ["$$one", changes]}
    each = {"input": "$deliveries", "as": "one", "in": {"$cond": [wanted, changed, "$$one"]}}
    return [{"$set": {"deliveries": {"$map": each}}}, _SUMMARY]


_SENT: Document = {"status": AlertStatus.SENT, "sent_at": "$$NOW"}
_FAILED: Document = {
    "status": {
        "$cond": [
            {"$gte": ["$$one.attempts", MAX_ATTEMPTS]},
            AlertStatus.FAILED,
            AlertStatus.PENDING,
        ]
    },
    "available_at": available_in(
        {
            "$min": [
                _LONGEST_BACKOFF_S,
                {"$multiply": [_FIRST_BACKOFF_S, {"$pow": [2, {"$min": ["$$one.attempts", 10]}]}]},
            ]
        }
    ),
}


def _any(deliveries: str, status: AlertStatus) -> Document:
    return {"$in": [status, f"{deliveries}.status"]}


_FIRST = "$$first"
_SUMMARY: Document = {
    "$set": {
        "due": _any("$deliveries", AlertStatus.PENDING),
        **{
            name: {
                "$let": {
                    "vars": {
                        "first": {
                            "$filter": {
                                "input": "$deliveries",
                                "as": "one",
                                "cond": {"$eq": ["$$one.kind", DeliveryKind.ALERT]},
                            }
                        }
                    },
                    "in": value,
                }
            }
            for name, value in {
                "status": {
                    "$switch": {
                        "branches": [
                            {
                                "case": _any(_FIRST, AlertStatus.PENDING),
                                "then": AlertStatus.PENDING,
                            },
                            {
                                "case": _any(_FIRST, AlertStatus.FAILED),
                                "then": AlertStatus.FAILED,
                            },
                        ],
                        "default": AlertStatus.SENT,
                    }
                },
                "attempts": {"$ifNull": [{"$max": f"{_FIRST}.attempts"}, 0]},
                "sent_at": {"$ifNull": [{"$max": f"{_FIRST}.sent_at"}, "$sent_at"]},
                "reason": {"$max": f"{_FIRST}.reason"},
            }.items()
        },
    }
}
"""Sums up an alert's deliveries: sent once everybody who was to be told first has been."""

_IS_HEARD: Document = {
    "$and": [
        {"$in": ["$$one.kind", [DeliveryKind.ALERT, DeliveryKind.ESCALATION]]},
        {"$in": ["$$one.channel", list(_TELLS_OF_ANSWERS)]},
        {"$eq": ["$$one.status", AlertStatus.SENT]},
        {"$gt": ["$$one.sent_at", _A_DAY_AGO]},
    ]
}
_IS_OF_THE_ANSWER: Document = {
    "$and": [
        {"$eq": ["$$one.kind", DeliveryKind.SETTLED]},
        {"$eq": ["$$one.status", AlertStatus.SENT]},
        {"$gte": ["$$one.not_before", "$answered_at"]},
    ]
}


def _waits_as(*kinds: DeliveryKind) -> Document:
    return {
        "$and": [
            {"$in": ["$$one.kind", list(kinds)]},
            {"$eq": ["$$one.status", AlertStatus.PENDING]},
        ]
    }


def _filtered(wanted: Document) -> Document:
    return {"$filter": {"input": "$deliveries", "as": "one", "cond": wanted}}


def _told(those: Document, kind: DeliveryKind) -> Document:
    """A new delivery for everybody to whom those went."""
    new = {
        "id": {"$concat": ["$$one.id", "-", kind, "-", {"$toString": {"$toLong": "$$NOW"}}]},
        "kind": kind,
        "status": AlertStatus.PENDING,
        "not_before": "$$NOW",
        "available_at": AT_ONCE,
        "attempts": 0,
        "sent_at": None,
        "reason": None,
        "claim_token": None,
    }
    to_each = {"$mergeObjects": ["$$one", new]}
    return {"$map": {"input": _filtered(those), "as": "one", "in": to_each}}


_AFTER_ANSWER: Document = {
    "$concatArrays": [
        _filtered({"$not": _waits_as(DeliveryKind.ESCALATION, DeliveryKind.REOPENED)}),
        _told(_IS_HEARD, DeliveryKind.SETTLED),
    ]
}
"""An alert's deliveries once somebody has answered it."""

_AFTER_REOPENING: Document = {
    "$concatArrays": [
        _filtered({"$not": _waits_as(DeliveryKind.SETTLED)}),
        _told(_IS_OF_THE_ANSWER, DeliveryKind.REOPENED),
    ]
}
"""An alert's deliveries once its answer was taken back."""
