"""Where frames come from: cameras, streams, video files, folders of photographs."""

from __future__ import annotations

import os
import threading
from datetime import datetime
from pathlib import Path

import cv2

from services.detector.config import CameraConfig
from services.detector.sources.files import Folder, VideoFile
from services.detector.sources.frame import Frame, Source
from services.detector.sources.live import LiveVideo, capture_opener
from services.detector.sources.watched import WatchedFolder

__all__ = ["Folder", "Frame", "LiveVideo", "Source", "VideoFile", "WatchedFolder", "open_source"]


def open_source(config: CameraConfig, *, started_at: datetime, stop: threading.Event) -> Source:
    """The source that a camera's configuration names.

    A camera, a stream and a watched folder may be away: they are waited for.

    Raises
    ------
    SourceError
        If a file or folder cannot be opened; the message says what to do.
    """
    _quieten_opencv()
    if config.is_live:
        return LiveVideo(
            capture_opener(config.source),
            max_fps=config.max_fps,
            stop=stop,
            name=config.camera_id,
        )
    path = Path(config.source)
    if config.reader_kind == "watched":
        return WatchedFolder(path, stop=stop, name=config.camera_id)
    if config.reader_kind == "folder":
        return Folder(path, started_at=started_at)
    return VideoFile(path, started_at=started_at, max_fps=config.max_fps)


def _quieten_opencv() -> None:
    """Keep OpenCV's and FFmpeg's own lines, stream addresses among them, out of the logs."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
