"""One camera: from its frames to the crops that go out."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from services.detector.config import CameraConfig
from services.detector.crops import Crop, Upload, cut
from services.detector.motion import MotionGate
from services.detector.pace import Pace, StageTimes
from services.detector.regions import Regions
from services.detector.shots import BestShots
from services.detector.sources import Frame, Source
from services.detector.sources.ahead import ahead
from services.detector.tracking import WINDOW_MARGIN, Track, Tracker
from usher.domain.errors import InvalidImage
from usher.domain.face import DetectedFace, FaceQuality
from usher.domain.geometry import Box
from usher.vision.align import FaceAligner, share_inside
from usher.vision.detectors import FaceDetector
from usher.vision.images import RgbImage, resized
from usher.vision.quality import assess
from usher.wire import CameraRegions

log = structlog.get_logger()

_TRACK_IDS = uuid.UUID("8d1f2c66-9a54-4b39-8b0c-2d6f9a7be210")
_WINDOW_FACE = 1.25
"""In its window, a followed face is searched at this multiple of the smallest size."""
_WHOLE_EVERY_S = 5.0
"""So often the whole frame is searched: somebody who does not move is found too."""
_LEAST_INSIDE = 0.5
_MASK_SIZE = (160, 90)


@dataclass(slots=True)
class Tally:
    """What a camera has done since it started."""

    frames: int = 0
    searches: int = 0
    faces: int = 0
    tracks: int = 0
    crops: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """A face in the newest frame; a photograph's has no track, and no quality."""

    box: Box
    score: float
    track_id: str | None = None
    quality: FaceQuality | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The newest frame, and what was seen in it: for the preview and the reports.

    `moving` is around all that moves, in pixels of the frame; None where nothing does.
    """

    frame: Frame
    faces: tuple[Seen, ...] = ()
    moving: Box | None = None


class Camera:
    """Finds the faces of one source, follows them, and puts their best shots into a sink.

    Parameters
    ----------
    config
        How.
    source
        Where frames come from. The pictures of a folder have nothing to do with each other: each of
        their faces goes out.
    detector
        Finds faces of `config.min_face_px` and more; used by this camera alone.
    aligner
        Finds the landmarks that quality is judged by.
    put
        Takes over a crop.
    clock
        Seconds since any moment, for a live source.
    """

    def __init__(
        self,
        config: CameraConfig,
        source: Source,
        detector: FaceDetector,
        aligner: FaceAligner,
        put: Callable[[Upload], object],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.source = source
        self.tally = Tally()
        self.times = StageTimes()
        self.newest: Look | None = None
        self._detector = detector
        self._aligner = aligner
        self._put = put
        self._clock = clock
        self.drawn: CameraRegions | None = None
        self._use(Regions(config.include, config.exclude))
        self._motion = MotionGate()
        self._pace = Pace(config.detect_every, is_live=source.is_live)
        self._tracker = Tracker(self._track_id)
        self._shots: dict[str, BestShots[Crop]] = {}
        self._kind = config.reader_kind
        self._lock = threading.Lock()
        self._whole_s = float("-inf")
        self._run = ""

    def draw(self, regions: CameraRegions | None) -> None:
        """Look where it was drawn, or where the configuration says; from any thread."""
        chosen = regions or self.config
        with self._lock:
            self._use(Regions(chosen.include, chosen.exclude))
            self.drawn = regions

    def _use(self, regions: Regions) -> None:
        self._regions = regions
        self._mask = None if regions.are_everywhere else regions.mask(*_MASK_SIZE)

    def frames(self) -> Iterator[Frame]:
        """The source's frames; those of a video file are decoded ahead, on another core."""
        is_file = self._kind == "opencv" and not self.source.is_live
        return ahead(self.source) if is_file else iter(self.source)

    def look(self, frame: Frame) -> None:
        """Do all that is to be done with a frame."""
        with self._lock:
            self.tally.frames += 1
            if self._kind == "opencv":
                self._look_at_frame(frame)
            else:
                self._look_at_photograph(frame)

    def rest(self) -> None:
        """End tracks of a live camera that gives no frames any more; for any thread, any time."""
        if self.source.is_live and self._lock.acquire(blocking=False):
            try:
                self._end(self._tracker.ended(self._clock()))
            finally:
                self._lock.release()

    def finish(self) -> None:
        """Send what is left of the tracks; no frame comes any more."""
        with self._lock:
            self._end(self._tracker.end_all())

    def _look_at_frame(self, frame: Frame) -> None:
        self._run = self._run or f"{frame.origin or uuid.uuid4()}\n{frame.captured_at}"
        at_s = self._clock() if frame.origin is None else frame.captured_at.timestamp()
        with self.times.of("motion"):
            movement = self._motion.look(frame.image_rgb, at_s, mask=self._mask)
        if movement.cut:
            self._end(self._tracker.end_all())
        self._end(self._tracker.ended(at_s))
        faces = self._faces(frame.image_rgb, movement.area, at_s)
        seen = self._assign(frame, faces, at_s)
        self.newest = Look(frame, tuple(seen), movement.area)

    # ---- Where faces are -------------------------------------------------------------------------

    def _faces(self, frame_rgb: RgbImage, moving: Box | None, at_s: float) -> list[DetectedFace]:
        """The faces of a frame, as far as it is searched: for new ones, or around known ones."""
        faces: list[DetectedFace] = []
        searched: Box | None = None
        if self._pace.searches(at_s):
            searched = self._area(frame_rgb, moving, at_s)
            if searched is not None:
                faces = self._search(frame_rgb, searched)
        elif not self._pace.follows(at_s):
            return []
        windows = [track.window(at_s) for track in self._tracker.tracks]
        with self.times.of("follow"):
            for window in windows:
                if searched is None or not _holds(searched, window):
                    faces += self._detected(frame_rgb, window, self._window_scale(window))
        return faces

    def _area(self, frame_rgb: RgbImage, moving: Box | None, at_s: float) -> Box | None:
        """Where to search for new faces."""
        height, width = frame_rgb.shape[:2]
        whole = Box(0, 0, width, height)
        if not self.config.motion or at_s - self._whole_s >= _WHOLE_EVERY_S:
            self._whole_s = at_s
            return whole
        if moving is None:
            return None
        room = self.config.min_face_px
        area = Box(moving.x1 - room, moving.y1 - room, moving.x2 + room, moving.y2 + room)
        return area.clipped(width, height)

    def _search(self, frame_rgb: RgbImage, area: Box) -> list[DetectedFace]:
        start = time.perf_counter()
        with self.times.of("search"):
            faces = self._detected(frame_rgb, area, 1.0)
        self._pace.searched(time.perf_counter() - start)
        self.tally.searches += 1
        return faces

    def _window_scale(self, window: Box) -> float:
        """A large face is looked for in a smaller picture."""
        face_px = window.size / (1 + 2 * WINDOW_MARGIN)
        return min(1.0, _WINDOW_FACE * self.config.min_face_px / face_px)

    def _detected(self, frame_rgb: RgbImage, area: Box, scale: float) -> list[DetectedFace]:
        """The faces in a part of a frame, in pixels of the frame."""
        height, width = frame_rgb.shape[:2]
        try:
            part = area.clipped(width, height)
        except ValueError:  # it lies outside
            return []
        part_rgb = resized(frame_rgb[part.y1 : part.y2, part.x1 : part.x2], scale)
        try:
            found = [face.scaled(1 / scale) for face in self._detector.detect(part_rgb)]
        except InvalidImage as error:  # as the detector says, longer than it can search
            log.warning("not_searched", camera=self.config.camera_id, reason=str(error))
            return []
        moved = [face.shifted(part.x1, part.y1) for face in found]
        return [
            face
            for face in moved
            if share_inside(frame_rgb, face.box) >= _LEAST_INSIDE
            and self._regions.allows(face.box, width, height)
        ]

    # ---- Whose they are, and which go out --------------------------------------------------------

    def _assign(self, frame: Frame, faces: Sequence[DetectedFace], at_s: float) -> list[Seen]:
        with self.times.of("track"):
            pairs = self._tracker.assign(frame.image_rgb, faces, at_s)
        self.tally.faces += len(pairs)
        return [self._judge(frame, number, *pair, at_s) for number, pair in enumerate(pairs)]

    def _judge(
        self, frame: Frame, number: int, track: Track, face: DetectedFace, at_s: float
    ) -> Seen:
        with self.times.of("judge"):
            aligned = self._aligner.align(frame.image_rgb, face.box)
            quality = assess(frame.image_rgb, face.box, aligned.chip_rgb, aligned.landmarks)
        cut_out = partial(
            cut,
            frame,
            face,
            number=number,
            camera_id=self.config.camera_id,
            margin=self.config.margin,
            track_id=track.id,
            landmarks=aligned.landmarks,
        )
        self._send(self._shots_of(track).offer(quality, at_s, cut_out))
        return Seen(face.box, face.score, track.id, quality)

    def _shots_of(self, track: Track) -> BestShots[Crop]:
        if track.id not in self._shots:
            self._shots[track.id] = BestShots(self.config.shots)
            self.tally.tracks += 1
        return self._shots[track.id]

    def _end(self, tracks: list[Track]) -> None:
        for track in tracks:
            self._send(self._shots.pop(track.id).last())

    def _look_at_photograph(self, frame: Frame) -> None:
        height, width = frame.image_rgb.shape[:2]
        with self.times.of("search"):
            faces = self._detected(frame.image_rgb, Box(0, 0, width, height), 1.0)
        self.tally.searches += 1
        self.tally.faces += len(faces)
        for number, face in enumerate(faces):
            camera_id, margin = self.config.camera_id, self.config.margin
            self._send(cut(frame, face, number=number, camera_id=camera_id, margin=margin))
        self.newest = Look(frame, tuple(Seen(face.box, face.score) for face in faces))

    def _send(self, crop: Crop | None) -> None:
        if crop is None:
            return
        with self.times.of("encode"):
            upload = crop.upload()
        self.tally.crops += 1
        self._put(upload)

    def _track_id(self, number: int) -> str:
        """Of a file, the same in each run; `_run` names the file and the run."""
        return str(uuid.uuid5(_TRACK_IDS, f"{self.config.camera_id}\n{self._run}\n{number}"))


def _holds(area: Box, other: Box) -> bool:
    return (
        area.x1 <= other.x1 and area.y1 <= other.y1 and area.x2 >= other.x2 and area.y2 >= other.y2
    )
