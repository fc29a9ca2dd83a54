"""From pending detections to vectors. Any number of workers do this side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import structlog
from pymongo.errors import PyMongoError

from usher.domain.errors import NoFaceFound, UsherError
from usher.domain.geometry import Box
from usher.domain.records import Detection, Embedding
from usher.storage.crops import CropStore
from usher.storage.database import is_passing
from usher.storage.detections import Claim, Described, Detections
from usher.tasks import cancel
from usher.vision.align import EyesAndNose, check_box
from usher.vision.images import CROP_FORMATS, RgbImage, decode_image
from usher.vision.pipeline import FaceDescription, FacePipeline

log = structlog.get_logger()

BATCH = 16
LEASE_S = 15.0
_MAX_PIXELS = 50_000_000


class EmbeddingStage:
    """Claims pending detections, describes their faces and hands the vectors in.

    Parameters
    ----------
    detections
        The queue.
    crops
        Where the pictures are.
    pipeline
        Aligns, judges and embeds.
    """

    def __init__(self, detections: Detections, crops: CropStore, pipeline: FacePipeline) -> None:
        self._detections = detections
        self._crops = crops
        self._pipeline = pipeline

    async def step(self) -> bool:
        """Work on one batch; False where there was none."""
        claim = await self._detections.claim(limit=BATCH, lease_s=LEASE_S)
        if not claim.detections:
            return False
        async with self._kept_alive(claim):
            await self._work_on(claim)
        return True

    async def _work_on(self, claim: Claim) -> None:
        try:
            described = await asyncio.to_thread(self._describe, claim.detections)
        except Exception as error:  # noqa: BLE001 - one record must not stop the others
            log.warning("a batch failed, its records go one by one", error=repr(error))
            await self._one_by_one(claim)
            return
        await self._hand_in(claim.detections, described, claim.token)

    async def _one_by_one(self, claim: Claim) -> None:
        for detection in claim.detections:
            try:
                (face,) = await asyncio.to_thread(self._describe, [detection])
            except NoFaceFound as error:
                await self._hand_in_without_face(detection, claim.token, reason=str(error))
            except Exception as error:  # noqa: BLE001 - becomes a state of the record
                await self._fail(detection, claim.token, error)
            else:
                await self._hand_in([detection], [face], claim.token)

    async def _fail(self, detection: Detection, token: str, error: Exception) -> None:
        foreseen = isinstance(error, UsherError)
        log.warning(
            "a detection failed",
            detection_id=detection.id,
            error=repr(error),
            exc_info=None if foreseen else error,
        )
        reason = str(error) if foreseen else type(error).__name__
        await self._detections.fail(detection.id, token, reason=reason)

    async def _hand_in(
        self, detections: Sequence[Detection], faces: Sequence[FaceDescription], token: str
    ) -> None:
        described = [
            Described(
                detection_id=detection.id,
                box=face.box,
                embedding=Embedding(self._pipeline.model_id, face.embedding),
                quality=face.quality,
            )
            for detection, face in zip(detections, faces, strict=True)
        ]
        held = await self._detections.finish_embedding(token, described)
        if held < len(described):
            log.info("somebody else works on detections of ours now", lost=len(described) - held)

    async def _hand_in_without_face(self, detection: Detection, token: str, *, reason: str) -> None:
        held = await self._detections.finish_without_face(detection.id, token, reason=reason)
        if not held:
            log.info("somebody else works on detections of ours now", lost=1)

    def _describe(self, detections: Sequence[Detection]) -> list[FaceDescription]:
        return self._pipeline.describe_many(
            (self._face(detection) for detection in detections),
            [_landmarks_of(detection) for detection in detections],
        )

    def _face(self, detection: Detection) -> tuple[RgbImage, Box]:
        jpeg = self._crops.get(detection.crop)
        image_rgb = decode_image(jpeg, formats=CROP_FORMATS, max_pixels=_MAX_PIXELS)
        box = detection.box or self._pipeline.central_face(image_rgb).box
        check_box(image_rgb, box)
        return image_rgb, box

    @asynccontextmanager
    async def _kept_alive(self, claim: Claim) -> AsyncIterator[None]:
        """Extend the claim while its batch is worked on; give back what a stop leaves undone.

        After an error that nobody foresaw nothing is given back: the lease runs out and the attempt
        counts, since one of the batch may be to blame.
        """
        heartbeat = asyncio.create_task(self._extend_for_ever(claim), name="heartbeat")
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._give_back(claim))
            raise
        except PyMongoError as error:
            if is_passing(error):
                await self._give_back(claim)
            raise
        finally:
            await cancel((heartbeat,))
        if not heartbeat.cancelled():
            heartbeat.result()

    async def _give_back(self, claim: Claim) -> None:
        try:
            await self._detections.give_back(claim)
        except PyMongoError as error:
            log.warning("a claim was not given back, its lease runs out", error=str(error))

    async def _extend_for_ever(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                await self._detections.extend(claim, lease_s=LEASE_S)
            except PyMongoError as error:
                if not is_passing(error):
                    raise
                log.warning("a claim was not extended", error=str(error))


def _landmarks_of(detection: Detection) -> EyesAndNose | None:
    """Where whoever cut the face out has found them."""
    if detection.box is None or detection.landmarks is None:
        return None
    return np.array(detection.landmarks, np.float32)
