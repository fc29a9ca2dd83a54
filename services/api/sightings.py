"""When each camera last saw somebody."""

from __future__ import annotations

from datetime import datetime, timedelta

from usher.storage.cameras import Cameras

_EXACT_TO = timedelta(seconds=5)


class Sightings:
    """Notes what cameras saw, exact to a few seconds: not every crop is worth a write."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras
        self._noted: dict[str, datetime] = {}

    async def note(self, camera_id: str, moment: datetime) -> None:
        """Make sure that the camera is known, and known to have seen somebody about then."""
        noted = self._noted.get(camera_id)
        if noted is not None and moment < noted + _EXACT_TO:
            return
        await self._cameras.saw(camera_id, moment)
        self._noted[camera_id] = moment  # only now: who finds it noted need not write it

    def forget(self, camera_id: str) -> None:
        """A camera was deleted: one that sees somebody again has to become known again."""
        self._noted.pop(camera_id, None)
