"""Faces over frames: which box is whose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.vision.images import RgbImage

PATIENCE_S = 2.0
"""A track ends when its face was not found for so long."""
WINDOW_MARGIN = 0.6
"""Around where a face should be, in widths of its box, it is looked for."""
_LEAST_OVERLAP = 0.2
_REACH = 1.0
"""How far a face may have gone that no box overlaps with, in widths a second, and at least."""
_LEAST_LIKENESS = 0.6
_SIZE_RATIO = 1.7
_SMOOTHING = 0.5
_BINS = (8, 8, 8)
_BODY = 0.5

Appearance = NDArray[np.float32]
"""float32, (8, 8, 8): a histogram of the colours of a face and what is around it."""


@dataclass(slots=True, eq=False)
class Track:
    """One face over frames.

    Attributes
    ----------
    id
        Unique for its camera.
    box
        Where the face was last, in pixels of the frame.
    seen_s
        When it was found last.
    velocity
        In pixels a second, x and y.
    """

    id: str
    box: Box
    seen_s: float
    appearance: Appearance = field(repr=False)
    velocity: tuple[float, float] = (0.0, 0.0)

    def foreseen(self, at_s: float) -> Box:
        """Where the face should be at a moment, if it goes on as it did."""
        elapsed_s = min(at_s - self.seen_s, 0.5)
        vx, vy = self.velocity
        return self.box.shifted(round(vx * elapsed_s), round(vy * elapsed_s))

    def window(self, at_s: float) -> Box:
        """Where to look for the face at a moment; it may reach past the frame."""
        return self.foreseen(at_s).expanded(WINDOW_MARGIN)


class Tracker:
    """Assigns the faces of each frame to tracks: by overlap, then by nearness and colours.

    The most overlapping pair is taken first. A face that overlaps with no track's foreseen box
    continues the nearest one of about its size if their colours are alike; so a track survives a
    quick move or a hidden second.

    Parameters
    ----------
    name
        Makes the id of the n-th track.
    """

    def __init__(self, name: Callable[[int], str]) -> None:
        self._name = name
        self._count = 0
        self.tracks: list[Track] = []

    def assign(
        self, frame_rgb: RgbImage, faces: Sequence[DetectedFace], at_s: float
    ) -> list[tuple[Track, DetectedFace]]:
        """Each face's track, new ones where none fits.

        Parameters
        ----------
        frame_rgb
            uint8, (H, W, 3), RGB, which the faces were found in.
        faces
            Boxes in pixels of the frame. Two boxes around one face are taken for one, the better
            score's.
        at_s
            When the frame was captured, in seconds since any moment; it does not go back.
        """
        faces = _without_doubles(faces)
        looks = [_appearance(frame_rgb, face.box) for face in faces]
        pairs = self._by_overlap(faces, at_s)
        pairs |= self._by_likeness(faces, looks, pairs, at_s)
        for place, face in enumerate(faces):
            if place in pairs:
                _follow(pairs[place], face, looks[place], at_s)
            else:
                pairs[place] = self._new(face, looks[place], at_s)
        return [(pairs[place], face) for place, face in enumerate(faces)]

    def ended(self, at_s: float) -> list[Track]:
        """Give up the tracks whose faces have been away for long."""
        gone = [track for track in self.tracks if at_s - track.seen_s > PATIENCE_S]
        self.tracks = [track for track in self.tracks if track not in gone]
        return gone

    def end_all(self) -> list[Track]:
        """Give up every track."""
        gone, self.tracks = self.tracks, []
        return gone

    def _by_overlap(self, faces: Sequence[DetectedFace], at_s: float) -> dict[int, Track]:
        overlaps = [
            (overlap_of(track.foreseen(at_s), face.box), place, track)
            for track in self.tracks
            for place, face in enumerate(faces)
        ]
        return _best_first(one for one in overlaps if one[0] >= _LEAST_OVERLAP)

    def _by_likeness(
        self,
        faces: Sequence[DetectedFace],
        looks: Sequence[Appearance],
        taken: dict[int, Track],
        at_s: float,
    ) -> dict[int, Track]:
        free = [track for track in self.tracks if track not in taken.values()]
        candidates = [
            (likeness_of(track.appearance, looks[place]), place, track)
            for track in free
            for place, face in enumerate(faces)
            if place not in taken and _may_be(track, face.box, at_s)
        ]
        return _best_first(one for one in candidates if one[0] >= _LEAST_LIKENESS)

    def _new(self, face: DetectedFace, look: Appearance, at_s: float) -> Track:
        track = Track(self._name(self._count), face.box, at_s, look)
        self._count += 1
        self.tracks.append(track)
        return track


def overlap_of(one: Box, other: Box) -> float:
    """The intersection of two boxes over their union, 0 to 1."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


def likeness_of(one: Appearance, other: Appearance) -> float:
    """The share of their colours that two pictures have in common, 0 to 1."""
    return float(np.minimum(one, other).sum())


def _appearance(frame_rgb: RgbImage, box: Box) -> Appearance:
    height, width = frame_rgb.shape[:2]
    around = box.expanded(_BODY)
    try:
        seen = around.clipped(width, height)
    except ValueError:
        return np.zeros(_BINS, np.float32)
    pixels = frame_rgb[seen.y1 : seen.y2, seen.x1 : seen.x2]
    step = max(1, max(pixels.shape[:2]) // 32)
    small = np.ascontiguousarray(pixels[::step, ::step])
    histogram = cv2.calcHist([small], [0, 1, 2], None, list(_BINS), [0, 256] * 3)
    return np.asarray(histogram / max(float(histogram.sum()), 1.0), np.float32)


def _follow(track: Track, face: DetectedFace, look: Appearance, at_s: float) -> None:
    elapsed_s = at_s - track.seen_s
    if elapsed_s > 0:
        moved = [new - old for new, old in zip(face.box.centre, track.box.centre, strict=True)]
        vx, vy = (
            _SMOOTHING * before + (1 - _SMOOTHING) * distance / elapsed_s
            for before, distance in zip(track.velocity, moved, strict=True)
        )
        track.velocity = (vx, vy)
    track.box, track.seen_s = face.box, at_s
    track.appearance = np.asarray((track.appearance + look) / 2, np.float32)


def _may_be(track: Track, box: Box, at_s: float) -> bool:
    """Whether a track's face may have come to be there, of that size."""
    ratio = box.size / track.box.size
    if not 1 / _SIZE_RATIO <= ratio <= _SIZE_RATIO:
        return False
    (x, y), (u, v) = track.box.centre, box.centre
    reach = _REACH * track.box.size * max(1.0, at_s - track.seen_s)
    return (x - u) ** 2 + (y - v) ** 2 <= reach**2


def _best_first(scored: Iterable[tuple[float, int, Track]]) -> dict[int, Track]:
    """Pairs of a face's place and a track, the best score first, each once."""
    pairs: dict[int, Track] = {}
    for _, place, track in sorted(scored, key=lambda one: -one[0]):
        if place not in pairs and all(track is not other for other in pairs.values()):
            pairs[place] = track
    return pairs


def _without_doubles(faces: Sequence[DetectedFace]) -> list[DetectedFace]:
    kept: list[DetectedFace] = []
    for face in sorted(faces, key=lambda one: -one.score):
        if all(overlap_of(face.box, other.box) < 0.4 for other in kept):
            kept.append(face)
    return kept
