"""Figures for Prometheus: rates and queues, nothing about anybody."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from usher.domain.records import Camera, CameraState, DetectionStatus
from usher.storage.figures import Figures


class Metrics:
    """The API's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.uploads = Counter(
            "usher_uploads",
            "Detections uploaded: stored, or repeated with the same key.",
            ["outcome"],
            registry=self._registry,
        )
        self._queue = Gauge(
            "usher_queue_detections", "Detections not finished yet.", registry=self._registry
        )
        self._oldest = Gauge(
            "usher_oldest_unfinished_seconds",
            "Age of the oldest unfinished detection.",
            registry=self._registry,
        )
        self._unsent = Gauge("usher_alerts_unsent", "Alerts to be sent.", registry=self._registry)
        self._detections = Gauge(
            "usher_detections", "Detections by status.", ["status"], registry=self._registry
        )
        self._cameras = Gauge(
            "usher_cameras",
            "Cameras that are reported on, by state.",
            ["state"],
            registry=self._registry,
        )

    def render(self, figures: Figures, cameras: Sequence[Camera], *, now: datetime) -> bytes:
        """The exposition text, with the queues and cameras as they are now."""
        oldest = figures.oldest_unfinished_at
        self._queue.set(figures.queue)
        self._unsent.set(figures.alerts_unsent)
        self._oldest.set((now - oldest).total_seconds() if oldest else 0)
        for status in DetectionStatus:
            self._detections.labels(status).set(figures.by_status.get(status, 0))
        states = Tally(camera.state_at(now)[0] for camera in cameras)
        for state in CameraState:
            self._cameras.labels(state).set(states[state])
        return generate_latest(self._registry)
