"""Which embedder's vectors are compared: one for the whole system, whatever each service is told.

The document `settings/embedder` names the embedder that serves and the other one: prepared to take
over, or kept to go back to. The reasons: `docs/decisions/0009-two-models-side-by-side.md`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog
from pymongo import ReturnDocument
from pymongo.errors import PyMongoError

from usher.domain.errors import ConfigurationError, Conflict
from usher.storage.database import Database, Session, in_transaction, is_passing
from usher.storage.documents import Document
from usher.storage.leases import ASSIGN, Lease, Leases

ANOTHER_SERVES = (
    "another embedder serves than USHER_EMBEDDER says: "
    "`usher models prepare` and `usher models switch` change it"
)
MODEL_CHANGED = "another model serves now: ending, to be started again with it"
CHANGING = (
    "the model is being changed, and nobody is assigned meanwhile: "
    "if no `usher models` runs any more, run `usher models switch` again"
)

NOTICED_WITHIN_S = 2.0
"""After so long every service knows that another model serves."""
_OWNER = "usher models"
_UNTIL_DONE_S = 10 * 365 * 86_400.0
_ID: Document = {"_id": "embedder"}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Named:
    """An embedder: the name to load it by, and the model that its vectors bear."""

    name: str
    model: str


@dataclass(frozen=True, slots=True)
class Serving:
    """Which embedder serves, and which stands beside it.

    Attributes
    ----------
    served_before
        Whether the other one is there to go back to, and not to go on to.
    changing
        Whether a change to the other one has begun and not ended.
    """

    embedder: Named
    other: Named | None = None
    served_before: bool = False
    changing: bool = False


class Embedders:
    """The document that says which embedder serves."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._settings = database["settings"]
        self._leases = Leases(database)

    async def serving(self) -> Serving | None:
        """What serves; None before a service has started for the first time."""
        document = await self._settings.find_one({**_ID, "model": {"$ne": None}})
        return _serving(document) if document else None

    async def choose(self, wanted: str) -> str:
        """The name of the embedder that a service has to load.

        It is the wanted one where nothing has been described yet; otherwise the one that serves,
        and the log says so.
        """
        document = await self._settings.find_one_and_update(
            _ID,
            {"$setOnInsert": {"name": wanted, "model": None, "other": None}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        serving: str = document["name"] if document else wanted
        if serving == wanted:
            return wanted
        if await self._nothing_is_described():
            await self._settings.update_one(
                {**_ID, "name": serving}, {"$set": {"name": wanted, "model": None, "other": None}}
            )
            return wanted
        log.warning(ANOTHER_SERVES, serving=serving, wanted=wanted)
        return serving

    async def begin(self, embedder: Named) -> None:
        """Note the model of a service that starts.

        Raises
        ------
        ConfigurationError
            If another one serves: that of a card which was changed, or of an older Usher.
        """
        unknown = {**_ID, "name": embedder.name, "model": None}
        await self._settings.update_one(unknown, {"$set": {"model": embedder.model}})
        if await self.serves(embedder.model):
            return
        if await self._nothing_is_described():
            await self._settings.update_one(_ID, {"$set": _fields(embedder)})
            return
        raise ConfigurationError(
            f"{embedder.name} makes vectors of {embedder.model}, and the database holds others: "
            f"put back what it was, or run `usher models prepare {embedder.name}` and "
            "`usher models switch`"
        )

    async def serves(self, model: str) -> bool:
        """Whether a model is the one that serves; any is, before a service has started."""
        serving = await self.serving()
        return serving is None or serving.embedder.model == model

    async def until_another_serves(self, model: str) -> None:
        """Wait until another model than that one serves, and log it."""
        told = False
        while True:
            await asyncio.sleep(NOTICED_WITHIN_S)
            try:
                serving = await self.serving()
            except PyMongoError as error:
                if not is_passing(error):
                    raise
                continue
            if serving is None:
                continue
            if serving.embedder.model != model:
                log.warning(MODEL_CHANGED, model=model, serving=serving.embedder.model)
                return
            if serving.changing and not told:
                log.warning(CHANGING)
            told = serving.changing

    # ---- Changing --------------------------------------------------------------------------------

    async def put_beside(self, embedder: Named) -> None:
        """Note the embedder that is prepared to take over.

        Raises
        ------
        Conflict
            While a change is under way.
        """
        result = await self._settings.update_one(
            {**_ID, "changing": {"$ne": True}},
            {"$set": {"other": {**_fields(embedder), "served_before": False}}},
        )
        if not result.matched_count:
            raise Conflict(
                "a change of the model is under way: end it with `usher models switch`, or take it "
                "back with `usher models back`"
            )

    async def begin_change(self) -> Lease:
        """From now on nobody is assigned: the lease for it is ours until the change has ended.

        It is taken by force, since a classifier keeps it for as long as it runs, and it does not
        run out: a change that was broken off leaves vectors of two models among each other, to
        which no face can be compared. Whoever calls this then goes on with it.
        """
        await self._settings.update_one(_ID, {"$set": {"changing": True}})
        lease = await self._leases.acquire(ASSIGN, _OWNER, lease_s=_UNTIL_DONE_S, by_force=True)
        if lease is None:
            raise ConfigurationError("the database is not ready: start Usher once")
        return lease

    async def end_change(self, lease: Lease, *, switched: bool) -> None:
        """Let the other embedder serve, or leave it as it was, and let others assign again.

        All who keep references in memory read them anew: the gallery's version has no entry that
        says whose have changed.

        Raises
        ------
        LeaseLost
            If somebody else has ended the change. Nothing is written.
        """
        exchanged: list[Document] = [
            {
                "$set": {
                    "name": "$other.name",
                    "model": "$other.model",
                    "other": {"name": "$name", "model": "$model", "served_before": True},
                }
            }
        ]

        async def work(session: Session) -> None:
            await self._leases.hold(lease, lease_s=0, session=session)
            changes = [*(exchanged if switched else []), {"$set": {"changing": False}}]
            await self._settings.update_one(_ID, changes, session=session)
            await self._raise_version(session)
            await self._leases.release(lease, session=session)

        await in_transaction(self._database, work)

    async def references_changed(self) -> None:
        """Let all who keep references in memory read them anew."""
        await in_transaction(self._database, self._raise_version)

    async def _raise_version(self, session: Session) -> None:
        await self._settings.update_one(
            {"_id": "gallery"}, {"$inc": {"version": 1}}, session=session
        )

    async def _nothing_is_described(self) -> bool:
        described = {"embedding": {"$ne": None}}
        for name in ("faces", "detections"):
            if await self._database[name].find_one(described, {"_id": 1}):
                return False
        return True


def _fields(embedder: Named) -> Document:
    return {"name": embedder.name, "model": embedder.model}


def _serving(document: Any) -> Serving:
    other = document["other"]
    return Serving(
        embedder=Named(document["name"], document["model"]),
        other=Named(other["name"], other["model"]) if other else None,
        served_before=bool(other and other["served_before"]),
        changing=document.get("changing", False),
    )
