"""Where a face was seen before: all vectors of the detection log, in memory while they are used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from usher.domain.records import Confidence, Detection, DetectionStatus, Vector
from usher.identity.decide import likeness
from usher.identity.rules import Rule
from usher.identity.seen import Likeness, Scope, SeenFace, SeenFaces
from usher.storage.detections import Detections
from usher.storage.seen import Seen, SeenLog

log = structlog.get_logger()

MOST = 1_000_000
"""So many faces are held, about half a gigabyte: the last to arrive."""
_REFILL = 0.9
"""What of them is read anew where there have come to be more."""
_IDLE_S = 900.0
"""After so long without a search nothing is held."""
_LATE = timedelta(minutes=1)
"""How long after its `received_at` a detection may come to be in the database."""
_STEP = 5000
_FACES = frozenset(DetectionStatus) - {DetectionStatus.NOT_A_FACE}


@dataclass(frozen=True, slots=True)
class Found:
    """A part of the detections that show a face, the likest first.

    Attributes
    ----------
    total
        How many detections show it.
    searched
        How many were looked through.
    """

    detections: Sequence[tuple[Detection, Confidence]]
    total: int
    searched: int


class FaceSearch:
    """Finds a face in the detection log.

    The vectors are read at the first search, and at each one those that have come since. What was
    deleted is let go of by `tend`, and never found: what is found is read from the database.

    Parameters
    ----------
    model
        The id of the model whose vectors are compared.
    dimension
        How many numbers a vector has.
    rule
        Says how near is near.
    most
        How many faces are held.
    """

    def __init__(
        self,
        seen_log: SeenLog,
        detections: Detections,
        *,
        model: str,
        dimension: int,
        rule: Rule,
        most: int = MOST,
    ) -> None:
        self._log = seen_log
        self._detections = detections
        self._model = model
        self._dimension = dimension
        self._rule = rule
        self._most = most
        self._faces: SeenFaces | None = None
        self._waiting: set[str] = set()
        self._read_until = datetime.now(UTC)
        self._used_at = 0.0
        self._alone = asyncio.Lock()

    def __len__(self) -> int:
        """How many faces are held now."""
        return len(self._faces or ())

    async def find(self, probe: Vector, scope: Scope, *, skip: int = 0, limit: int) -> Found:
        """Where the face of a vector, (D,), was seen within a scope, after the `skip` likest."""
        async with self._alone:
            self._used_at = time.monotonic()
            faces = await self._current()
            people = await self._log.people()
            farthest = self._rule.pair_distance(1)
            near, searched = await asyncio.to_thread(faces.likest, probe, farthest, scope)
            shown = await self._shown(faces, near)
        asked = {one.id: one.distance for one in shown[skip : skip + limit]}
        known = {one.id: one for one in await self._detections.of_ids(list(asked))}
        found = [
            (known[id_], confidence)
            for id_, distance in asked.items()
            if id_ in known
            and (confidence := likeness(self._rule, distance, min(people, searched)))
        ]
        return Found(found, len(shown), searched)

    async def tend(self) -> None:
        """Let go of what was deleted, and of everything after a while without a search."""
        async with self._alone:
            if self._faces is None:
                return
            if time.monotonic() - self._used_at > _IDLE_S:
                self._faces = None
                return
            held = list(self._faces)
            for start in range(0, len(held), _STEP):
                ids = held[start : start + _STEP]
                self._faces.forget(set(ids) - await self._log.present(ids))

    async def _shown(self, faces: SeenFaces, near: Sequence[Likeness]) -> list[Likeness]:
        """Those that the database has now, and has for faces."""
        shown: list[Likeness] = []
        for start in range(0, len(near), _STEP):
            some = near[start : start + _STEP]
            statuses = await self._log.statuses([one.id for one in some])
            faces.forget(one.id for one in some if one.id not in statuses)
            shown += [one for one in some if statuses.get(one.id) in _FACES]
        return shown

    async def _current(self) -> SeenFaces:
        if self._faces is None or len(self._faces) > self._most:
            self._faces = await self._read_all()
        else:
            await self._read_new(self._faces)
        return self._faces

    async def _read_all(self) -> SeenFaces:
        started, began = datetime.now(UTC), time.monotonic()
        self._waiting = await self._log.waiting()
        faces = SeenFaces(self._dimension)
        async for batch in self._log.newest(self._model, limit=int(self._most * _REFILL)):
            await asyncio.to_thread(faces.add_all, [_face(one) for one in batch])
        self._read_until = started
        took_s = round(time.monotonic() - began, 3)
        log.info("read the faces to search among", faces=len(faces), took_s=took_s)
        return faces

    async def _read_new(self, faces: SeenFaces) -> None:
        started = datetime.now(UTC)
        arrived = await self._log.arrived_since(self._read_until - _LATE)
        self._waiting.update(id_ for id_ in arrived if id_ not in faces)
        new, self._waiting = await self._log.of_ids(self._model, self._waiting)
        faces.add_all([_face(one) for one in new])
        self._read_until = started


def _face(seen: Seen) -> SeenFace:
    return SeenFace(seen.id, seen.vector, seen.camera_id, seen.captured_at)
