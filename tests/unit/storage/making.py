"""Records to store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.identifiers import new_id
from usher.domain.records import (
    Detection,
    DetectionStatus,
    Embedding,
    Face,
    Person,
    PersonKind,
)
from usher.storage.documents import milliseconds

MODEL = "model"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = FaceQuality(size_px=80, sharpness=50.0, acceptable=True)
POOR = FaceQuality(size_px=12, sharpness=1.0, acceptable=False, reasons=("face too small",))


def embedding(*numbers: float, model: str = MODEL) -> Embedding:
    vector = np.zeros(4, np.float32)
    vector[: len(numbers)] = numbers
    return Embedding(model, vector)


def detection(second: float = 0, **fields: Any) -> Detection:
    """A pending detection, captured so many seconds after noon."""
    given = {
        "id": new_id(),
        "camera_id": "door",
        "device_id": "device",
        "idempotency_key": new_id(),
        "content_sha256": "0" * 64,
        "captured_at": NOON + timedelta(seconds=second),
        "received_at": NOON,
        "crop": new_id(),
        "box": Box(0, 0, 80, 80),
    }
    return Detection(**{**given, **fields})


def embedded(second: float = 0, **fields: Any) -> Detection:
    """A detection that waits to be assigned."""
    given = {"status": DetectionStatus.EMBEDDED, "embedding": embedding(1.0), "quality": GOOD}
    return detection(second, **{**given, **fields})


def person(person_id: str, kind: PersonKind = PersonKind.UNKNOWN, **fields: Any) -> Person:
    return Person(id=person_id, kind=kind, created_at=NOON, **fields)


def face(person_id: str, **fields: Any) -> Face:
    given = {
        "id": new_id(),
        "person_id": person_id,
        "embedding": embedding(1.0),
        "crop": new_id(),
        "origin": "enrolment",
        "created_at": milliseconds(NOON),
    }
    return Face(**{**given, **fields})
