"""The history of who is who, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime

from usher.domain.errors import Conflict, NotFound
from usher.domain.records import IdentityChange
from usher.storage.database import Database, Session, in_transaction
from usher.storage.documents import Document, identity_change_from_document, milliseconds
from usher.storage.paging import newest_first
from usher.storage.undoing import Undoing
from usher.storage.versions import raise_version


class History:
    """What was changed, and by whom; a change can be taken back while no later one builds on it.

    Parameters
    ----------
    visit_gap_s
        Quiet seconds that end a visit.
    """

    def __init__(self, database: Database, *, visit_gap_s: float) -> None:
        self._database = database
        self._changes = database["identity_changes"]
        self._images = database["before_images"]
        self._visit_gap_s = visit_gap_s

    async def page(
        self, *, person_id: str | None, cursor: str | None, limit: int
    ) -> tuple[list[IdentityChange], str | None]:
        """Changes, the newest first: all, or those that touched a person."""
        query: Document = {"persons": person_id} if person_id else {}
        documents, following = await newest_first(
            self._changes, query, by="at", cursor=cursor, limit=limit
        )
        return [identity_change_from_document(document) for document in documents], following

    async def get(self, change_id: str) -> IdentityChange:
        """Raises NotFound where there is none."""
        change = await self._changes.find_one({"_id": change_id})
        if change is None:
            raise NotFound(f"there is no change {change_id}")
        return identity_change_from_document(change)

    async def undo(self, change_id: str, *, actor: str) -> IdentityChange:
        """Put back what a change touched; what came after it and does not conflict stays.

        Of a change that moved thousands of detections these go back first, in steps: an undoing
        that was broken off can be made again.

        Raises
        ------
        NotFound
            If there is no such change.
        Conflict
            If it is undone, if a later change that is not undone touches one of the same persons,
            or if one of them has been deleted since.
        """
        undoing = Undoing(
            self._database, await self._undoable(change_id), visit_gap_s=self._visit_gap_s
        )
        await undoing.put_back_bulk()

        async def work(session: Session) -> Document:
            change = await self._undoable(change_id, session)
            version = await raise_version(self._database, session, persons=change["persons"])
            await undoing.put_back_rest(version, session)
            mark = {"undone_at": milliseconds(datetime.now(UTC)), "undone_by": actor}
            await self._changes.update_one({"_id": change_id}, {"$set": mark}, session=session)
            return {**change, **mark}

        undone = await in_transaction(self._database, work)
        await self._images.delete_many({"change_id": change_id})
        return identity_change_from_document(undone)

    async def _undoable(self, change_id: str, session: Session | None = None) -> Document:
        change = await self._changes.find_one({"_id": change_id}, session=session)
        if change is None:
            raise NotFound(f"there is no change {change_id}")
        if change["undone_at"] is not None:
            raise Conflict("this change has been taken back already")
        if change["final"] is not None:
            raise Conflict(f"this change cannot be taken back: {change['final']}")
        later = await self._later(change, session)
        if later is not None:
            raise Conflict(
                f"a later change of the same people stands in the way: take back {later['_id']} "
                f"({later['kind']}, {later['at']:%Y-%m-%d %H:%M} UTC) first"
            )
        return change

    async def _later(self, change: Document, session: Session | None) -> Document | None:
        """The last change that is not undone of one of the same persons, if it came later."""
        return await self._changes.find_one(
            {
                "persons": {"$in": change["persons"]},
                "version": {"$gt": change["version"]},
                "undone_at": None,
            },
            sort=[("version", -1)],
            session=session,
        )
