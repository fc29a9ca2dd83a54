"""The regions that were drawn in the panel, kept beside the spool: they count after a restart too,
while no API answers."""

from __future__ import annotations

import threading
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from usher.wire import CameraRegions

log = structlog.get_logger()

_KEPT: TypeAdapter[dict[str, CameraRegions]] = TypeAdapter(dict[str, CameraRegions])


class DrawnRegions:
    """By camera, in a file. What cannot be read or written is logged, and detection goes on.

    Parameters
    ----------
    path
        Of the JSON file; its folder is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._regions = self._read()

    def of(self, camera_id: str) -> CameraRegions | None:
        """What was drawn on a camera's picture; None where its configuration counts."""
        with self._lock:
            return self._regions.get(camera_id)

    def keep(self, camera_id: str, regions: CameraRegions | None) -> bool:
        """Keep what is drawn now; whether it is something else than before."""
        with self._lock:
            if self._regions.get(camera_id) == regions:
                return False
            if regions is None:
                del self._regions[camera_id]
            else:
                self._regions[camera_id] = regions
            self._write()
        log.info("regions_changed", camera=camera_id, drawn=regions is not None)
        return True

    def _read(self) -> dict[str, CameraRegions]:
        try:
            return _KEPT.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.warning("regions_not_read", file=str(self._path), kind=type(error).__name__)
            return {}

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(_KEPT.dump_json(self._regions))
            fresh.replace(self._path)
        except OSError as error:
            log.warning("regions_not_kept", file=str(self._path), reason=str(error))
