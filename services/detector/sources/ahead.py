"""Frames of a file, decoded while those before them are worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator

from services.detector.sources.frame import Frame

_FRAMES = 3
_POLL_S = 0.2


def ahead(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The same frames in the same order; a thread takes up to three before they are asked for.

    Raises
    ------
    Exception
        Whatever taking a frame raised, in its place.
    """
    waiting: queue.Queue[Frame | Exception | None] = queue.Queue(_FRAMES)
    left = threading.Event()
    reader = threading.Thread(target=_read, args=(frames, waiting, left), name="decode")
    reader.start()
    try:
        while (item := waiting.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        left.set()
        reader.join()


def _read(
    frames: Iterable[Frame], waiting: queue.Queue[Frame | Exception | None], left: threading.Event
) -> None:
    try:
        for frame in frames:
            if not _hand_over(frame, waiting, left):
                return
    except Exception as error:  # noqa: BLE001 - raised where frames are taken
        _hand_over(error, waiting, left)
    else:
        _hand_over(None, waiting, left)


def _hand_over(
    item: Frame | Exception | None,
    waiting: queue.Queue[Frame | Exception | None],
    left: threading.Event,
) -> bool:
    """False where nobody takes frames any more."""
    while not left.is_set():
        try:
            waiting.put(item, timeout=_POLL_S)
        except queue.Full:
            continue
        return True
    return False
