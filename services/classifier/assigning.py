"""From vectors to people. One worker at a time, under a lease."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from pymongo.errors import PyMongoError

from services.classifier.calibrating import CalibrationLog
from services.classifier.deciding import Batch
from usher.domain.errors import LeaseLost
from usher.domain.records import Detection, Track
from usher.following import Follower
from usher.identity.tracks import MOST_SHOTS
from usher.storage.detections import Detections
from usher.storage.identity import Identity
from usher.storage.leases import ASSIGN, Lease, Leases
from usher.storage.serving import Embedders

log = structlog.get_logger()

BATCH = 32
LEASE_S = 10.0


class AssigningStage:
    """Decides who each embedded detection is, in order of capture.

    Everybody is known in memory as of a version of the database's; a commit against another version
    is refused, and who was touched meanwhile is read again.

    Parameters
    ----------
    owner
        A name for this worker, different from every other's.
    """

    def __init__(
        self,
        *,
        detections: Detections,
        identity: Identity,
        leases: Leases,
        follower: Follower,
        calibrations: CalibrationLog,
        embedders: Embedders,
        model: str,
        owner: str,
    ) -> None:
        self._detections = detections
        self._identity = identity
        self._leases = leases
        self._follower = follower
        self._calibrations = calibrations
        self._model = model
        self._embedders = embedders
        self._owner = owner

    async def step(self) -> bool:
        """Assign one batch; False where there was none, or where somebody else assigns.

        Nothing is assigned either where another model serves by now: compared with the references
        that are left of this one, everybody would be a stranger.
        """
        lease = await self._leases.acquire(ASSIGN, self._owner, lease_s=LEASE_S)
        if lease is None or not await self._embedders.serves(self._model):
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
            raise
        except Exception as error:
            if len(batch) == 1:
                log.exception("a detection cannot be assigned", detection_id=batch[0].id)
                reason = f"cannot be assigned: {type(error).__name__}"
                await self._detections.set_aside(batch[0].id, reason=reason)
                return
            for detection in batch:
                await self._assign([detection], lease)

    async def _commit(self, detections: Sequence[Detection], lease: Lease) -> None:
        async with self._follower.current() as (identifier, version):
            # Read after the version: who answers for a shot from now on makes the commit fail.
            batch = Batch(identifier, await self._earlier_shots(detections))
            try:
                assignments = await asyncio.to_thread(batch.decide, detections)
                following = await self._identity.commit(
                    assignments,
                    lease=lease,
                    lease_s=LEASE_S,
                    version=version,
                    following_shots=batch.ledger.following_shots(),
                    merges=batch.ledger.merges,
                )
            except BaseException:
                # What was not committed must not stay in memory.
                self._follower.doubt(batch.ledger.touched | batch.ledger.doubtful)
                raise
            self._follower.committed(following)
            self._follower.doubt(batch.ledger.doubtful)
            await self._calibrations.note(identifier)
        founded = sum(assignment.founds for assignment in assignments)
        log.info("assigned", detections=len(detections), new_persons=founded)

    async def _earlier_shots(self, detections: Sequence[Detection]) -> dict[Track, list[Detection]]:
        tracks = {item.track for item in detections if item.track is not None}
        return await self._detections.shots_of(self._model, tracks, limit=MOST_SHOTS)

    def _is_foreign(self, detection: Detection) -> bool:
        return detection.embedding is not None and detection.embedding.model != self._model
