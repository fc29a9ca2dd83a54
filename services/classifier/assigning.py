"""From vectors to people. One worker at a time, under a lease."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from pymongo.errors import PyMongoError

from usher.domain.errors import LeaseLost
from usher.domain.identifiers import new_person_id
from usher.domain.records import Detection, Embedding
from usher.identity.calibrate import Rule
from usher.identity.decide import NewPerson, Recognised, decide
from usher.identity.gallery import Galleries
from usher.storage.detections import Detections
from usher.storage.identity import Assignment, Identity
from usher.storage.leases import ASSIGN, Lease, Leases
from usher.storage.people import People
from usher.storage.serving import Embedders

log = structlog.get_logger()

BATCH = 32
LEASE_S = 10.0


class AssigningStage:
    """Decides who each embedded detection is, in order of capture.

    The galleries are kept in memory and belong to one version of the database's; a commit against
    another version is refused, and they are read again.

    Parameters
    ----------
    owner
        A name for this worker, different from every other's.
    """

    def __init__(
        self,
        *,
        detections: Detections,
        people: People,
        identity: Identity,
        leases: Leases,
        embedders: Embedders,
        rule: Rule,
        model: str,
        owner: str,
    ) -> None:
        self._detections = detections
        self._people = people
        self._identity = identity
        self._leases = leases
        self._embedders = embedders
        self._rule = rule
        self._owner = owner
        self._galleries = Galleries(model)
        self._version = -1

    async def step(self) -> bool:
        """Assign one batch; False where there was none, or where somebody else assigns.

        Nothing is assigned either where another model serves by now: compared with the references
        that are left of this one, everybody would be a stranger.
        """
        lease = await self._leases.acquire(ASSIGN, self._owner, lease_s=LEASE_S)
        if lease is None or not await self._embedders.serves(self._galleries.model):
            return False
        batch = await self._detections.assignable(limit=BATCH)
        if not batch:
            return False
        if foreign := [detection.id for detection in batch if self._is_foreign(detection)]:
            log.warning("vectors of another model are made again", detections=len(foreign))
            await self._detections.embed_again(foreign)
            return True
        try:
            await self._assign(batch, lease)
        except LeaseLost as error:
            log.info("deciding again", reason=str(error))
            self._forget()
        return True

    async def release(self) -> None:
        """Let another worker assign at once."""
        lease = await self._leases.acquire(ASSIGN, self._owner, lease_s=LEASE_S)
        if lease is not None:
            await self._leases.release(lease)

    async def _assign(self, batch: Sequence[Detection], lease: Lease) -> None:
        """Commit a batch; where that fails for its content, each by itself."""
        try:
            await self._commit(batch, lease)
        except (LeaseLost, PyMongoError):
            self._forget()
            raise
        except Exception as error:
            self._forget()
            if len(batch) == 1:
                log.exception("a detection cannot be assigned", detection_id=batch[0].id)
                reason = f"cannot be assigned: {type(error).__name__}"
                await self._detections.set_aside(batch[0].id, reason=reason)
                return
            for detection in batch:
                await self._assign([detection], lease)

    async def _commit(self, batch: Sequence[Detection], lease: Lease) -> None:
        await self._refresh()
        assignments = [self._decide(detection) for detection in batch]
        self._version = await self._identity.commit(
            assignments, lease=lease, lease_s=LEASE_S, version=self._version
        )
        log.info(
            "assigned",
            detections=len(batch),
            new_persons=sum(assignment.founds for assignment in assignments),
        )

    def _is_foreign(self, detection: Detection) -> bool:
        embedding = detection.embedding
        return embedding is not None and embedding.model != self._galleries.model

    def _decide(self, detection: Detection) -> Assignment:
        embedding, acceptable = _described(detection)
        decision = decide(
            embedding.vector, acceptable=acceptable, galleries=self._galleries, rule=self._rule
        )
        match decision:
            case Recognised(person_id, confidence, becomes_reference):
                if becomes_reference:
                    self._galleries.strangers.add(person_id, embedding.vector)
                return Assignment(
                    detection=detection,
                    person_id=person_id,
                    confidence=confidence,
                    reference=becomes_reference,
                )
            case NewPerson():
                person_id = new_person_id()
                self._galleries.strangers.add(person_id, embedding.vector)
                return Assignment(
                    detection=detection, person_id=person_id, founds=True, reference=True
                )
            case _:
                return Assignment(detection=detection, person_id=None)

    async def _refresh(self) -> None:
        """Read the galleries again where the database has another version of them."""
        version = await self._identity.version()
        if version == self._version:
            return
        model = self._galleries.model
        faces = await self._people.faces_of_model(model)
        self._galleries = Galleries(model, faces, await self._people.strangers())
        self._version = version

    def _forget(self) -> None:
        """Decisions that were not committed must not stay in the galleries."""
        self._version = -1


def _described(detection: Detection) -> tuple[Embedding, bool]:
    if detection.embedding is None or detection.quality is None:
        raise ValueError(f"detection {detection.id} has no vector")
    return detection.embedding, detection.quality.acceptable
