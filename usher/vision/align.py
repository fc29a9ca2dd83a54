"""Faces turned upright and brought to one size, as the descriptor network wants them."""

from __future__ import annotations

import dlib
import numpy as np

from usher.domain.errors import InvalidImage
from usher.domain.geometry import Box
from usher.vision.images import RgbImage
from usher.vision.models import model_path

CHIP_PX = 150
_PADDING = 0.25
_LANDMARKS = "shape_predictor_5_face_landmarks.dat"


class FaceAligner:
    """Cuts out faces by five landmarks: the corners of the eyes, and the base of the nose.

    One instance may be used by several threads.
    """

    def __init__(self) -> None:
        self._landmarks = dlib.shape_predictor(str(model_path(_LANDMARKS)))

    def align(self, image_rgb: RgbImage, box: Box) -> RgbImage:
        """The face in `box`, upright, eyes level.

        Parameters
        ----------
        image_rgb
            uint8, (H, W, 3), RGB.
        box
            Around the face, in pixels of `image_rgb`.

        Returns
        -------
        RgbImage
            uint8, (150, 150, 3), RGB; black where it reaches past the image.

        Raises
        ------
        InvalidImage
            If more than half of the box lies outside of the image.
        """
        check_box(image_rgb, box)
        pixels = np.ascontiguousarray(image_rgb)
        rectangle = dlib.rectangle(box.x1, box.y1, box.x2 - 1, box.y2 - 1)
        landmarks = self._landmarks(pixels, rectangle)
        return np.asarray(dlib.get_face_chip(pixels, landmarks, CHIP_PX, _PADDING), np.uint8)


def check_box(image_rgb: RgbImage, box: Box) -> None:
    """Refuse a box that lies mostly outside of its image.

    Detectors guess past the edges, so a part may lie outside.

    Raises
    ------
    InvalidImage
        If more than half of the box's area does.
    """
    if share_inside(image_rgb, box) < 0.5:
        height, width = image_rgb.shape[:2]
        raise InvalidImage(
            f"the face's box {box.x1},{box.y1},{box.x2},{box.y2} lies mostly outside of the "
            f"image of {width}x{height} pixels: give it in pixels of that image"
        )


def share_inside(image_rgb: RgbImage, box: Box) -> float:
    """The share of a box's area that lies inside its image, 0 to 1.

    Parameters
    ----------
    image_rgb
        uint8, (H, W, 3), RGB.
    box
        In pixels of `image_rgb`.
    """
    height, width = image_rgb.shape[:2]
    inside_x = min(box.x2, width) - max(box.x1, 0)
    inside_y = min(box.y2, height) - max(box.y1, 0)
    inside: int = max(inside_x, 0) * max(inside_y, 0)
    return inside / (box.width * box.height)
