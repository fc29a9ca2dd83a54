"""Figures for Prometheus: rates and queues, nothing about anybody."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from usher.domain.records import CameraState, DetectionStatus
from usher.storage.cameras import Cameras
from usher.storage.database import Database
from usher.storage.figures import by_status, queues
from usher.wire import utc_now

_FRESH_S = 5.0


class Metrics:
    """The API's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.fresh_s = _FRESH_S
        self._read_at_s = -math.inf
        self._one_at_a_time = asyncio.Lock()
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

    async def exposition(self, database: Database) -> bytes:
        """The text, with the queues and cameras as they were some seconds ago at most.

        Everybody may ask for it, as often as they like: the database is asked by one at a time, and
        not again while its answer is fresh.
        """
        async with self._one_at_a_time:
            if time.monotonic() - self._read_at_s >= self.fresh_s:
                await self._read(database)
                self._read_at_s = time.monotonic()
        return generate_latest(self._registry)

    async def _read(self, database: Database) -> None:
        statuses, waiting, cameras = await asyncio.gather(
            by_status(database, {}), queues(database), Cameras(database).all()
        )
        now, oldest = utc_now(), waiting.oldest_unfinished_at
        self._queue.set(waiting.queue)
        self._unsent.set(waiting.alerts_unsent)
        self._oldest.set((now - oldest).total_seconds() if oldest else 0)
        for status in DetectionStatus:
            self._detections.labels(status).set(statuses.get(status, 0))
        states = Tally(camera.state_at(now)[0] for camera in cameras)
        for state in CameraState:
            self._cameras.labels(state).set(states[state])
