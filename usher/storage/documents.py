"""Domain records as MongoDB documents and back.

A vector is stored as its little-endian float32 bytes, a box as `[x1, y1, x2, y2]`. Times come
back aware because the client is made with `tz_aware`. MongoDB keeps milliseconds.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.records import (
    Absence,
    Alert,
    AlertStatus,
    AuditEntry,
    Camera,
    CameraRates,
    CameraState,
    ChangeKind,
    Confidence,
    Delivery,
    DeliveryKind,
    Detection,
    DetectionStatus,
    Device,
    Embedding,
    Face,
    FramePlace,
    IdentityChange,
    PairingCode,
    Person,
    PersonKind,
    Role,
    SpoolBooks,
    Token,
    User,
    Vector,
    Visit,
)

Document = dict[str, Any]
Record = TypeVar(
    "Record",
    Alert,
    AuditEntry,
    Camera,
    Detection,
    Device,
    Face,
    IdentityChange,
    PairingCode,
    Person,
    Token,
    User,
    Visit,
)


def to_document(record: Record) -> Document:
    """The document of a record; its `id` becomes `_id`."""
    document = {item.name: plain(getattr(record, item.name)) for item in fields(record)}
    return {"_id": document.pop("id"), **document}


def plain(value: Any) -> Any:  # noqa: PLR0911 - a table, one row a type
    """A value of a record as MongoDB keeps it."""
    match value:
        case Enum():
            return value.value
        case Box():
            return [value.x1, value.y1, value.x2, value.y2]
        case FramePlace():
            return {"box": plain(value.box), "width": value.width, "height": value.height}
        case Embedding():
            return {"model": value.model, "vector": vector_bytes(value.vector)}
        case FaceQuality() | CameraRates() | SpoolBooks() | Delivery() | Absence():
            return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
        case tuple():
            return [plain(item) for item in value]
        case _:
            return value


def vector_bytes(vector: Vector) -> bytes:
    """The little-endian float32 bytes of a vector of any length."""
    return vector.astype("<f4").tobytes()


def vector_from_bytes(data: bytes) -> Vector:
    """A float32 vector from its little-endian bytes."""
    return np.frombuffer(data, dtype="<f4").astype(np.float32)


def embedding_from_document(document: Document) -> Embedding:
    return Embedding(model=document["model"], vector=vector_from_bytes(document["vector"]))


def detection_from_document(document: Document) -> Detection:
    return _record(
        Detection,
        document,
        status=DetectionStatus,
        box=_box,
        landmarks=_points,
        frame=_frame_place,
        embedding=embedding_from_document,
        quality=_quality,
        confidence=Confidence,
        not_persons=tuple,
    )


def person_from_document(document: Document) -> Person:
    # None is what the field was where undoing puts back a person from before there was one.
    given = {**document, "managers": document.get("managers") or ()}
    return _record(Person, given, kind=PersonKind, distinct_from=tuple, managers=tuple)


def face_from_document(document: Document) -> Face:
    return _record(Face, document, embedding=embedding_from_document, box=_box)


def identity_change_from_document(document: Document) -> IdentityChange:
    return _record(IdentityChange, document, kind=ChangeKind, persons=tuple)


def visit_from_document(document: Document) -> Visit:
    return _record(Visit, document)


def alert_from_document(document: Document) -> Alert:
    return _record(
        Alert,
        document,
        status=AlertStatus,
        rules=tuple,
        deliveries=_deliveries,
        absence=lambda absence: Absence(**absence),
    )


def camera_from_document(document: Document) -> Camera:
    return _record(
        Camera,
        document,
        managers=tuple,
        state=CameraState,
        rates=lambda rates: CameraRates(**rates),
        spool=lambda books: SpoolBooks(**books),
    )


def device_from_document(document: Document) -> Device:
    return _record(Device, document, role=Role, cameras=tuple)


def pairing_code_from_document(document: Document) -> PairingCode:
    return _record(PairingCode, document, cameras=tuple)


def user_from_document(document: Document) -> User:
    return _record(User, document, role=Role, cameras=tuple, accounts=tuple)


def token_from_document(document: Document) -> Token:
    return _record(Token, document, role=Role, cameras=tuple)


def audit_entry_from_document(document: Document) -> AuditEntry:
    return _record(AuditEntry, document)


def _record(kind: type[Record], document: Document, /, **convert: Any) -> Record:
    """A record from the fields that it knows; other fields are the database's own business."""
    known = {item.name for item in fields(kind)}
    values = {name: value for name, value in document.items() if name in known}
    for name, function in convert.items():
        if values.get(name) is not None:
            values[name] = function(values[name])
    return kind(id=document["_id"], **values)


def _box(values: list[int]) -> Box:
    return Box(*values)


def _points(values: list[list[float]]) -> tuple[tuple[float, float], ...]:
    return tuple((x, y) for x, y in values)


def _deliveries(documents: list[Document]) -> tuple[Delivery, ...]:
    known = {item.name for item in fields(Delivery)}
    return tuple(
        Delivery(
            **{
                **{name: value for name, value in one.items() if name in known},
                "kind": DeliveryKind(one["kind"]),
                "status": AlertStatus(one["status"]),
            }
        )
        for one in documents
    )


def _frame_place(document: Document) -> FramePlace:
    return FramePlace(_box(document["box"]), document["width"], document["height"])


def _quality(document: Document) -> FaceQuality:
    return FaceQuality(**{**document, "reasons": tuple(document["reasons"])})


def milliseconds(moment: datetime) -> datetime:
    """The moment as MongoDB keeps it, so that what was written compares equal to what is read."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
