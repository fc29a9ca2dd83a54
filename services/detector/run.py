"""One detector's run: from a source's frames to uploads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from services.detector.config import DetectorConfig
from services.detector.crops import make_upload
from services.detector.sources import Frame, Source, open_source
from services.detector.spool import Spool, SpoolCounts, SpoolLimits
from services.detector.uploader import Uploader
from usher.client import UsherClient
from usher.domain.errors import InvalidImage, UsherError
from usher.vision.detectors import FaceDetector, make_detector

log = structlog.get_logger()

_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    frames
        That were searched.
    faces, uploaded, refused, dropped
        What the spool's books grew by; also of crops that an earlier run had left.
    waiting
        Crops that are left in the spool.
    """

    frames: int
    faces: int
    uploaded: int
    refused: int
    dropped: int
    waiting: int

    def __str__(self) -> str:
        return (
            f"{self.frames} frames, {self.faces} faces: {self.uploaded} uploaded, "
            f"{self.refused} refused, {self.dropped} dropped, {self.waiting} waiting"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """The objects that one run needs."""

    config: DetectorConfig
    source: Source
    detector: FaceDetector
    spool: Spool
    uploader: Uploader
    stop: threading.Event


def build(
    config: DetectorConfig, *, key: str, spool_file: Path, stop: threading.Event
) -> Detection:
    """Open the source and the spool, load the model, start to upload.

    Raises
    ------
    SourceError
        If the source cannot be opened.
    ConfigurationError
        If there is no such detector, or another one uses the spool.
    """
    started_at = config.started_at or datetime.now(UTC)
    detector = make_detector(config.detector, min_face_px=config.min_face_px)
    source = open_source(config, started_at=started_at, stop=stop)
    spool = Spool(spool_file, SpoolLimits())
    uploader = Uploader(spool, lambda: UsherClient(config.api_url, key), stop=stop)
    log.info("started", camera=config.camera_id, started_at=started_at.isoformat())
    return Detection(config, source, detector, spool, uploader, stop)


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
    before = detection.spool.books()
    try:
        for frame in detection.source:
            if detection.stop.is_set():
                break
            put_faces(frame, detection.detector, detection.spool, detection.config)
            frames += 1
            on_frame(frame)
            if not detection.source.is_live:
                detection.uploader.wait_for_room()
        if not detection.source.is_live:
            detection.uploader.wait_empty()
    except UsherError:
        detection.stop.set()
        raise
    finally:
        detection.source.close()
        summary = _finish(detection, frames, before)
    if detection.uploader.failure and not detection.source.is_live:
        raise detection.uploader.failure
    return summary


def put_faces(frame: Frame, detector: FaceDetector, spool: Spool, config: DetectorConfig) -> None:
    """Put a crop of each face of one frame into the spool."""
    try:
        faces = detector.detect(frame.image_rgb)
    except InvalidImage as error:
        log.warning("a frame was left out", frame=frame.index, reason=str(error))
        return
    for index, face in enumerate(faces):
        spool.put(
            make_upload(
                frame, face, face_index=index, camera_id=config.camera_id, margin=config.margin
            )
        )


def _finish(detection: Detection, frames: int, before: SpoolCounts) -> Summary:
    detection.uploader.close(_GRACE_S)
    after = detection.spool.books()
    detection.spool.close()
    summary = Summary(
        frames,
        after.produced - before.produced,
        after.delivered - before.delivered,
        after.refused - before.refused,
        after.dropped - before.dropped,
        after.pending,
    )
    log.info("finished", **asdict(summary))
    return summary
