"""What a camera and a classifier do, for tests that need detections with vectors."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any

from PIL import Image

from usher.domain.records import Embedding
from usher.storage.detections import Described
from usher.vision.images import CROP_FORMATS, decode_image

from .conftest import NOON, Api, upload


def crop_of(photograph: Path) -> bytes:
    """The photograph as a JPEG below the cap for crops."""
    with Image.open(photograph) as image:
        image.thumbnail((800, 800))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


async def saw(api: Api, photograph: Path, *, at: datetime = NOON, **metadata: Any) -> str:
    """Upload the most central face of a photograph; the detection's id."""
    response = await upload(
        api.device, image=crop_of(photograph), box=None, captured_at=at.isoformat(), **metadata
    )
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def embed_all(api: Api) -> None:
    """Give every detection that waits its vector."""
    detections, pipeline = api.state.detections, api.state.pipeline
    claim = await detections.claim(limit=50, lease_s=60)
    described = []
    for detection in claim.detections:
        crop_rgb = decode_image(
            api.state.crops.get(detection.crop), formats=CROP_FORMATS, max_pixels=10_000_000
        )
        assert detection.box is not None
        (face,) = pipeline.describe(crop_rgb, [detection.box])
        embedding = Embedding(pipeline.model_id, face.embedding)
        described.append(
            Described(
                detection_id=detection.id, box=face.box, embedding=embedding, quality=face.quality
            )
        )
    assert await detections.finish_embedding(claim.token, described) == len(described)
