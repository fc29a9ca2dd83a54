"""What of a person's photographs and videos they are to be recognised by.

A video of one person gives frames by the thousand that hardly differ. Of those that show one clear
face, the ones are kept that differ most: the frame that is most like all others first, then again
and again the one whose vector lies farthest from every vector that was kept, until nothing new
comes. That choice would be fond of a passer-by, so frames of anybody but the one who is mostly
there are put aside before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from usher.domain.errors import InvalidImage, NoFaceFound
from usher.identity.rules import Rule
from usher.vision.clips import Clip
from usher.vision.images import PHOTO_FORMATS, decode_image, encode_jpeg
from usher.vision.pipeline import FaceDescription, FacePipeline

PHOTO_MAX_PIXELS = 50_000_000
MOST_POSES = 8
"""As many frames of a video are kept, at most."""

_LOOKS_PER_S = 6.0
_MOST_LOOKS = 240
_NEW_POSE = 0.5
"""A face this share of the threshold away from all that were kept shows another side: as for the
references of strangers in `usher.identity.decide`."""
_USUAL_GALLERY = 200
"""References that a place has, by order of magnitude; the threshold follows from them."""
_RIVAL = 0.5
"""A second person in so many of the first one's frames makes it unclear who is meant."""
_JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture that shows one face.

    Attributes
    ----------
    jpeg
        The whole picture.
    face
        Its face, described.
    """

    jpeg: bytes
    face: FaceDescription


def describe_photograph(data: bytes, pipeline: FacePipeline) -> FaceDescription:
    """The one face of a photograph.

    Parameters
    ----------
    data
        The whole file: JPEG, PNG or WebP.

    Raises
    ------
    NoFaceFound
        If it shows none.
    InvalidInput
        If it cannot be decoded, shows several people, or its face cannot be recognised again.
    """
    photo_rgb = decode_image(data, formats=PHOTO_FORMATS, max_pixels=PHOTO_MAX_PIXELS)
    return pipeline.portrait(photo_rgb)


def choose_portraits(
    video: Path,
    pipeline: FacePipeline,
    rule: Rule,
    *,
    limit: int = MOST_POSES,
    on_frame: Callable[[float], None] = lambda share: None,
) -> list[Portrait]:
    """The frames of a video of one person that show them best and from different sides.

    Parameters
    ----------
    rule
        Says how close two faces of one person lie.
    limit
        As many frames at most.
    on_frame
        Called with the share of the video that was looked at, 0 to 1.

    Returns
    -------
    list of Portrait
        The most typical one first; not empty.

    Raises
    ------
    SourceError
        If the video cannot be read.
    NoFaceFound
        If no frame shows one clear face.
    InvalidImage
        If it shows several people about as often.
    """
    return choose_frames(_frames_of(video, on_frame), pipeline, rule, limit=limit)


def choose_frames(
    jpegs: Iterable[bytes], pipeline: FacePipeline, rule: Rule, *, limit: int = MOST_POSES
) -> list[Portrait]:
    """`choose_portraits` of frames that were decoded before.

    Raises
    ------
    NoFaceFound, InvalidImage
        As `choose_portraits`.
    """
    seen = [found for jpeg in jpegs if (found := _portrait(jpeg, pipeline)) is not None]
    if not seen:
        raise NoFaceFound("no frame shows one clear face: film the person's face alone, in light")
    vectors = np.stack([portrait.face.embedding for portrait in seen])
    theirs = indices_of_one_person(vectors, rule.pair_distance(len(vectors)))
    chosen = diverse_indices(
        vectors[theirs], limit=limit, least_distance=_NEW_POSE * rule.pair_distance(_USUAL_GALLERY)
    )
    return [seen[theirs[index]] for index in chosen]


def diverse_indices(
    vectors: NDArray[np.float32], *, limit: int, least_distance: float
) -> list[int]:
    """Which of some vectors stand for all of them: farthest-point selection.

    Parameters
    ----------
    vectors
        float32, (N, D); N may be 0.
    limit
        As many at most, 1 or more.
    least_distance
        A vector nearer than this to one that was chosen adds nothing.

    Returns
    -------
    list of int
        Places in `vectors`, the one nearest to all others first.
    """
    if len(vectors) == 0:
        return []
    distances = _distances(vectors)
    chosen = [int(distances.sum(axis=1).argmin())]
    while len(chosen) < limit:
        to_chosen = distances[chosen].min(axis=0)
        farthest = int(to_chosen.argmax())
        if to_chosen[farthest] < least_distance or farthest in chosen:
            break
        chosen.append(farthest)
    return chosen


def indices_of_one_person(vectors: NDArray[np.float32], threshold: float) -> list[int]:
    """Which vectors are of the person who is there most, each reached from the next in small steps.

    Parameters
    ----------
    vectors
        float32, (N, D); at least one.
    threshold
        Two vectors no farther apart are of one person.

    Raises
    ------
    InvalidImage
        If another person is there at least half as often.
    """
    groups = _groups(_distances(vectors) <= threshold)
    largest, *others = sorted(groups, key=len, reverse=True)
    if others and len(others[0]) >= _RIVAL * len(largest) and len(others[0]) > 1:
        raise InvalidImage("the video shows several people about as often: cut it to one of them")
    return largest


def _groups(near: NDArray[np.bool_]) -> list[list[int]]:
    """Places that hang together by being near, directly or by way of others."""
    left = set(range(len(near)))
    groups = []
    while left:
        group, border = set[int](), {min(left)}
        while border:
            group |= border
            touched = np.flatnonzero(near[sorted(border)].any(axis=0))
            border = {int(place) for place in touched} - group
        groups.append(sorted(group))
        left -= group
    return groups


def _distances(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Euclidean, of each vector from each: float64, (N, N), exactly 0 on the diagonal."""
    wide = vectors.astype(np.float64)
    squares = np.einsum("nd,nd->n", wide, wide)
    squared = squares[:, None] + squares[None] - 2 * wide @ wide.T
    np.fill_diagonal(squared, 0)
    return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float64)


def _frames_of(video: Path, on_frame: Callable[[float], None]) -> Iterator[bytes]:
    """Frames as whoever gets their JPEG files sees them."""
    with Clip(video) as clip:
        for frame in islice(clip.frames(clip.step(_LOOKS_PER_S, most=_MOST_LOOKS)), _MOST_LOOKS):
            on_frame(min(frame.index / clip.length, 1.0) if clip.length else 0.0)
            yield encode_jpeg(frame.image_rgb, _JPEG_QUALITY)
    on_frame(1.0)


def _portrait(jpeg: bytes, pipeline: FacePipeline) -> Portrait | None:
    """The frame, described; None where it shows no clear face."""
    try:
        return Portrait(jpeg, describe_photograph(jpeg, pipeline))
    except (NoFaceFound, InvalidImage):
        return None
