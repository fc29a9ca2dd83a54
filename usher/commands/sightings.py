"""Who is seen in the frames of a video, one frame after the other.

A face that overlaps one of the frame before is taken for the same person's, so that only few faces
have to be embedded: the new ones, and each again after a few frames. Where the vector then lies far
from the one before, as after a cut, it is somebody else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from usher.domain.errors import InvalidImage
from usher.domain.face import DetectedFace
from usher.domain.geometry import Box
from usher.domain.records import Confidence, Vector
from usher.identity.decide import Identifier
from usher.identity.gallery import Reference
from usher.identity.rules import Rule
from usher.vision.align import check_box
from usher.vision.images import RgbImage
from usher.vision.pipeline import FaceDescription, FacePipeline

EMBED_EVERY = 5
"""Frames after which a face that is followed is embedded again."""
MAY_MISS = 5
"""Frames in which a face may be missed before it is no longer followed."""
_SAME_PLACE = 0.3
"""Least overlap, as intersection over union, of one face in two frames."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A face in one frame.

    Attributes
    ----------
    box
        In pixels of the frame.
    person
        The name of somebody in the gallery, or a stranger's: `person 1`; None where the face is
        too poor to tell.
    is_known
        Whether the person was in the gallery from the beginning.
    confidence
        How sure the recognition is; None where a face was not recognised.
    """

    box: Box
    person: str | None
    is_known: bool = False
    confidence: Confidence | None = None


@dataclass(slots=True, eq=False)
class _Track:
    """One face, followed over frames."""

    box: Box
    seen_at: int
    embedded_at: int | None = None
    vector: Vector | None = None
    votes: Counter[str] = field(default_factory=Counter)
    confidences: dict[str, Confidence] = field(default_factory=dict)

    def is_due(self, index: int) -> bool:
        return self.embedded_at is None or index - self.embedded_at >= EMBED_EVERY


class Onlooker:
    """Says who each face of a video is.

    Parameters
    ----------
    pipeline
        Describes faces.
    rule
        Says how close faces of one person lie.
    people
        Names, and a vector of the pipeline's model for each reference; a name may stand there
        several times. Strangers are told apart as `person 1`, `person 2` and so on.
    """

    def __init__(
        self, pipeline: FacePipeline, rule: Rule, people: Sequence[tuple[str, Vector]] = ()
    ) -> None:
        self._pipeline = pipeline
        self._identifier = Identifier(pipeline.model_id, rule)
        self._known = {name for name, _ in people}
        self._strangers: list[str] = []
        self._tracks: list[_Track] = []
        references: dict[str, list[Reference]] = {}
        for name, vector in people:
            references.setdefault(name, []).append(Reference(name, vector))
        for name, theirs in references.items():
            self._identifier.settled.put(name, theirs)

    def look(
        self, frame_rgb: RgbImage, index: int, faces: Sequence[DetectedFace]
    ) -> list[Sighting]:
        """Who the faces of the next frame are.

        Parameters
        ----------
        frame_rgb
            uint8, (H, W, 3), RGB.
        index
            Its place in the video: higher than that of the frame before.
        faces
            What a detector found in it. Those that lie mostly outside of it are left out.

        Returns
        -------
        list of Sighting
            In the order of `faces`.
        """
        boxes = [face.box for face in faces if _is_inside(frame_rgb, face.box)]
        followed = self._follow(boxes, index)
        due = [track for track in followed if track.is_due(index)]
        described = self._pipeline.describe_many([(frame_rgb, track.box) for track in due])
        for track, face in zip(due, described, strict=True):
            self._recognise(track, face, index)
        return [self._sighting(track) for track in followed]

    def _follow(self, boxes: Sequence[Box], index: int) -> list[_Track]:
        """The track of each box; a new one where it overlaps none."""
        self._tracks = [track for track in self._tracks if index - track.seen_at <= MAY_MISS]
        matched = match_boxes([track.box for track in self._tracks], boxes)
        followed = []
        for place, box in enumerate(boxes):
            before = matched.get(place)
            track = _Track(box, index) if before is None else self._tracks[before]
            track.box, track.seen_at = box, index
            followed.append(track)
        self._tracks += [track for track in followed if track.embedded_at is None]
        return followed

    def _recognise(self, track: _Track, face: FaceDescription, index: int) -> None:
        if track.vector is not None and self._is_other(track.vector, face.embedding):
            track.votes.clear()
            track.confidences.clear()
        track.vector, track.embedded_at = face.embedding, index
        decision = self._identifier.decide(face.embedding, acceptable=face.quality.acceptable)
        if decision.person_id is not None and decision.confidence is not None:
            if decision.reference:
                self._learn(decision.person_id, face.embedding)
            track.votes[decision.person_id] += 1
            track.confidences[decision.person_id] = decision.confidence
        elif decision.founds and not track.votes:
            track.votes[self._found(face.embedding)] += 1

    def _is_other(self, before: Vector, after: Vector) -> bool:
        return float(np.linalg.norm(before - after)) > self._identifier.rule.pair_distance(1)

    def _found(self, vector: Vector) -> str:
        """A name for a new stranger, who is recognised by this vector from now on."""
        number = len(self._strangers) + 1
        while (name := f"person {number}") in self._known:
            number += 1
        self._strangers.append(name)
        self._learn(name, vector)
        return name

    def _learn(self, name: str, vector: Vector) -> None:
        self._identifier.learn(name, Reference(name, vector))

    def _sighting(self, track: _Track) -> Sighting:
        if not track.votes:
            return Sighting(track.box, None)
        # As in deciding, a name goes before a stranger where one is as likely as the other.
        person = max(track.votes, key=lambda name: (track.votes[name], name in self._known))
        confidence = track.confidences.get(person)
        return Sighting(track.box, person, person in self._known, confidence)


def match_boxes(before: Sequence[Box], after: Sequence[Box]) -> dict[int, int]:
    """Which boxes of two frames are one face's: the greatest overlap first, each box once.

    Returns
    -------
    dict
        A place in `after` to its place in `before`; boxes without a match are left out.
    """
    pairs = [
        (overlap(one, other), i, j) for i, one in enumerate(before) for j, other in enumerate(after)
    ]
    matched: dict[int, int] = {}
    for share, i, j in sorted(pairs, key=lambda pair: -pair[0]):
        if share >= _SAME_PLACE and j not in matched and i not in matched.values():
            matched[j] = i
    return matched


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(one.x2, other.x2) - max(one.x1, other.x1)
    height = min(one.y2, other.y2) - max(one.y1, other.y1)
    shared = max(width, 0) * max(height, 0)
    return shared / (one.width * one.height + other.width * other.height - shared)


def _is_inside(frame_rgb: RgbImage, box: Box) -> bool:
    try:
        check_box(frame_rgb, box)
    except InvalidImage:
        return False
    return True
