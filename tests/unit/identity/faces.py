"""Faces for galleries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from usher.domain.identifiers import new_id
from usher.domain.records import Embedding, Face, Vector

MODEL = "model"


def vector(*numbers: float) -> Vector:
    return np.array(numbers, np.float32)


def face(person_id: str, numbers: Sequence[float] | Vector, *, model: str = MODEL) -> Face:
    return Face(
        id=new_id(),
        person_id=person_id,
        embedding=Embedding(model, np.asarray(numbers, np.float32)),
        crop=new_id(),
        origin="enrolment",
        created_at=datetime.now(UTC),
    )
