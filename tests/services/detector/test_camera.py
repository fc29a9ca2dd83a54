from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from services.detector.camera import Camera
from services.detector.config import CameraConfig
from services.detector.crops import Upload
from services.detector.sources import Frame, VideoFile
from usher.domain.errors import InvalidImage
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.domain.records import CameraState
from usher.vision.align import FaceAligner
from usher.vision.detectors import FaceDetector, make_detector
from usher.vision.images import CROP_FORMATS, RgbImage, decode_image

STARTED_AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
ALIGNER = FaceAligner()


class Pictures:
    """Frames that were thought up."""

    length = None
    state = CameraState.LIVE
    reason = None
    skipped = 0

    def __init__(self, pictures: Sequence[RgbImage], *, is_live: bool = False) -> None:
        self._pictures = pictures
        self.is_live = is_live

    def __iter__(self) -> Iterator[Frame]:
        for index, image_rgb in enumerate(self._pictures):
            origin = None if self.is_live else "thought up"
            yield Frame(image_rgb, index, STARTED_AT + timedelta(seconds=index / 10), origin)

    def close(self) -> None:
        pass


class Finder:
    """Finds a face wherever there is a red square, and counts what it has searched."""

    def __init__(self) -> None:
        self.searched: list[tuple[int, int]] = []

    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        self.searched.append(frame_rgb.shape[:2])
        red = (frame_rgb[..., 0] > 150) & (frame_rgb[..., 1] < 90)
        if not red.any():
            return []
        ys, xs = np.nonzero(red)
        box = Box(int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        return [DetectedFace(box, 1.0)]


class Refuses:
    def detect(self, frame_rgb: RgbImage) -> list[DetectedFace]:
        raise InvalidImage("the frame is too long")


def room(square: tuple[int, int] | None = None, side: int = 80) -> RgbImage:
    picture = np.full((360, 640, 3), 120, np.uint8)
    if square:
        x, y = square
        picture[y : y + side, x : x + side] = (220, 40, 40)
    return picture


def watched(
    source: Pictures | VideoFile,
    detector: FaceDetector,
    **options: object,
) -> tuple[Camera, list[Upload]]:
    sent: list[Upload] = []
    config = CameraConfig.model_validate({"camera_id": "door", "source": "x.mp4", **options})
    ticks = iter(range(10**9))
    camera = Camera(config, source, detector, ALIGNER, sent.append, clock=lambda: next(ticks) / 10)
    for frame in camera.frames():
        camera.look(frame)
    camera.finish()
    return camera, sent


def clip(test_data: Path, name: str) -> VideoFile:
    return VideoFile(test_data / "videos" / name, started_at=STARTED_AT, max_fps=None)


@pytest.mark.parametrize(
    ("name", "detector", "smallest_px", "tracks"),
    [
        ("head-pose-face-detection-male.gif", "hog", 60, 1),
        ("head-pose-face-detection-female.gif", "hog", 60, 1),
        ("head-pose-face-detection-female-and-male.gif", "hog", 60, 2),
        ("head-pose-face-detection-female-and-male.gif", "mtcnn", 40, 2),
        # Three scenes with a face that is large enough, one person each.
        ("short_hamilton_clip.mp4", "hog", 60, 3),
    ],
)
def test_a_person_is_one_track_and_few_crops(
    test_data: Path, name: str, detector: str, smallest_px: int, tracks: int
) -> None:
    finder = make_detector(detector, min_face_px=smallest_px)
    camera, sent = watched(clip(test_data, name), finder, min_face_px=smallest_px)
    assert camera.tally.tracks == tracks
    of_tracks = Counter(upload.metadata.track_id for upload in sent)
    assert len(of_tracks) == tracks
    assert max(of_tracks.values()) <= camera.config.shots.max_shots
    assert camera.tally.crops == len(sent)
    assert camera.tally.faces >= 4 * len(sent)


def test_a_crop_says_where_its_face_and_its_landmarks_are(test_data: Path) -> None:
    _, sent = watched(
        clip(test_data, "head-pose-face-detection-male.gif"),
        make_detector("hog", min_face_px=60),
        min_face_px=60,
    )
    for upload in sent:
        crop_rgb = decode_image(upload.image, formats=CROP_FORMATS, max_pixels=1_000_000)
        body, marks = upload.metadata.box, upload.metadata.landmarks
        assert body is not None and marks is not None
        found = ALIGNER.align(crop_rgb, Box(body.x1, body.y1, body.x2, body.y2)).landmarks
        eyes = float(np.linalg.norm(found[0] - found[2]))
        assert np.abs(found - np.array(marks)).max() < 0.1 * eyes


def test_a_file_gives_the_same_uploads_in_each_run(test_data: Path) -> None:
    name = "head-pose-face-detection-female-and-male.gif"
    runs = [
        watched(clip(test_data, name), make_detector("hog", min_face_px=60), min_face_px=60)[1]
        for _ in range(2)
    ]
    first, second = ([(one.key, one.image, one.metadata) for one in run] for run in runs)
    assert first == second
    assert len({key for key, _, _ in first}) == len(first)


def test_an_empty_room_is_searched_every_five_seconds_only() -> None:
    finder = Finder()
    watched(Pictures([room()] * 200), finder)
    assert len(finder.searched) == 4


def test_without_the_motion_gate_an_empty_room_is_searched_all_the_time() -> None:
    finder = Finder()
    camera, _ = watched(Pictures([room()] * 200), finder, motion=False)
    assert camera.tally.searches == len(finder.searched) == 100


def test_only_what_moves_is_searched() -> None:
    finder = Finder()
    walk = [room((20 + 8 * n, 100)) for n in range(40)]
    camera, sent = watched(Pictures([room()] * 10 + walk), finder)
    assert camera.tally.tracks == 1
    assert sent
    assert all(height < 360 and width < 640 for height, width in finder.searched[1:])


def test_somebody_who_keeps_still_is_followed_without_movement() -> None:
    pictures = [room()] * 10 + [room((300, 100))] * 400
    camera, _ = watched(Pictures(pictures), Finder())
    assert camera.tally.tracks == 1
    assert camera.tally.faces > 300
    assert camera.tally.searches < 200


def test_a_cut_ends_every_track() -> None:
    dark = np.full((360, 640, 3), 8, np.uint8)
    dark[100:180, 300:380] = (220, 40, 40)
    camera, _ = watched(Pictures([room((300, 100))] * 20 + [dark] * 20), Finder())
    assert camera.tally.tracks == 2


@pytest.mark.parametrize(
    ("regions", "tracks"),
    [
        ({"include": [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]}, 0),
        ({"include": [[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]}, 1),
        ({"exclude": [[[0.5, 0], [1, 0], [1, 1], [0.5, 1]]]}, 0),
    ],
)
def test_faces_outside_of_what_is_of_interest_do_not_count(
    regions: dict[str, object], tracks: int
) -> None:
    camera, sent = watched(Pictures([room((450, 100))] * 30), Finder(), **regions)
    assert camera.tally.tracks == tracks
    assert bool(sent) == bool(tracks)


def test_each_face_of_a_photograph_goes_out_by_itself() -> None:
    camera, sent = watched(Pictures([room((300, 100))] * 5), Finder(), reader="folder")
    assert len(sent) == 5
    assert {upload.metadata.track_id for upload in sent} == {None}
    assert camera.newest is not None and len(camera.newest.faces) == 1


def test_a_live_camera_gives_each_run_names_of_its_own() -> None:
    pictures = [room((300, 100))] * 20
    runs = [watched(Pictures(pictures, is_live=True), Finder())[1] for _ in range(2)]
    names = [{upload.metadata.track_id for upload in run} for run in runs]
    assert names[0].isdisjoint(names[1])
    assert {one.key for one in runs[0]}.isdisjoint({one.key for one in runs[1]})


def test_a_frame_that_cannot_be_searched_stops_nothing() -> None:
    camera, sent = watched(Pictures([room((300, 100))] * 20), Refuses())
    assert camera.tally.frames == 20
    assert sent == []


def test_memory_does_not_grow_with_tracks_that_have_ended() -> None:
    visits = ([room()] * 30 + [room((300, 100))] * 5) * 8
    camera, _ = watched(Pictures(visits), Finder())
    assert camera.tally.tracks == 8
    assert camera._shots == {}
    assert camera._tracker.tracks == []


def test_tracks_end_though_no_frame_comes_any_more() -> None:
    now_s = [0.0]
    sent: list[Upload] = []
    source = Pictures([room((300, 100))] * 3, is_live=True)
    config = CameraConfig(camera_id="door", source="0", shots={"max_shots": 1})
    camera = Camera(config, source, Finder(), ALIGNER, sent.append, clock=lambda: now_s[0])
    for frame in source:
        camera.look(frame)
        now_s[0] += 0.1
    before = len(sent)
    camera.rest()
    assert len(camera._tracker.tracks) == 1
    now_s[0] += 10
    camera.rest()
    assert camera._tracker.tracks == [] == list(camera._shots)
    assert len(sent) == before + 1  # a red square is no face to be recognised: its only shot


def test_somebody_after_a_long_silence_is_another_track() -> None:
    moments = iter([0.0, 3600.0, 3600.1])
    source = Pictures([room((300, 100))] * 3, is_live=True)
    config = CameraConfig(camera_id="door", source="0", motion=False, detect_every=1)
    camera = Camera(config, source, Finder(), ALIGNER, lambda _: None, clock=lambda: next(moments))
    for frame in source:
        camera.look(frame)
    assert camera.tally.tracks == 2
