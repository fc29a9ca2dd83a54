"""Photographs that somebody puts into a folder: a camera over FTP, a script, a person."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from services.detector.sources.files import content_id, read_photo
from services.detector.sources.frame import Frame
from usher.domain.errors import InvalidInput, TooLarge
from usher.domain.records import CameraState
from usher.vision.images import RgbImage

log = structlog.get_logger()

SEEN = "seen"
"""Sub-folder that a photograph is moved to once it was looked at."""

BAD = "bad"
"""Sub-folder for what is no photograph."""

_UNFINISHED = frozenset({".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload"})
_MAX_BYTES = 100_000_000
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_TOMORROW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Look:
    """A file as it was found: while it is written, size or time changes from look to look."""

    path: Path
    size: int
    mtime_ns: int


class WatchedFolder:
    """Each photograph that is put into a folder, once, in the order of their times.

    A file is complete when two looks at it find the same size and time. When its frame has been
    worked on, that is when the next one is asked for, it is moved to `seen` in the folder; what
    cannot be read for `patience_s` goes to `bad`. So a restart does none twice but the one that it
    broke off, and nothing is deleted. Frames bear the time at which the file was last written.

    Parameters
    ----------
    path
        The folder; its sub-folders are watched too. While it is missing, it is waited for.
    stop
        Ends the iteration when it is set.
    interval_s
        Between two looks.
    patience_s
        How long an unreadable file may stay unchanged: a slow upload may pause.
    name
        The camera's, for logs.
    clock
        Seconds, for `patience_s`.
    """

    is_live = False
    length: int | None = None
    skipped = 0

    def __init__(
        self,
        path: Path,
        *,
        stop: threading.Event,
        interval_s: float = 1.0,
        patience_s: float = 60.0,
        name: str = "camera",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._stop = stop
        self._closed = threading.Event()
        self._interval_s = interval_s
        self._patience_s = patience_s
        self._clock = clock
        self._log = log.bind(camera=name)
        self._since: dict[_Look, float] = {}
        self._unreadable: dict[_Look, str] = {}
        self._immovable: set[_Look] = set()
        self.state: CameraState = CameraState.CONNECTING
        self.reason: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while not self._over:
            for look in self._complete():
                frame = self._frame(look, index)
                if frame is not None:
                    yield frame
                    self._move(look, SEEN)
                    index += 1
                if self._over:
                    return
            self._stop.wait(self._interval_s)

    def close(self) -> None:
        """End the iteration. Nothing is held open."""
        self._closed.set()

    @property
    def _over(self) -> bool:
        return self._closed.is_set() or self._stop.is_set()

    def _complete(self) -> list[_Look]:
        """The files that did not change since the look before, oldest first."""
        now = self._clock()
        before = self._since
        self._since = {look: before.get(look, now) for look in self._looks()}
        self._immovable &= self._since.keys()
        self._unreadable = {
            look: reason for look, reason in self._unreadable.items() if look in self._since
        }
        complete = [look for look in self._since if look in before and look not in self._immovable]
        return sorted(complete, key=lambda look: (look.mtime_ns, look.path))

    def _looks(self) -> list[_Look]:
        try:
            looks = list(_files(self._path))
        except OSError as error:
            self._become(CameraState.GONE, f"the folder cannot be read: {error.strerror}")
            return []
        self._become(CameraState.LIVE, None)
        return looks

    def _frame(self, look: _Look, index: int) -> Frame | None:
        """The photograph, if it can be read; what stays unreadable is set aside."""
        if look not in self._unreadable:
            try:
                return Frame(_photo(look), index, _time_of(look), _origin(look))
            except (InvalidInput, OSError) as error:
                self._unreadable[look] = str(error)
        if self._clock() - self._since[look] >= self._patience_s:
            reason = self._unreadable[look]
            self._log.warning("photo_set_aside", file=look.path.name, reason=reason)
            self._move(look, BAD)
        return None

    def _move(self, look: _Look, into: str) -> None:
        """Out of the way, unless it has changed since: then it is another photograph."""
        try:
            if _look(look.path) != look:
                return
            target = self._path / into / look.path.relative_to(self._path)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():  # a camera may use one name over and over
                target = target.with_stem(f"{target.stem}-{look.mtime_ns}")
            look.path.rename(target)
        except FileNotFoundError:
            return
        except OSError as error:
            self._immovable.add(look)
            self._log.error(
                "photo_cannot_be_moved",
                file=look.path.name,
                reason=error.strerror,
                advice="let this user write into the folder: after a restart it is looked at again",
            )

    def _become(self, state: CameraState, reason: str | None) -> None:
        if (state, reason) != (self.state, self.reason):
            self.state, self.reason = state, reason
            self._log.info("camera_state", state=state.value, reason=reason)


def _files(folder: Path) -> Iterator[_Look]:
    """The files in a folder and below, but for hidden, unfinished and set aside ones."""
    os.scandir(folder).close()  # `os.walk` keeps quiet about a folder that is missing
    for root, folders, names in os.walk(folder):
        aside = {SEEN, BAD} if Path(root) == folder else set()
        folders[:] = [name for name in folders if name not in aside and not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            if not name.startswith(".") and path.suffix.lower() not in _UNFINISHED:
                look = _look(path)
                if look is not None:
                    yield look


def _look(path: Path) -> _Look | None:
    """A regular file's size and time; None if it is none, or has gone."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return _Look(path, status.st_size, status.st_mtime_ns)


def _photo(look: _Look) -> RgbImage:
    if look.size > _MAX_BYTES:
        raise TooLarge(f"it has {look.size} bytes; {_MAX_BYTES} are allowed")
    return read_photo(look.path)


def _origin(look: _Look) -> str:
    return f"{look.path.name} {content_id(look.path)}"


def _time_of(look: _Look) -> datetime:
    """When the file was last written, or now where that cannot be right."""
    now = datetime.now(UTC)
    try:
        written_at = datetime.fromtimestamp(look.mtime_ns / 1e9, UTC)
    except (OverflowError, ValueError):
        return now
    return written_at if _EARLIEST <= written_at < now + _TOMORROW else now
