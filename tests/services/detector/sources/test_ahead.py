import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pytest

from services.detector.sources import Frame
from services.detector.sources.ahead import ahead
from usher.domain.errors import SourceError


def numbered(
    count: int, *, breaks: bool = False, taken: list[int] | None = None
) -> Iterator[Frame]:
    for index in range(count):
        if taken is not None:
            taken.append(index)
        yield Frame(np.zeros((1, 1, 3), np.uint8), index, datetime.now(UTC))
    if breaks:
        raise SourceError("the file is damaged")


def test_frames_come_in_their_order() -> None:
    assert [frame.index for frame in ahead(numbered(50))] == list(range(50))


def test_an_empty_source_gives_nothing() -> None:
    assert list(ahead(numbered(0))) == []


def test_an_error_comes_after_the_frames_before_it() -> None:
    seen = []
    with pytest.raises(SourceError, match="damaged"):
        for frame in ahead(numbered(5, breaks=True)):
            seen.append(frame.index)
    assert seen == list(range(5))


def test_few_frames_wait_and_the_thread_ends_with_its_reader() -> None:
    taken: list[int] = []
    frames = ahead(numbered(1000, taken=taken))
    next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert len(taken) <= 6
    assert not any(thread.name == "decode" for thread in threading.enumerate())
