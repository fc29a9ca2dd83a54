"""A face in a frame to what is uploaded of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from services.detector.sources import Frame
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.images import encode_jpeg, resized
from usher.wire import BoxBody, DetectionMetadata, FramePlace

MAX_SIDE_PX = 600
"""A crop's longer side: it stays well under the API's limit of 1 MB, and shows enough."""

_KEYS = uuid.UUID("6f0a4b5e-54c5-4f0a-9a39-5b1d0e1c7f3e")


@dataclass(frozen=True, slots=True)
class Upload:
    """One crop, ready to send.

    Attributes
    ----------
    image
        A JPEG: the face with a margin.
    metadata
        Its box in pixels of that JPEG, its place in the frame, time and camera.
    key
        Made once: however often it is sent, it is stored once.
    """

    image: bytes = field(repr=False)
    metadata: DetectionMetadata
    key: str


def make_upload(
    frame: Frame, face: DetectedFace, *, face_index: int, camera_id: str, margin: float
) -> Upload:
    """Cut a face out of a frame.

    Parameters
    ----------
    frame
        The whole picture.
    face
        A face that lies in it, at least partly.
    face_index
        Its place among the frame's faces.
    camera_id
        Where the frame comes from.
    margin
        How much to keep around the face on each side, in widths and heights of its box, as far as
        the frame reaches.
    """
    height, width = frame.image_rgb.shape[:2]
    place = face.box.expanded(margin).clipped(width, height)
    scale = min(1.0, MAX_SIDE_PX / place.size)
    crop_rgb = resized(frame.image_rgb[place.y1 : place.y2, place.x1 : place.x2], scale)
    metadata = DetectionMetadata(
        camera_id=camera_id,
        captured_at=frame.captured_at,
        box=_body(face.box.shifted(-place.x1, -place.y1).scaled(scale)),
        frame=FramePlace(box=_body(face.box), width=width, height=height),
        score=face.score,
    )
    return Upload(encode_jpeg(crop_rgb), metadata, _key(frame, camera_id, face_index))


def _key(frame: Frame, camera_id: str, face_index: int) -> str:
    """The upload's key: of a file, the same in each run with the same `started_at`."""
    if frame.origin is None:
        return str(uuid.uuid4())
    parts = (camera_id, frame.origin, frame.captured_at.isoformat(), frame.index, face_index)
    return str(uuid.uuid5(_KEYS, "\n".join(map(str, parts))))


def _body(box: Box) -> BoxBody:
    return BoxBody(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)
