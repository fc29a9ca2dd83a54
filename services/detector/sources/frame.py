"""One picture, and what gives pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import cv2
import numpy as np

from usher.domain.records import CameraState
from usher.vision.images import RgbImage


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes
    ----------
    image_rgb
        uint8, (H, W, 3), RGB.
    index
        Its place in the source, from 0, frames that were left out included.
    captured_at
        Aware, UTC.
    origin
        Names the content that it was read from, the same in every run; None for a live source.
    """

    image_rgb: RgbImage
    index: int
    captured_at: datetime
    origin: str | None = None


class Source(Protocol):
    """Frames, to be iterated over once, by one thread; any thread may read the properties."""

    @property
    def is_live(self) -> bool:
        """Whether frames are lost that are not taken in time."""
        ...

    @property
    def length(self) -> int | None:
        """About how many frames there are, those left out included; None if nobody knows."""
        ...

    @property
    def state(self) -> CameraState:
        """CONNECTING, LIVE or GONE."""
        ...

    @property
    def reason(self) -> str | None:
        """Why it is GONE, and what to do; it names no address. None while it is not."""
        ...

    @property
    def skipped(self) -> int:
        """Frames that were left out because nobody took them in time."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Until the end, or until the source is stopped."""
        ...

    def close(self) -> None: ...


def rgb(frame_bgr: np.ndarray) -> RgbImage:
    """OpenCV's frame as RGB: uint8, (H, W, 3)."""
    return np.asarray(cv2.cvtColor(frame_bgr, cv2.COLOR_BGR2RGB), np.uint8)
