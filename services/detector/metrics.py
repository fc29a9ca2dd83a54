"""What the detector counts, for Prometheus, on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.detector.camera import Tally
from services.detector.watch import Watch
from usher.domain.errors import ConfigurationError
from usher.domain.records import CameraState, SpoolBooks

_HELP = {
    "frames": "Frames that were worked on.",
    "searches": "Frames that were searched for new faces.",
    "faces": "Faces found, one each frame.",
    "tracks": "Faces followed over frames.",
    "crops": "Crops that went to the spool.",
}


class DetectorCollector(Collector):
    """Reads the counters where they are kept, each time that somebody asks.

    Parameters
    ----------
    watches
        The cameras.
    books
        What became of the crops.
    """

    def __init__(self, watches: Sequence[Watch], books: Callable[[], SpoolBooks]) -> None:
        self._watches = watches
        self._books = books

    def collect(self) -> Iterator[Metric]:
        yield from self._tallies()
        yield self._states()
        yield self._stages()
        yield from self._spool()

    def _tallies(self) -> Iterator[Metric]:
        skipped = CounterMetricFamily(
            "usher_detector_skipped", "Frames that nobody had time for.", labels=["camera"]
        )
        for watch in self._watches:
            skipped.add_metric([watch.camera_id], watch.camera.source.skipped)
        yield skipped
        for name in (field.name for field in fields(Tally)):
            counter = CounterMetricFamily(f"usher_detector_{name}", _HELP[name], labels=["camera"])
            for watch in self._watches:
                counter.add_metric([watch.camera_id], getattr(watch.camera.tally, name))
            yield counter

    def _states(self) -> Metric:
        states = GaugeMetricFamily(
            "usher_camera_state", "1 for the state that a camera is in.", labels=["camera", "state"]
        )
        for watch in self._watches:
            for state in CameraState:
                states.add_metric([watch.camera_id, state.value], float(watch.state == state))
        return states

    def _stages(self) -> Metric:
        stages = GaugeMetricFamily(
            "usher_detector_stage_seconds",
            "How long a stage takes: a moving mean.",
            labels=["camera", "stage"],
        )
        for watch in self._watches:
            for stage, mean_ms in watch.camera.times.mean_ms().items():
                stages.add_metric([watch.camera_id, stage], mean_ms / 1000)
        return stages

    def _spool(self) -> Iterator[Metric]:
        books = self._books()
        crops = CounterMetricFamily(
            "usher_spool_crops", "What became of the crops.", labels=["outcome"]
        )
        for outcome in ("produced", "delivered", "dropped", "refused"):
            crops.add_metric([outcome], getattr(books, outcome))
        yield crops
        yield GaugeMetricFamily("usher_spool_pending", "Crops that wait.", value=books.pending)
        yield GaugeMetricFamily("usher_spool_bytes", "What waiting crops take.", value=books.bytes)


def serve_metrics(collector: DetectorCollector, port: int) -> Callable[[], None]:
    """Answer on 127.0.0.1 until what is returned is called.

    Raises
    ------
    ConfigurationError
        If the port is taken.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    try:
        server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise ConfigurationError(f"metrics_port {port} cannot be used: {error.strerror}") from error

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return close
