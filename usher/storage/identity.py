"""Who is who, as the classifier decides it: under its lease, against one version of the gallery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from pymongo import UpdateOne

from usher.domain.errors import Conflict, LeaseLost
from usher.domain.records import Detection, DetectionStatus
from usher.storage.assignments import CHANGED_MEANWHILE, Assignment, found_strangers
from usher.storage.database import Database, Result, Session, transact
from usher.storage.distinctions import distinguish, pairs_with
from usher.storage.documents import Document, detection_from_document, to_document
from usher.storage.journal import USHER
from usher.storage.leases import Lease, Leases
from usher.storage.merging import Merge
from usher.storage.people import People
from usher.storage.redecisions import Redecisions, persons_in
from usher.storage.references import reference_of
from usher.storage.versions import ANOTHER_VERSION, gallery_version, raise_version
from usher.storage.visits import Arrival, Visits


@dataclass(frozen=True, slots=True)
class _Settled:
    """An assignment that makes somebody's, with what the database holds of its companions."""

    assignment: Assignment
    person_id: str
    detections: tuple[Detection, ...]

    @property
    def not_persons(self) -> set[str]:
        return set(chain.from_iterable(item.not_persons for item in self.detections))


class Identity:
    """What the classifier changes, each change in one transaction.

    Parameters
    ----------
    visit_gap_s
        Quiet seconds that end a visit.
    """

    def __init__(self, database: Database, *, visit_gap_s: float) -> None:
        self._database = database
        self._persons = database["persons"]
        self._faces = database["faces"]
        self._detections = database["detections"]
        self._leases = Leases(database)
        self._people = People(database)
        self._visits = Visits(database, gap_s=visit_gap_s)
        self._redecisions = Redecisions(database, visit_gap_s=visit_gap_s)

    async def version(self) -> int:
        """The gallery's version now."""
        return await gallery_version(self._database)

    async def commit(
        self,
        assignments: Sequence[Assignment],
        *,
        lease: Lease,
        lease_s: float,
        version: int,
        following_shots: Sequence[Assignment] = (),
        merges: Sequence[tuple[str, str]] = (),
    ) -> int:
        """Write decisions, their persons, visits and alert intents: all or nothing.

        Parameters
        ----------
        following_shots
            What becomes of finished detections that go the way of later shots of their tracks: as
            in `redecide`, but they may have been anybody's.
        merges
            Strangers who turn out to be another, as pairs of who stays and who goes. They are
            merged first, so that a visit which has begun goes on and is no second alert.

        Returns
        -------
        int
            The gallery's new version.

        Raises
        ------
        LeaseLost
            If the lease has changed hands, the gallery has another version than the decisions were
            made against, a detection or a companion is no longer as it was, or a new person's id is
            taken. Nothing is written.
        """

        async def work(session: Session) -> int:
            merged = await self._merged(merges, version, session)
            return await self._commit(assignments, following_shots, merged, session)

        return await self._fenced(lease, lease_s, work)

    async def redecide(
        self,
        assignments: Sequence[Assignment],
        *,
        lease: Lease,
        lease_s: float,
        version: int,
        answered: bool = False,
    ) -> int:
        """Decide anew about detections that are finished, without alerts: all or nothing.

        They are strangers' or unidentifiable, and nobody has confirmed them. Their references
        follow: `reference` keeps or makes them the new person's, otherwise they go. A stranger of
        whom nothing is left goes too. For each person whom detections come to, and for all that
        become nobody's, there is one change in the history. `companions` have no meaning here.

        Parameters
        ----------
        answered
            A person has answered for other shots of their tracks: they may be anybody's.

        Returns
        -------
        int
            The gallery's new version.

        Raises
        ------
        LeaseLost
            If the lease has changed hands, the gallery has another version than the decisions were
            made against, or a detection is no longer as it was. Nothing is written.
        Conflict
            If a detection is that of somebody who is not a stranger, without `answered`.
        """

        async def work(session: Session) -> int:
            return await self._redecisions.make(assignments, version, session, of_anybody=answered)

        return await self._fenced(lease, lease_s, work)

    async def merge_strangers(
        self, into: str, others: Sequence[str], *, lease: Lease, lease_s: float, version: int
    ) -> int:
        """Fold strangers into one who turn out to be the same.

        Returns
        -------
        int
            The gallery's new version.

        Raises
        ------
        LeaseLost
            If the lease has changed hands, or the gallery has another version.
        NotFound
            If one of them does not exist.
        Conflict
            If one of them is no stranger, or they have been told apart.
        """
        merge = Merge(self._database, into, others, actor=USHER)

        async def check(session: Session) -> None:
            await self._check_alike([into, *others], session)

        async def finish(session: Session) -> int:
            await check(session)
            return (await merge.finish(session, expected=expected))[1]

        await self._fenced(lease, lease_s, check)
        expected = await merge.move_bulk(expected=version)
        return await self._fenced(lease, lease_s, finish)

    async def _fenced(
        self, lease: Lease, lease_s: float, work: Callable[[Session], Awaitable[Result]]
    ) -> Result:
        """Work in a transaction that is only committed while the lease is held."""

        async def held(session: Session) -> Result:
            await self._leases.hold(lease, lease_s=lease_s, session=session)
            return await work(session)

        async with self._database.client.start_session() as session:
            await self._leases.bind(lease, session)
            return await transact(session, held)

    async def _check_alike(self, person_ids: Sequence[str], session: Session) -> None:
        """Raise Conflict unless all are strangers whom nobody has told apart."""
        strangers = await self._people.strangers_among(person_ids, session)
        if strangers < set(person_ids):
            raise Conflict("only strangers are merged by themselves")
        within: Document = {
            "_id": {"$in": list(person_ids)},
            "distinct_from": {"$in": list(person_ids)},
        }
        if await self._persons.find_one(within, {"_id": 1}, session=session):
            raise Conflict("they have been told apart")

    # ---- First decisions -------------------------------------------------------------------------

    async def _merged(
        self, merges: Sequence[tuple[str, str]], version: int, session: Session
    ) -> int:
        """Merge strangers, one after the other; the gallery's new version."""
        if merges and await gallery_version(self._database, session) != version:
            raise LeaseLost(ANOTHER_VERSION)
        for into, other in merges:
            await self._check_alike([into, other], session)
            merge = Merge(self._database, into, [other], actor=USHER)
            version = (await merge.finish(session, expected=version))[1]
        return version

    async def _commit(
        self,
        assignments: Sequence[Assignment],
        following_shots: Sequence[Assignment],
        version: int,
        session: Session,
    ) -> int:
        settled = await self._settled(assignments, session)
        followed = persons_in(following_shots)
        touched = followed.union(*(_touched(item) for item in settled))
        following = await raise_version(self._database, session, persons=touched, expected=version)
        await found_strangers(self._database, [*assignments, *following_shots], session)
        persons = followed | {item.person_id for item in settled}
        strangers = await self._people.strangers_among(persons, session)
        visit_ids = await self._visits.join(
            [Arrival(item.person_id, item.detections) for item in settled],
            session,
            alert=True,
        )
        await self._change_references(settled, session)
        apart = (
            pairs_with(s.person_id, s.not_persons) for s in settled if s.person_id in strangers
        )
        await distinguish(self._database, set(chain.from_iterable(apart)), session)
        finished = [
            _finished(item, visit_id, strange=item.person_id in strangers)
            for item, visit_id in zip(settled, visit_ids, strict=True)
        ]
        nobodys = [_unidentifiable(item) for item in assignments if item.person_id is None]
        await self._finish([*chain.from_iterable(finished), *nobodys], session)
        if following_shots:
            # Last: an earlier shot joins the visit that a new one has begun, and alerts nobody.
            await self._redecisions.write(following_shots, strangers, following, session)
        return following

    async def _settled(self, assignments: Sequence[Assignment], session: Session) -> list[_Settled]:
        companions = await self._companions(assignments, session)
        return [
            _Settled(
                item,
                item.person_id,
                (item.detection, *(companions[id_] for id_ in item.companions)),
            )
            for item in assignments
            if item.person_id is not None
        ]

    async def _companions(
        self, assignments: Sequence[Assignment], session: Session
    ) -> Mapping[str, Detection]:
        ids = list(chain.from_iterable(item.companions for item in assignments))
        if not ids:
            return {}
        found = self._detections.find({"_id": {"$in": ids}, **_LEFT_OVER}, session=session)
        companions = {row["_id"]: detection_from_document(row) for row in await found.to_list()}
        if len(companions) < len(ids):
            raise LeaseLost(CHANGED_MEANWHILE)
        return companions

    async def _change_references(self, settled: Sequence[_Settled], session: Session) -> None:
        new = [
            to_document(reference_of(detection, item.person_id))
            for item in settled
            if item.assignment.reference
            for detection in item.detections
        ]
        if new:
            await self._faces.insert_many(new, session=session)
        dropped = list(chain.from_iterable(item.assignment.drops for item in settled))
        if dropped:
            await self._faces.delete_many({"_id": {"$in": dropped}}, session=session)

    async def _finish(self, updates: Sequence[UpdateOne], session: Session) -> None:
        if not updates:
            return
        result = await self._detections.bulk_write(updates, session=session)
        if result.matched_count < len(updates):
            raise LeaseLost(CHANGED_MEANWHILE)


_LEFT_OVER: Document = {"status": DetectionStatus.UNIDENTIFIABLE, "confirmed": {"$ne": True}}
"""Selects what is nobody's and may become somebody's by itself."""


def _touched(settled: _Settled) -> set[str]:
    """Whose references, kind or distinctions an assignment may change."""
    item, others = settled.assignment, settled.not_persons
    changes = item.founds or item.reference or item.drops or others
    return {settled.person_id, *others} if changes else set()


def _finished(settled: _Settled, visit_id: str, *, strange: bool) -> list[UpdateOne]:
    """The changes of an assigned detection and of its companions, who keep their candidates."""
    item = settled.assignment
    now = {
        "status": DetectionStatus.CLASSIFIED,
        "person_id": settled.person_id,
        "confidence": item.confidence,
        "visit_id": visit_id,
        "reason": None,
    }
    first = {"_id": item.detection.id, "status": DetectionStatus.EMBEDDED}
    others = now if strange else {**now, "candidate_id": None}
    return [
        UpdateOne(first, {"$set": {**now, "candidate_id": item.candidate_id}}),
        *(UpdateOne({"_id": id_, **_LEFT_OVER}, {"$set": others}) for id_ in item.companions),
    ]


def _unidentifiable(item: Assignment) -> UpdateOne:
    return UpdateOne(
        {"_id": item.detection.id, "status": DetectionStatus.EMBEDDED},
        {
            "$set": {
                "status": DetectionStatus.UNIDENTIFIABLE,
                "candidate_id": item.candidate_id,
                "reason": item.reason,
            }
        },
    )
