"""How often a camera's frames are searched, and where its time goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

SEARCHES_PER_S = 6.0
"""More would find nobody who stays for a second any sooner than a second's sixth."""
FOLLOWS_PER_S = 15.0
"""A face that walks moves less than its own width in between."""
_REST = 1.5
"""After a live camera's search, as a multiple of the time that it took: searching takes two fifths
of the time at most, so that a busy or slow machine still sees most frames."""
_LONGEST_S = 5.0
"""So often a camera is searched whatever the last search took: the machine may have slept."""
_SMOOTHING = 0.9


class Pace:
    """Says of each frame whether it is searched for new faces, and for those that are followed.

    Times of frames, not of the clock, decide for a file, so that each run over it does the same.

    Parameters
    ----------
    every
        Search each so-many-th frame; None: up to six times a second, as the machine's load allows.
    is_live
        Whether searching must leave time for the frames in between.
    """

    def __init__(self, every: int | None, *, is_live: bool) -> None:
        self._every = every
        self._is_live = is_live
        self._frames = 0
        self._search_s = float("-inf")
        self._follow_s = float("-inf")
        self._interval_s = 1 / SEARCHES_PER_S

    def searches(self, at_s: float) -> bool:
        """Whether to search a frame; asked once a frame, captured then."""
        number = self._frames
        self._frames += 1
        if self._every is not None:
            return number % self._every == 0
        if at_s - self._search_s < self._interval_s - 1e-3:
            return False
        self._search_s = at_s
        return True

    def follows(self, at_s: float) -> bool:
        """Whether to look for the faces that are followed in a frame that is not searched."""
        if at_s - self._follow_s < 1 / FOLLOWS_PER_S - 1e-3:
            return False
        self._follow_s = at_s
        return True

    def searched(self, took_s: float) -> None:
        """Note how long a search took."""
        if self._is_live:
            rest_s = min((1 + _REST) * took_s, _LONGEST_S)
            self._interval_s = max(1 / SEARCHES_PER_S, rest_s)


class StageTimes:
    """How long each stage takes, in milliseconds: a moving mean."""

    def __init__(self) -> None:
        self._mean_ms: dict[str, float] = {}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        """Measure one pass through a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            took_ms = (time.perf_counter() - start) * 1000
            before = self._mean_ms.get(stage, took_ms)
            self._mean_ms[stage] = _SMOOTHING * before + (1 - _SMOOTHING) * took_ms

    def mean_ms(self) -> dict[str, float]:
        """By stage; what was never gone through is left out."""
        return {stage: round(mean, 3) for stage, mean in dict(self._mean_ms).items()}
