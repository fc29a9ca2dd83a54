"""The last whole picture of each camera: one file a camera."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from pathlib import Path

from usher.domain.errors import NotFound
from usher.domain.identifiers import new_id


class FrameStore:
    """JPEG files under a directory, one a camera, each replaced by the next.

    A frame is worth ten seconds, so it is not synced to the disk; a reader finds the one before or
    the new one, whole. Methods block: call them in a thread.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, camera_id: str, jpeg: bytes) -> None:
        """Keep a camera's picture instead of the one before."""
        path = self._path(camera_id)
        temporary = path.with_name(f"{path.stem}.{new_id()}.part")
        try:
            temporary.write_bytes(jpeg)
            temporary.rename(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def get(self, camera_id: str) -> bytes:
        """A camera's picture.

        Raises
        ------
        NotFound
            If there is none.
        """
        try:
            return self._path(camera_id).read_bytes()
        except FileNotFoundError as error:
            raise NotFound("there is no picture of this camera") from error

    def delete(self, camera_id: str) -> None:
        """Forget a camera's picture; one that is gone already is fine."""
        self._path(camera_id).unlink(missing_ok=True)

    def delete_older_than(self, age_s: float) -> int:
        """Delete what was last written longer ago, also what a crash cut off; how many went."""
        limit, removed = time.time() - age_s, 0
        for path in self._directory.iterdir():
            with suppress(FileNotFoundError):  # replaced meanwhile
                if path.stat().st_mtime < limit:
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, camera_id: str) -> Path:
        """A name of our own: what a camera is called reaches no path."""
        digest = hashlib.sha256(camera_id.encode()).hexdigest()
        return self._directory / f"{digest}.jpg"
