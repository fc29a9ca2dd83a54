"""Which shots of a track go out, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.detector.config import ShotsConfig
from usher.domain.face import FaceQuality

SECOND_AFTER_S = 0.4
"""Two good shots make a new person: the second one does not wait to be better."""
REFRESH_S = 60.0
"""Somebody who stays is shown again, so that it is known until when they were there."""

Crop = TypeVar("Crop")


@dataclass(frozen=True, slots=True)
class Kept(Generic[Crop]):
    """A shot that may go out later."""

    crop: Crop
    value: float
    acceptable: bool


class BestShots(Generic[Crop]):
    """The shots of one track.

    The first acceptable one goes out at once, the second a moment later. Others go out if they are
    better by a margin, some time after the one before. At the end the best one that has not gone
    out follows under the same condition. A track without an acceptable shot gives its best one.

    Parameters
    ----------
    config
        How many, how often, how much better.
    """

    def __init__(self, config: ShotsConfig) -> None:
        self._config = config
        self._kept: Kept[Crop] | None = None
        self._sent = 0
        self._best = 0.0
        self._sent_s = 0.0

    def offer(self, quality: FaceQuality, at_s: float, cut: Callable[[], Crop]) -> Crop | None:
        """The crop of a shot that is to go out now; None where it is kept, or not needed.

        Parameters
        ----------
        quality
            As `usher.vision.quality.assess` judges it.
        at_s
            When it was captured, in seconds since any moment.
        cut
            Makes the crop, if it is needed.
        """
        value = quality.probability or 0.0
        if quality.acceptable and self._is_due(value, at_s):
            self._note(value, at_s)
            return cut()
        if self._kept is None or (quality.acceptable, value) > (
            self._kept.acceptable,
            self._kept.value,
        ):
            self._kept = Kept(cut(), value, quality.acceptable)
        return None

    def last(self) -> Crop | None:
        """What is still to go out when the track has ended."""
        kept, self._kept = self._kept, None
        if kept is None:
            return None
        if self._sent == 0 or (kept.acceptable and self._is_wanted(kept.value)):
            return kept.crop
        return None

    def _is_due(self, value: float, at_s: float) -> bool:
        waited_s = at_s - self._sent_s
        if self._sent == 0 or waited_s >= REFRESH_S:
            return True
        if self._sent == 1 < self._config.max_shots:
            return waited_s >= SECOND_AFTER_S
        last = self._sent >= self._config.max_shots - 1
        return not last and waited_s >= self._config.min_interval_s and self._is_better(value)

    def _is_wanted(self, value: float) -> bool:
        if self._sent >= self._config.max_shots:
            return False
        return self._sent == 1 or self._is_better(value)

    def _is_better(self, value: float) -> bool:
        return value >= self._best + self._config.min_gain

    def _note(self, value: float, at_s: float) -> None:
        if at_s - self._sent_s >= REFRESH_S:
            self._best = 0.0
        self._sent += 1
        self._sent_s = at_s
        self._best = max(self._best, value)
        if self._kept and self._kept.value <= self._best:
            self._kept = None
