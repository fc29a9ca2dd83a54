"""Boxes and names, drawn into a frame."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import cv2

from usher.commands.sightings import Sighting
from usher.domain.geometry import Box
from usher.vision.images import RgbImage

KNOWN_RGB = (46, 160, 67)
STRANGER_RGB = (219, 109, 40)
UNCLEAR_RGB = (110, 118, 129)
_INK_RGB = (255, 255, 255)
_PLATE_RGB = (36, 41, 47)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_sightings(frame_rgb: RgbImage, sightings: Sequence[Sighting], fps: float) -> None:
    """Draw a box around each face, a name with its confidence above it, and the frame rate.

    Parameters
    ----------
    frame_rgb
        uint8, (H, W, 3), RGB, contiguous; it is drawn into.
    fps
        Frames a second that are worked through, for the upper left corner.
    """
    size = max(0.4, min(frame_rgb.shape[:2]) / 900)
    for sighting in sightings:
        _draw_box(frame_rgb, sighting.box, _colour(sighting), size)
        place = (sighting.box.x1, sighting.box.y1)
        _draw_plate(frame_rgb, label_of(sighting), place, _colour(sighting), size)
    _draw_plate(frame_rgb, f"{fps:.1f} fps", (0, 0), _PLATE_RGB, size)


def label_of(sighting: Sighting) -> str:
    """What stands above a face: a name, and how sure it is."""
    if sighting.person is None:
        return "unknown"
    name = _in_ascii(sighting.person)
    return name if sighting.confidence is None else f"{name} - {sighting.confidence.value}"


def _in_ascii(name: str) -> str:
    """The name in the letters that OpenCV can draw: accents fall off, others become `?`."""
    plain = unicodedata.normalize("NFKD", name)
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return letters.encode("ascii", "replace").decode("ascii")


def _colour(sighting: Sighting) -> tuple[int, int, int]:
    if sighting.person is None:
        return UNCLEAR_RGB
    return KNOWN_RGB if sighting.is_known else STRANGER_RGB


def _draw_box(frame_rgb: RgbImage, box: Box, colour_rgb: tuple[int, int, int], size: float) -> None:
    corners = (box.x1, box.y1), (box.x2 - 1, box.y2 - 1)
    cv2.rectangle(frame_rgb, *corners, colour_rgb, max(1, round(4 * size)))


def _draw_plate(
    frame_rgb: RgbImage,
    text: str,
    place: tuple[int, int],
    colour_rgb: tuple[int, int, int],
    size: float,
) -> None:
    """Text on a plate that stands on a place, or hangs from it where there is no room above."""
    thickness = max(1, round(2 * size))
    (width, height), below = cv2.getTextSize(text, _FONT, size, thickness)
    plate = height + 2 * below
    x = max(0, min(place[0], frame_rgb.shape[1] - width))
    y = place[1] - plate if place[1] >= plate else place[1]
    cv2.rectangle(frame_rgb, (x, y), (x + width, y + plate), colour_rgb, cv2.FILLED)
    baseline = (x, y + below + height)
    cv2.putText(frame_rgb, text, baseline, _FONT, size, _INK_RGB, thickness, cv2.LINE_AA)
