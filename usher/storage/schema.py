"""Indexes, and the schema's version with the path from one to the next."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from usher.domain.errors import ConfigurationError
from usher.storage.access import ACCOUNTS
from usher.storage.alert_rules import STRANGERS, rule_document
from usher.storage.database import Collection, Database
from usher.storage.documents import Document
from usher.storage.leases import ASSIGN, AT_ONCE
from usher.storage.workers import GONE_AFTER_S

VERSION = 2
_NAMESPACE_EXISTS = 48

Migration = Callable[[Database], Awaitable[None]]


async def _with_deliveries(database: Database) -> None:
    """Alerts know their deliveries: those that wait go to whoever the notifier names."""
    default = {
        "id": "$_id",
        "kind": "alert",
        "channel": "default",
        "address": "",
        "not_before": "$created_at",
        "status": "pending",
        "attempts": "$attempts",
        "sent_at": None,
        "reason": "$reason",
        "available_at": AT_ONCE,
        "claim_token": None,
    }
    waits = {"$eq": ["$status", "pending"]}
    deliveries = {"$cond": [waits, [default], []]}
    await database["alerts"].update_many(
        {"deliveries": {"$exists": False}},
        [{"$set": {"rules": [], "due": waits, "deliveries": deliveries}}],
    )


MIGRATIONS: Mapping[int, Migration] = {2: _with_deliveries}
"""The step to each version from the one before. A step may run twice: a crash repeats it."""

COLLECTIONS = (
    "detections",
    "persons",
    "faces",
    "visits",
    "alerts",
    "alert_rules",
    "alert_mutes",
    "cameras",
    "users",
    "sessions",
    "sign_in_failures",
    "browsers",
    "devices",
    "pairing_codes",
    "tokens",
    "audit",
    "settings",
    "leases",
    "identity_changes",
    "before_images",
    "gallery_changes",
    "calibrations",
    "repetitions",
    "workers",
)

_INDEXES: Mapping[str, list[IndexModel]] = {
    "detections": [
        IndexModel([("device_id", ASCENDING), ("idempotency_key", ASCENDING)], unique=True),
        IndexModel([("captured_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("camera_id", ASCENDING), ("captured_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("person_id", ASCENDING), ("captured_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("status", ASCENDING), ("captured_at", ASCENDING), ("_id", ASCENDING)]),
        IndexModel(
            [("quality.acceptable", ASCENDING), ("captured_at", DESCENDING), ("_id", DESCENDING)]
        ),
        # What counts detections reads these alone, and no document.
        IndexModel([("status", ASCENDING), ("received_at", ASCENDING)]),
        IndexModel([("received_at", ASCENDING), ("person_id", ASCENDING)]),
        IndexModel([("crop", ASCENDING)]),
        IndexModel(
            [("candidate_id", ASCENDING), ("captured_at", DESCENDING), ("_id", DESCENDING)],
            partialFilterExpression={"candidate_id": {"$type": "string"}},
        ),
        IndexModel(
            [("not_persons", ASCENDING)],
            partialFilterExpression={"not_persons.0": {"$exists": True}},
        ),
        IndexModel(
            [("camera_id", ASCENDING), ("track_id", ASCENDING)],
            partialFilterExpression={"track_id": {"$type": "string"}},
        ),
    ],
    "persons": [
        IndexModel([("kind", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("created_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("kind", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("name", ASCENDING)]),
        IndexModel(
            [("class_name", ASCENDING), ("created_at", DESCENDING), ("_id", DESCENDING)],
            partialFilterExpression={"class_name": {"$type": "string"}},
        ),
    ],
    "faces": [
        IndexModel([("person_id", ASCENDING), ("created_at", ASCENDING)]),
        IndexModel([("embedding.model", ASCENDING)]),
        IndexModel([("detection_id", ASCENDING)]),
        IndexModel([("crop", ASCENDING)]),
    ],
    "visits": [
        IndexModel([("person_id", ASCENDING), ("camera_id", ASCENDING), ("last_at", DESCENDING)]),
        IndexModel([("started_at", DESCENDING), ("_id", DESCENDING)]),
        # Attendance reads these alone, and no document.
        IndexModel(
            [
                ("last_at", ASCENDING),
                ("started_at", ASCENDING),
                ("person_id", ASCENDING),
                ("camera_id", ASCENDING),
            ]
        ),
        IndexModel([("person_id", ASCENDING), ("started_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("camera_id", ASCENDING), ("started_at", DESCENDING), ("_id", DESCENDING)]),
    ],
    "alerts": [
        IndexModel([("visit_id", ASCENDING)], unique=True),
        IndexModel([("detection_id", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("captured_at", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("captured_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("camera_id", ASCENDING), ("captured_at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("person_id", ASCENDING), ("captured_at", ASCENDING)]),
        IndexModel([("status", ASCENDING), ("sent_at", ASCENDING)]),
        IndexModel(
            [("due", ASCENDING), ("captured_at", ASCENDING), ("_id", ASCENDING)],
            partialFilterExpression={"due": True},
        ),
        IndexModel(
            [("deliveries.claim_token", ASCENDING)],
            partialFilterExpression={"deliveries.claim_token": {"$type": "string"}},
        ),
    ],
    "alert_rules": [IndexModel([("created_at", ASCENDING)])],
    "alert_mutes": [IndexModel([("until", ASCENDING)], expireAfterSeconds=0)],
    "users": [
        IndexModel([("username", ASCENDING)], unique=True),
        # One account is one user's. An empty list would count as a value.
        IndexModel(
            [("accounts", ASCENDING)],
            unique=True,
            partialFilterExpression={"accounts.0": {"$exists": True}},
        ),
    ],
    "sessions": [
        IndexModel([("user_id", ASCENDING)]),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
    "browsers": [
        IndexModel([("user_id", ASCENDING)]),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0),
    ],
    "sign_in_failures": [
        IndexModel([("keys", ASCENDING)]),
        IndexModel([("at", ASCENDING)], expireAfterSeconds=900),
    ],
    "devices": [
        IndexModel([("key_hash", ASCENDING)], unique=True),
        IndexModel([("created_at", ASCENDING), ("_id", ASCENDING)]),
    ],
    "pairing_codes": [
        IndexModel(
            [("code_hash", ASCENDING)],
            unique=True,
            partialFilterExpression={"code_hash": {"$type": "string"}},
        ),
        # Some minutes longer than they can be used: whoever made one reads what became of it.
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=600),
    ],
    "tokens": [
        IndexModel([("key_hash", ASCENDING)], unique=True),
        IndexModel([("created_at", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("user_id", ASCENDING), ("created_at", ASCENDING), ("_id", ASCENDING)]),
    ],
    "audit": [
        IndexModel([("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("actor", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("kind", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
        # One entry follows another: of two that are written at once, one is refused.
        IndexModel(
            [("number", ASCENDING)],
            unique=True,
            partialFilterExpression={"number": {"$type": "number"}},
        ),
    ],
    "identity_changes": [
        IndexModel([("at", DESCENDING), ("_id", DESCENDING)]),
        IndexModel([("persons", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)]),
    ],
    "before_images": [
        IndexModel([("change_id", ASCENDING), ("_id", ASCENDING)]),
        IndexModel([("persons", ASCENDING)]),
        IndexModel([("document_id", ASCENDING)]),
    ],
    "gallery_changes": [IndexModel([("at", ASCENDING)], expireAfterSeconds=86_400)],
    "repetitions": [IndexModel([("at", ASCENDING)], expireAfterSeconds=86_400)],
    "workers": [IndexModel([("seen_at", ASCENDING)], expireAfterSeconds=GONE_AFTER_S)],
    "calibrations": [IndexModel([("at", DESCENDING), ("_id", DESCENDING)])],
}


async def prepare(database: Database) -> None:
    """Bring the database to this version: collections, indexes, migrations. Safe to repeat.

    Raises
    ------
    ConfigurationError
        If the data come from a newer Usher.
    """
    await _migrate(database)
    # A transaction may not wait for a collection to come into being, so all exist first.
    present = set(await database.list_collection_names())
    for name in COLLECTIONS:
        if name not in present:
            await _create(database, name)
    for name, indexes in _INDEXES.items():
        await database[name].create_indexes(indexes)
    await _ensure(database["settings"], {"_id": "gallery", "version": 0})
    await _ensure(database["settings"], {"_id": ACCOUNTS, "version": 0})
    if await database["settings"].find_one({"_id": "alert_rules"}) is None:
        # Once: where somebody removes the rule it stays away.
        first = {"_id": STRANGERS.id, **rule_document(STRANGERS), "created_at": AT_ONCE}
        await _ensure(database["alert_rules"], first)
        await _ensure(database["settings"], {"_id": "alert_rules"})
    await _ensure(database["settings"], {"_id": "picture_links", "key": os.urandom(32)})
    unheld = {"owner": None, "token": 0, "available_at": AT_ONCE}
    await _ensure(database["leases"], {"_id": ASSIGN, **unheld})


async def _migrate(database: Database) -> None:
    await _ensure(database["settings"], {"_id": "schema", "version": VERSION})
    document = await database["settings"].find_one({"_id": "schema"})
    version = int(document["version"]) if document else VERSION
    if version > VERSION:
        raise ConfigurationError(
            f"the database has schema version {version}, this Usher knows {VERSION}: "
            "run the newer Usher that wrote it"
        )
    for step in range(version + 1, VERSION + 1):
        await MIGRATIONS[step](database)
        # Never back: another process may have got further meanwhile.
        await database["settings"].update_one({"_id": "schema"}, {"$max": {"version": step}})


async def _create(database: Database, name: str) -> None:
    """Create a collection unless it is there."""
    try:
        await database.create_collection(name, check_exists=False)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


async def _ensure(collection: Collection, document: Document) -> None:
    """Insert a document unless it is there."""
    try:
        await collection.insert_one(document)
    except DuplicateKeyError:
        return
