"""One detector's run: from a source's frames to uploads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import structlog

from services.detector.config import CameraConfig, DetectorConfig
from services.detector.crops import make_upload
from services.detector.sources import Frame, Source, open_source
from services.detector.uploader import Sink, UploadQueue
from usher.client import UsherClient
from usher.domain.errors import ConfigurationError, InvalidImage, UsherError
from usher.vision.detectors import FaceDetector, make_detector

log = structlog.get_logger()

_LIVE_CAPACITY = 500
_FILE_CAPACITY = 32
_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did: `faces` is the sum of `uploaded`, `refused` and `dropped`."""

    frames: int
    faces: int
    uploaded: int
    refused: int
    dropped: int

    def __str__(self) -> str:
        return (
            f"{self.frames} frames, {self.faces} faces: {self.uploaded} uploaded, "
            f"{self.refused} refused, {self.dropped} dropped"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """The objects that one run needs."""

    camera: CameraConfig
    source: Source
    detector: FaceDetector
    uploads: UploadQueue
    stop: threading.Event


def build(config: DetectorConfig, *, key: str, stop: threading.Event) -> Detection:
    """Open the source, load the model, start the upload thread.

    Raises
    ------
    SourceError
        If the source cannot be opened.
    ConfigurationError
        If there is no such detector, or there are several cameras.
    """
    if len(config.cameras) > 1:
        raise ConfigurationError("this version watches one camera a process")
    camera = config.cameras[0]
    started_at = camera.started_at or datetime.now(UTC)
    detector = make_detector(camera.detector, min_face_px=camera.min_face_px)
    source = open_source(camera, started_at=started_at, stop=stop)
    uploads = UploadQueue(
        UsherClient(config.api_url, key),
        capacity=_LIVE_CAPACITY if source.is_live else _FILE_CAPACITY,
        drop_oldest=source.is_live,
        stop=stop,
    )
    log.info("started", camera=camera.camera_id, started_at=started_at.isoformat())
    return Detection(camera, source, detector, uploads, stop)


def run(detection: Detection, *, on_frame: Callable[[Frame], None]) -> Summary:
    """Upload every face of the source, until its end or until `stop` is set.

    Parameters
    ----------
    detection
        From `build`; used up afterwards.
    on_frame
        Called after each frame.

    Raises
    ------
    SourceError
        If the source breaks off.
    NotAuthenticated, PermissionDenied
        If the API does not let this key upload.
    """
    frames = 0
    try:
        for frame in detection.source:
            if detection.stop.is_set():
                break
            put_faces(frame, detection.detector, detection.uploads, detection.camera)
            frames += 1
            on_frame(frame)
    except UsherError:
        detection.stop.set()
        raise
    finally:
        detection.source.close()
        summary = _finish(detection.uploads, frames)
    return summary


def put_faces(frame: Frame, detector: FaceDetector, sink: Sink, camera: CameraConfig) -> None:
    """Put a crop of each face of one frame into the sink."""
    try:
        faces = detector.detect(frame.image_rgb)
    except InvalidImage as error:
        log.warning("a frame was left out", frame=frame.index, reason=str(error))
        return
    for index, face in enumerate(faces):
        sink.put(
            make_upload(
                frame, face, face_index=index, camera_id=camera.camera_id, margin=camera.margin
            )
        )


def _finish(uploads: UploadQueue, frames: int) -> Summary:
    try:
        uploads.close(grace_s=_GRACE_S)
    finally:
        counts = uploads.counts
        summary = Summary(frames, counts.taken, counts.uploaded, counts.refused, counts.dropped)
        log.info("finished", **asdict(summary))
    return summary
