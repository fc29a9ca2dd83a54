"""Detections that wait for a person to say whether they show somebody known."""

from __future__ import annotations

from usher.storage.database import Database, Session
from usher.storage.documents import Document
from usher.storage.journal import Entry


async def settle_questions(
    database: Database, person_id: str, entry: Entry, session: Session
) -> None:
    """Ask no more of whom a person has said who they are; a part of the change that said it."""
    detections = database["detections"]
    asked: Document = {"person_id": person_id, "candidate_id": {"$type": "string"}}
    for document in await detections.find(asked, {"candidate_id": 1}, session=session).to_list():
        entry.alters("detections", document, ["candidate_id"])
    await detections.update_many(asked, {"$set": {"candidate_id": None}}, session=session)
