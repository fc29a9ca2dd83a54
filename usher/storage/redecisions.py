"""Detections that are finished, decided anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from usher.domain.errors import Conflict, LeaseLost
from usher.domain.records import ChangeKind, Detection, DetectionStatus
from usher.storage.assignments import CHANGED_MEANWHILE, Assignment, found_strangers
from usher.storage.database import Database, Session
from usher.storage.distinctions import distinguish, pairs_with
from usher.storage.documents import detection_from_document, plain
from usher.storage.journal import USHER, Entry, Journal
from usher.storage.moves import Move, Moves
from usher.storage.people import People
from usher.storage.versions import raise_version


class Redecisions:
    """Changes what was decided before, as a part of somebody else's transaction.

    Parameters
    ----------
    visit_gap_s
        Quiet seconds that end a visit.
    """

    def __init__(self, database: Database, *, visit_gap_s: float) -> None:
        self._database = database
        self._detections = database["detections"]
        self._faces = database["faces"]
        self._people = People(database)
        self._journal = Journal(database)
        self._moves = Moves(database, visit_gap_s=visit_gap_s)

    async def make(
        self,
        assignments: Sequence[Assignment],
        version: int,
        session: Session,
        *,
        of_anybody: bool = False,
    ) -> int:
        """Write them as `usher.storage.identity` promises; the gallery's new version."""
        persons = persons_in(assignments)
        following = await raise_version(self._database, session, persons=persons, expected=version)
        present = await self._present(assignments, session)
        await found_strangers(self._database, assignments, session)
        strangers = await self._people.strangers_among(persons, session)
        if not of_anybody:
            _check_are_strangers(assignments, strangers)
        await self._write(assignments, present, strangers, following, session)
        return following

    async def write(
        self,
        assignments: Sequence[Assignment],
        strangers: Collection[str],
        following: int,
        session: Session,
    ) -> None:
        """Write them, whosoever the detections were, when all persons are there.

        Parameters
        ----------
        strangers
            Those of the persons who are.
        following
            The gallery's version, which has been raised for this.

        Raises
        ------
        LeaseLost
            If a detection is no longer as it was.
        """
        present = await self._present(assignments, session)
        await self._write(assignments, present, strangers, following, session)

    async def _write(
        self,
        assignments: Sequence[Assignment],
        present: Mapping[str, Detection],
        strangers: Collection[str],
        following: int,
        session: Session,
    ) -> None:
        staying = [item for item in assignments if item.person_id == item.detection.person_id]
        await self._move(staying, present, _entry(None, staying), session)
        entries = []
        for target, group in _by_target(assignments).items():
            entry = _entry(target, group)
            await self._move(group, present, entry, session)
            if target is not None and target in strangers:
                await self._keep_apart(target, group, present, entry, session)
            entries.append(entry)
        await self._remove_emptied(entries, session)
        for entry in entries:
            await self._journal.write(entry, following, session)

    async def _present(
        self, assignments: Sequence[Assignment], session: Session
    ) -> Mapping[str, Detection]:
        """The detections as they are, where that is as the decisions suppose."""
        ids = [item.detection.id for item in assignments]
        found = self._detections.find(
            {
                "_id": {"$in": ids},
                "status": {"$in": [DetectionStatus.CLASSIFIED, DetectionStatus.UNIDENTIFIABLE]},
                "confirmed": {"$ne": True},
            },
            session=session,
        )
        present = {row["_id"]: detection_from_document(row) for row in await found.to_list()}
        for item in assignments:
            now = present.get(item.detection.id)
            if now is None or now.person_id != item.detection.person_id:
                raise LeaseLost(CHANGED_MEANWHILE)
        return present

    async def _move(
        self,
        assignments: Sequence[Assignment],
        present: Mapping[str, Detection],
        entry: Entry,
        session: Session,
    ) -> None:
        moves = [_move_of(item, present[item.detection.id]) for item in assignments]
        await self._moves.make(moves, entry, session)
        dropped = list(chain.from_iterable(item.drops for item in assignments))
        if not dropped:
            return
        going = {"_id": {"$in": dropped}}
        for face in await self._faces.find(going, session=session).to_list():
            entry.removes("faces", face)
        await self._faces.delete_many(going, session=session)

    async def _keep_apart(
        self,
        stranger_id: str,
        assignments: Sequence[Assignment],
        present: Mapping[str, Detection],
        entry: Entry,
        session: Session,
    ) -> None:
        """Tell a stranger apart from whom their detections were said not to show."""
        others = (present[item.detection.id].not_persons for item in assignments)
        pairs = pairs_with(stranger_id, chain.from_iterable(others))
        entry.distinguished = await distinguish(self._database, pairs, session)

    async def _remove_emptied(self, entries: Sequence[Entry], session: Session) -> None:
        """Remove strangers of whom nothing is left, and keep who went with each change of them."""
        left = {id_ for entry in entries for id_ in entry.persons if id_ != entry.into}
        for gone in await self._moves.remove_emptied(left, session):
            pairs = pairs_with(gone["_id"], gone.get("distinct_from", ()))
            for entry in entries:
                if gone["_id"] in entry.persons:
                    entry.removes("persons", gone)
                    entry.reconciled = [*entry.reconciled, *pairs]


def persons_in(assignments: Sequence[Assignment]) -> set[str]:
    """Whose the detections were, and whose they become."""
    both = ((item.person_id, item.detection.person_id) for item in assignments)
    return {id_ for id_ in chain.from_iterable(both) if id_ is not None}


def _by_target(assignments: Sequence[Assignment]) -> dict[str | None, list[Assignment]]:
    """Decisions by whose the detections become, without those that stay whose they are."""
    groups = defaultdict[str | None, list[Assignment]](list)
    for item in assignments:
        if item.person_id != item.detection.person_id:
            groups[item.person_id].append(item)
    return groups


def _persons_of(target: str | None, group: Sequence[Assignment]) -> list[str]:
    """Whom decisions touch, first whose the detections become."""
    former = sorted({item.detection.person_id for item in group if item.detection.person_id})
    return [target, *former] if target is not None else former


def _entry(target: str | None, group: Sequence[Assignment]) -> Entry:
    entry = Entry(ChangeKind.REDECIDE, actor=USHER, persons=_persons_of(target, group), into=target)
    for item in group:
        if item.founds and item.person_id is not None:
            entry.makes("persons", item.person_id)
    return entry


def _check_are_strangers(assignments: Sequence[Assignment], strangers: Collection[str]) -> None:
    for item in assignments:
        if item.detection.person_id and item.detection.person_id not in strangers:
            raise Conflict(f"detection {item.detection.id} is of somebody who is no stranger")


def _move_of(item: Assignment, present: Detection) -> Move:
    somebodys = item.person_id is not None
    status = DetectionStatus.CLASSIFIED if somebodys else DetectionStatus.UNIDENTIFIABLE
    changes = {
        "status": status.value,
        "confidence": plain(item.confidence),
        "candidate_id": item.candidate_id,
        "reason": item.reason,
    }
    return Move(
        detection=present,
        person_id=item.person_id,
        changes=changes,
        reference=item.reference and somebodys,
    )
