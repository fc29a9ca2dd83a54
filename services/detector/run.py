"""One detector's run: all its cameras, from frames to uploads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog

from services.detector.camera import Camera
from services.detector.config import CameraConfig, DetectorConfig
from services.detector.drawn import DrawnRegions
from services.detector.metrics import DetectorCollector, serve_metrics
from services.detector.picture import PictureHealth
from services.detector.preview import Preview
from services.detector.reporting import CameraStatus, Reporter
from services.detector.sources import Frame, Source, open_source
from services.detector.spool import SPOOL_FILE, Spool, SpoolLimits
from services.detector.uploader import Uploader
from services.detector.watch import Watch
from usher import wire
from usher.client import UsherClient
from usher.domain.records import SpoolBooks
from usher.vision.align import FaceAligner
from usher.vision.detectors import make_detector

log = structlog.get_logger()

OnFrame = Callable[[Source, str, Frame], None]

_GRACE_S = 5.0
_LOOK_S = 0.5
_REPORT_TIMEOUT_S = 5.0
_REGIONS_FILE = "regions.json"
_MEGABYTE = 1_000_000
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    frames, tracks
        That were looked at and followed.
    crops, uploaded, refused, dropped
        What the spool's books grew by; also of crops that an earlier run had left.
    waiting
        Crops that are left in the spool.
    """

    frames: int
    tracks: int
    crops: int
    uploaded: int
    refused: int
    dropped: int
    waiting: int

    def __str__(self) -> str:
        return (
            f"{self.frames} frames, {self.tracks} tracks, {self.crops} crops: "
            f"{self.uploaded} uploaded, {self.refused} refused, {self.dropped} dropped, "
            f"{self.waiting} waiting"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """The objects that one run needs.

    `before` are the spool's books as they were found; `closing` lets everything go.
    """

    watches: Sequence[Watch]
    spool: Spool
    before: SpoolBooks
    uploader: Uploader
    reporter: Reporter
    closing: ExitStack
    stop: threading.Event

    @property
    def is_live(self) -> bool:
        """Whether some source has no end."""
        return any(watch.camera.source.is_live for watch in self.watches)


def build(
    config: DetectorConfig,
    *,
    key: Callable[[], str],
    data: Path,
    stop: threading.Event,
    ca_file: Path | None = None,
    on_frame: OnFrame = lambda source, camera_id, frame: None,
) -> Detection:
    """Open the sources and the spool, load the models, start to upload and to report.

    Parameters
    ----------
    key
        Reads the device's, again where the API does not let it in: a device that was paired anew
        goes on.
    data
        The data directory: the spool lies in it, if the configuration names no folder.
    stop
        Ends the run when it is set.
    ca_file
        Certificates to trust, in place of the system's.
    on_frame
        Called by each camera's thread after each of its frames, with the camera's id.

    Raises
    ------
    SourceError
        If a file or folder cannot be opened.
    ConfigurationError
        If there is no such detector, another process uses the spool, or a port is taken.
    """
    with ExitStack() as closing:
        spool = Spool(_spool_file(config, data), _limits(config))
        closing.callback(spool.close)
        before = spool.books()

        def client(timeout_s: float = 10.0) -> UsherClient:
            return UsherClient(config.api_url, key(), timeout_s=timeout_s, ca_file=ca_file)

        uploader = Uploader(spool, client, stop=stop)
        closing.callback(uploader.close)
        aligner = FaceAligner()
        watches = [
            _watch(camera, spool, uploader, aligner, stop, on_frame) for camera in config.cameras
        ]
        for watch in watches:
            closing.callback(watch.camera.source.close)
        if config.metrics_port is not None:
            collector = DetectorCollector(watches, spool.books)
            closing.callback(serve_metrics(collector, config.metrics_port))
        if config.preview_port is not None:
            closing.callback(Preview(watches, config.preview_port).close)
        cameras = {watch.camera_id: watch.camera for watch in watches}
        drawn = DrawnRegions(_spool_file(config, data).with_name(_REGIONS_FILE))
        for camera_id, camera in cameras.items():
            camera.draw(drawn.of(camera_id))

        def obey(camera_id: str, orders: wire.CameraOrders) -> None:
            if drawn.keep(camera_id, orders.regions):
                cameras[camera_id].draw(orders.regions)

        reporter = Reporter(
            lambda: client(_REPORT_TIMEOUT_S), lambda: _statuses(watches, spool), obey=obey
        )
        closing.callback(reporter.close)
        return Detection(watches, spool, before, uploader, reporter, closing.pop_all(), stop)


def run(detection: Detection) -> Summary:
    """Watch every camera, until all have ended or `stop` is set.

    Where one breaks off the others go on; how the first one failed is raised at the end.

    Parameters
    ----------
    detection
        From `build`; used up afterwards.

    Raises
    ------
    SourceError
        If a file cannot be read to its end.
    NotAuthenticated, PermissionDenied
        If all has ended and the API does not let this key upload, or not for one of the cameras.
    """
    with detection.closing:
        for watch in detection.watches:
            watch.start()
            log.info("started", camera=watch.camera_id)
        _until_over(detection)
        for watch in detection.watches:
            watch.join()
        detection.uploader.wait_empty()
        detection.uploader.close(_GRACE_S if detection.stop.is_set() else 0.0)
        summary = _summary(detection)
    log.info("finished", **asdict(summary))
    failures = [watch.failure for watch in detection.watches if watch.failure]
    if failures:
        raise failures[0]
    refusal = detection.uploader.failure or detection.uploader.denied
    if refusal and not detection.is_live:
        raise refusal
    return summary


def _until_over(detection: Detection) -> None:
    """Tell changes of state, until every camera has ended."""
    while not all(watch.is_over for watch in detection.watches):
        changed = [watch.camera_id for watch in detection.watches if watch.refresh()]
        if changed:
            detection.reporter.changed()
        detection.stop.wait(_LOOK_S)
        if detection.stop.is_set():
            return


def _watch(
    camera: CameraConfig,
    spool: Spool,
    uploader: Uploader,
    aligner: FaceAligner,
    stop: threading.Event,
    on_frame: OnFrame,
) -> Watch:
    source = open_source(camera, started_at=camera.started_at or datetime.now(UTC), stop=stop)

    def after(frame: Frame) -> None:
        on_frame(source, camera.camera_id, frame)
        if not source.is_live:
            uploader.wait_for_room()

    detector = make_detector(camera.detector, min_face_px=camera.min_face_px)
    return Watch(
        Camera(camera, source, detector, aligner, spool.put),
        PictureHealth(),
        stop=stop,
        on_frame=after,
    )


def _spool_file(config: DetectorConfig, data: Path) -> Path:
    return (config.spool.folder or data / "spool") / SPOOL_FILE


def _limits(config: DetectorConfig) -> SpoolLimits:
    return SpoolLimits(
        max_bytes=config.spool.max_mb * _MEGABYTE,
        max_age_s=config.spool.max_age_h * _HOUR_S,
        when_full=config.spool.when_full,
    )


def _statuses(watches: Sequence[Watch], spool: Spool) -> list[CameraStatus]:
    books = wire.SpoolBooks(**asdict(spool.books()))
    return [watch.status(books) for watch in watches]


def _summary(detection: Detection) -> Summary:
    books, before = detection.spool.books(), detection.before
    return Summary(
        frames=sum(watch.camera.tally.frames for watch in detection.watches),
        tracks=sum(watch.camera.tally.tracks for watch in detection.watches),
        crops=books.produced - before.produced,
        uploaded=books.delivered - before.delivered,
        refused=books.refused - before.refused,
        dropped=books.dropped - before.dropped,
        waiting=books.pending,
    )
