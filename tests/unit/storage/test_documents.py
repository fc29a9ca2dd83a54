"""Records as documents and back."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st

from tests.unit.storage.making import NOON, POOR, detection, embedded, face
from usher.domain.geometry import Box
from usher.domain.records import (
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
from usher.storage import documents
from usher.storage.database import Database
from usher.storage.documents import (
    milliseconds,
    to_document,
    vector_bytes,
    vector_from_bytes,
)

FULL = embedded(
    status=DetectionStatus.CLASSIFIED,
    landmarks=((1.5, 2.5), (3.0, 4.0)),
    frame=FramePlace(Box(-5, 10, 75, 90), 1280, 720),
    score=0.75,
    track_id="track",
    attempts=2,
    reason="a reason",
    quality=POOR,
    person_id="p-1",
    confidence=Confidence.MEDIUM,
    visit_id="visit",
    candidate_id="p-2",
    confirmed=True,
    not_persons=("p-3",),
)
CHANGE = IdentityChange(
    id="change", at=NOON, actor="u", kind=ChangeKind.MERGE, persons=("p-1", "p-2"), detections=3
)
ALERT = Alert(
    id="alert",
    visit_id="visit",
    person_id="p-1",
    camera_id="door",
    detection_id="detection",
    captured_at=NOON,
    created_at=NOON,
)
DELIVERY = Delivery(
    id="delivery", kind=DeliveryKind.ALERT, channel="chat", address="@ann", not_before=NOON
)
REPORTED = Camera(
    id="gate",
    name="gate",
    state=CameraState.FROZEN,
    state_since=NOON,
    reason="the same picture for 20 s",
    rates=CameraRates(
        fps=15.0, detector_fps=6.0, skipped=2, faces=3, tracks=1, stage_ms={"detect": 20.5}
    ),
    spool=SpoolBooks(produced=5, delivered=1, dropped=1, refused=1, pending=2, bytes=9000),
    width=1280,
    height=720,
    device_id="d",
    reported_at=NOON,
    frame_at=NOON,
)
GUARD = User(
    id="g",
    username="bob",
    role=Role.VIEWER,
    password_hash="hash",
    cameras=("door", "gate"),
    disabled=True,
    must_renew=True,
)
TOKEN = Token(id="t", name="till", user_id="u", role=Role.VIEWER, created_at=NOON)
CODE = PairingCode(id="c", name="Door", created_by="u", expires_at=NOON)
DEVICE = Device(id="d", name="edge", role=Role.DEVICE, created_at=NOON)
ENTRY = AuditEntry(id="e", at=NOON, actor="u", action="person.create", subject="p-1")
RECORDS = [
    ("detection", detection(box=None)),
    ("detection", FULL),
    ("person", Person(id="p-1", kind=PersonKind.UNKNOWN, created_at=NOON)),
    ("person", Person(id="p-2", kind=PersonKind.KNOWN, created_at=NOON, name="Ada", notes="x")),
    ("face", face("p-1")),
    ("person", Person(id="p-3", kind=PersonKind.UNKNOWN, created_at=NOON, distinct_from=("p-2",))),
    ("face", face("p-1", box=Box(1, 2, 30, 40))),
    ("face", face("p-1", origin="detection", detection_id="detection")),
    ("identity_change", CHANGE),
    ("identity_change", replace(CHANGE, undone_at=NOON, undone_by="u", final="x")),
    ("visit", Visit(id="v", person_id="p-1", camera_id="door", started_at=NOON, last_at=NOON)),
    ("alert", ALERT),
    ("alert", replace(ALERT, status=AlertStatus.SENT, sent_at=NOON, attempts=3, rules=("r",))),
    (
        "alert",
        replace(
            ALERT,
            deliveries=(DELIVERY, replace(DELIVERY, status=AlertStatus.FAILED, reason="away")),
            answered_at=NOON,
            answered_by="u",
            answer="is Ada",
        ),
    ),
    ("camera", Camera(id="door", name="The door", managers=("ada", "bob"), last_seen_at=NOON)),
    ("camera", Camera(id="yard", name="yard")),
    ("camera", REPORTED),
    ("pairing_code", CODE),
    ("pairing_code", replace(CODE, cameras=("door", "yard"))),
    ("device", DEVICE),
    ("device", replace(DEVICE, cameras=("door", "yard"), last_seen_at=NOON)),
    ("user", User(id="u", username="ada", role=Role.ADMIN, password_hash="hash")),
    ("user", GUARD),
    ("token", TOKEN),
    ("token", replace(TOKEN, cameras=("door",), expires_at=NOON, last_used_at=NOON)),
    ("audit_entry", ENTRY),
    ("audit_entry", replace(ENTRY, number=2, previous="0" * 64, digest="1" * 64)),
]


def comparable(record: Any) -> dict[str, Any]:
    """The fields of a record, with a vector as its bytes: vectors have no equality of their own."""
    values = {item.name: getattr(record, item.name) for item in fields(record)}
    kept: Embedding | None = values.pop("embedding", None)
    if kept is not None:
        values["embedding"] = (kept.model, kept.vector.dtype, kept.vector.tobytes())
    return values


@pytest.mark.parametrize(("kind", "record"), RECORDS)
async def test_record_is_the_same_when_it_comes_back_from_the_database(
    kind: str, record: Any, prepared: Database
) -> None:
    collection = prepared["audit"]
    await collection.insert_one({**to_document(record), "other": "the database's own business"})
    document = await collection.find_one({"_id": record.id})
    read = getattr(documents, f"{kind}_from_document")(document)
    assert comparable(read) == comparable(record)
    assert type(read) is type(record)


def test_every_record_is_tried_when_it_can_be_stored() -> None:
    readers = {name.removesuffix("_from_document") for name in dir(documents)}
    stored = {
        re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
        for kind in documents.Record.__constraints__
    }
    assert stored <= readers
    assert stored == {kind for kind, _ in RECORDS}


@given(
    numpy_st.arrays(np.float32, st.integers(0, 600), elements=st.floats(width=32, allow_nan=False))
)
def test_vector_keeps_every_bit_when_stored(vector: Vector) -> None:
    read = vector_from_bytes(vector_bytes(vector))
    assert read.dtype == np.float32
    assert read.tobytes() == vector.tobytes()
    assert read.flags.writeable


@given(st.datetimes(timezones=st.just(UTC)))
def test_moment_loses_less_than_a_millisecond_when_rounded(moment: datetime) -> None:
    rounded = milliseconds(moment)
    assert timedelta(0) <= moment - rounded < timedelta(milliseconds=1)
    assert milliseconds(rounded) == rounded


async def test_moment_comes_back_aware_and_equal_when_another_zone_wrote_it(
    prepared: Database,
) -> None:
    moment = milliseconds(datetime(2026, 3, 1, 1, 2, 3, 456789, timezone(timedelta(hours=5))))
    await prepared["audit"].insert_one({"_id": "moment", "at": moment})
    document = await prepared["audit"].find_one({"_id": "moment"})
    assert document is not None
    assert document["at"] == moment
    assert document["at"].utcoffset() == timedelta(0)


def test_password_hash_is_not_told_when_a_user_is_logged() -> None:
    assert "hash" not in repr(User(id="u", username="a", role=Role.ADMIN, password_hash="hash"))


def test_detection_holds_no_vector_when_it_was_left_out() -> None:
    document = to_document(FULL)
    document.pop("embedding")
    read: Detection = documents.detection_from_document(document)
    assert read.embedding is None
    assert read.person_id == "p-1"
