"""A face in a frame to what is uploaded of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

import numpy as np

from services.detector.sources import Frame
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.align import EyesAndNose
from usher.vision.images import RgbImage, encode_jpeg, resized
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


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A face cut out of its frame, not yet encoded: it may never be sent.

    `image_rgb` is uint8, (H, W, 3), RGB; the rest is as in `Upload`.
    """

    image_rgb: RgbImage = field(repr=False)
    metadata: DetectionMetadata
    key: str

    def upload(self) -> Upload:
        """The crop, ready to send."""
        return Upload(encode_jpeg(self.image_rgb), self.metadata, self.key)


def cut(
    frame: Frame,
    face: DetectedFace,
    *,
    number: int,
    camera_id: str,
    margin: float,
    track_id: str | None = None,
    landmarks: EyesAndNose | None = None,
) -> Crop:
    """Cut a face out of a frame.

    Parameters
    ----------
    frame
        The whole picture.
    face
        A face that lies in it, at least partly.
    number
        Tells the faces of one frame apart.
    camera_id
        Where the frame comes from.
    margin
        How much to keep around the face on each side, in widths and heights of its box, as far as
        the frame reaches.
    track_id
        The face over frames that this is a shot of.
    landmarks
        float32, (5, 2), in pixels of the frame.
    """
    height, width = frame.image_rgb.shape[:2]
    place = face.box.expanded(margin).clipped(width, height)
    scale = min(1.0, MAX_SIDE_PX / place.size)
    crop_rgb = resized(frame.image_rgb[place.y1 : place.y2, place.x1 : place.x2], scale)
    metadata = DetectionMetadata(
        camera_id=camera_id,
        captured_at=frame.captured_at,
        track_id=track_id,
        box=_body(face.box.shifted(-place.x1, -place.y1).scaled(scale)),
        landmarks=None if landmarks is None else _points(landmarks, place, scale),
        frame=FramePlace(box=_body(face.box), width=width, height=height),
        score=face.score,
    )
    if np.may_share_memory(crop_rgb, frame.image_rgb):
        crop_rgb = crop_rgb.copy()  # a crop that waits must not hold its whole frame
    return Crop(crop_rgb, metadata, _key(frame, camera_id, number))


def _points(landmarks: EyesAndNose, place: Box, scale: float) -> list[list[float]]:
    """Landmarks in pixels of the crop, to a tenth."""
    inside = (landmarks - np.array([place.x1, place.y1], np.float32)) * scale
    return [[round(float(x), 1), round(float(y), 1)] for x, y in inside]


def _key(frame: Frame, camera_id: str, number: int) -> str:
    """The upload's key: of a file, the same in each run with the same `started_at`."""
    if frame.origin is None:
        return str(uuid.uuid4())
    parts = (camera_id, frame.origin, frame.captured_at.isoformat(), frame.index, number)
    return str(uuid.uuid5(_KEYS, "\n".join(map(str, parts))))


def _body(box: Box) -> BoxBody:
    return BoxBody(x1=box.x1, y1=box.y1, x2=box.x2, y2=box.y2)
