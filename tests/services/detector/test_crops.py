"""Faces cut out of frames."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.crops import MAX_SIDE_PX, Upload, cut
from services.detector.sources import Frame
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.images import CROP_FORMATS, RgbImage, decode_image
from usher.wire import BoxBody

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def frame_of(width: int, height: int) -> Frame:
    return Frame(np.zeros((height, width, 3), np.uint8), 7, NOON, "content")


def upload_of(frame: Frame, box: Box, **options: object) -> Upload:
    face = DetectedFace(box, 1.5)
    named = {"number": 0, "camera_id": "door", "margin": 0.5, **options}
    return cut(frame, face, **named).upload()  # type: ignore[arg-type]


def pixels(upload: Upload) -> RgbImage:
    return decode_image(upload.image, formats=CROP_FORMATS, max_pixels=MAX_SIDE_PX**2)


def test_crop_keeps_the_margin_and_says_where_the_face_is() -> None:
    frame = frame_of(640, 480)
    frame.image_rgb[100:180, 200:300] = (200, 30, 30)
    upload = upload_of(frame, Box(200, 100, 300, 180))
    assert pixels(upload).shape == (160, 200, 3)
    assert upload.metadata.box == BoxBody(x1=50, y1=40, x2=150, y2=120)
    inside = pixels(upload)[44:116, 54:146].astype(int)
    assert np.abs(inside - (200, 30, 30)).max() < 12


def test_crop_says_where_in_the_frame_it_was() -> None:
    metadata = upload_of(frame_of(640, 480), Box(200, 100, 300, 180)).metadata
    assert metadata.camera_id == "door"
    assert metadata.captured_at == NOON
    assert metadata.score == 1.5
    assert metadata.frame is not None
    assert metadata.frame.box == BoxBody(x1=200, y1=100, x2=300, y2=180)
    assert (metadata.frame.width, metadata.frame.height) == (640, 480)


def test_crop_stops_at_the_frames_edge() -> None:
    upload = upload_of(frame_of(640, 480), Box(-20, 400, 80, 500))
    assert pixels(upload).shape == (130, 130, 3)
    assert upload.metadata.box == BoxBody(x1=-20, y1=50, x2=80, y2=150)


def test_crop_is_brought_down_to_its_longest_side() -> None:
    upload = upload_of(frame_of(4000, 3000), Box(1000, 1000, 2000, 1800))
    assert pixels(upload).shape == (480, 600, 3)
    assert upload.metadata.box == BoxBody(x1=150, y1=120, x2=450, y2=360)


def test_crop_of_noise_stays_under_the_api_limit() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (700, 700, 3), np.uint8)
    upload = upload_of(replace(frame_of(1, 1), image_rgb=noise), Box(0, 0, 700, 700))
    assert len(upload.image) < 600_000


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 1500),
    st.integers(1, 1500),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.integers(1, 900),
    st.floats(0, 2),
)
def test_crop_holds_the_face_of_any_box_that_touches_the_frame(
    width: int, height: int, at: tuple[float, float], side: int, margin: float
) -> None:
    centre_x, centre_y = int(at[0] * (width - 1)), int(at[1] * (height - 1))
    box = Box(centre_x - side // 2, centre_y - side // 2, centre_x + side, centre_y + side)
    upload = upload_of(frame_of(width, height), box, margin=margin)
    found = upload.metadata.box
    assert found is not None
    assert len(upload.image) < 1_000_000
    assert found.x2 - found.x1 <= max(box.width, 1) and found.y2 - found.y1 <= max(box.height, 1)


def test_key_and_body_are_the_same_each_time_when_the_frame_is_of_a_file() -> None:
    one, other = (upload_of(frame_of(640, 480), Box(200, 100, 300, 180)) for _ in range(2))
    assert one == other


def test_key_differs_with_everything_that_makes_another_detection() -> None:
    frame, box = frame_of(640, 480), Box(200, 100, 300, 180)
    uploads = [
        upload_of(frame, box),
        upload_of(frame, box, number=1),
        upload_of(frame, box, camera_id="yard"),
        upload_of(replace(frame, index=8), box),
        upload_of(replace(frame, origin="other"), box),
        upload_of(replace(frame, captured_at=NOON.replace(second=1)), box),
    ]
    assert len({upload.key for upload in uploads}) == len(uploads)


def test_key_is_new_each_time_when_the_frame_is_live() -> None:
    frame = replace(frame_of(640, 480), origin=None)
    one, other = (upload_of(frame, Box(200, 100, 300, 180)) for _ in range(2))
    assert one.key != other.key
    assert one.image == other.image
