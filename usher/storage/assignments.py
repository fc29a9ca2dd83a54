"""What the classifier decides about a detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pymongo.errors import BulkWriteError

from usher.domain.errors import LeaseLost
from usher.domain.records import Confidence, Detection, Person, PersonKind
from usher.storage.database import Database, Session
from usher.storage.documents import to_document

CHANGED_MEANWHILE = "a detection has changed meanwhile: decide again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What the classifier decided about one detection.

    Attributes
    ----------
    person_id
        Whose it is; None where it cannot be identified.
    founds
        Makes the person: a new stranger.
    reference
        Keeps the face as one of theirs. A reference that comes from a detection has its id.
    candidate_id
        Somebody known whom the detection probably shows, for a person to say.
    companions
        Earlier unidentifiable detections of the same track, which become the person's with it: of
        the same visit, and as references where `reference` says so.
    drops
        References that go because the person has enough.
    reason
        Why it is nobody's, in words.
    """

    detection: Detection
    person_id: str | None
    confidence: Confidence | None = None
    founds: bool = False
    reference: bool = False
    candidate_id: str | None = None
    companions: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    reason: str | None = None


async def found_strangers(
    database: Database, assignments: Sequence[Assignment], session: Session
) -> None:
    """Make the persons whom assignments found, as a part of somebody else's transaction.

    Raises
    ------
    LeaseLost
        If an id is taken.
    """
    persons = [_stranger(item) for item in assignments if item.founds]
    if not persons:
        return
    try:
        await database["persons"].insert_many(
            [to_document(person) for person in persons], session=session
        )
    except BulkWriteError as error:  # a conflict with another transaction is no such error
        raise LeaseLost("a new person's id is taken: decide again") from error


def _stranger(founding: Assignment) -> Person:
    return Person(
        id=str(founding.person_id),
        kind=PersonKind.UNKNOWN,
        created_at=founding.detection.received_at,
    )
