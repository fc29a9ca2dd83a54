"""Somebody who decides in the classifier's place, so that a test knows who is who.

The system of a module that says `CLASSIFIES = False` runs without a classifier.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from playwright.async_api import Locator, Page, expect

from tests.admin.acting import add_person
from tests.running import RunningSystem
from usher.domain.face import FaceQuality
from usher.domain.geometry import Box
from usher.domain.identifiers import new_person_id
from usher.domain.records import Confidence, Detection, Embedding
from usher.storage.assignments import Assignment
from usher.storage.database import Database, connected
from usher.storage.detections import Described, Detections
from usher.storage.identity import Identity
from usher.storage.leases import ASSIGN, Leases

LEASE_S = 30.0
MANY = 20


class Decider:
    """Takes what the cameras have uploaded, and assigns it as it is told to."""

    def __init__(self, database: Database) -> None:
        self._leases = Leases(database)
        self._detections = Detections(database)
        self._identity = Identity(database, visit_gap_s=60)
        self._random = np.random.default_rng(4)

    async def found_stranger(
        self, detection_ids: Sequence[str], *, candidate_id: str | None = None
    ) -> str:
        """Make detections those of one new stranger, who is probably somebody known; their id."""
        person_id = new_person_id()
        for place, detection in enumerate(await self._embedded(detection_ids)):
            await self._commit(
                Assignment(
                    detection=detection,
                    person_id=person_id,
                    founds=place == 0,
                    reference=place == 0,
                    confidence=Confidence.HIGH,
                    candidate_id=candidate_id,
                )
            )
        return person_id

    async def recognise(
        self,
        person_id: str,
        detection_ids: Sequence[str],
        *,
        confidence: Confidence | None = Confidence.HIGH,
        is_good: bool = True,
    ) -> None:
        """Make detections those of somebody who is there already."""
        for detection in await self._embedded(detection_ids, is_good=is_good):
            await self._commit(
                Assignment(detection=detection, person_id=person_id, confidence=confidence)
            )

    async def leave_open(self, detection_id: str, *, candidate_id: str) -> None:
        """Identify nobody in a detection, which probably shows somebody known."""
        (detection,) = await self._embedded([detection_id])
        await self._commit(
            Assignment(detection=detection, person_id=None, candidate_id=candidate_id)
        )

    async def set_aside(self, detection_id: str, *, reason: str) -> None:
        """Have a detection fail."""
        await self._embedded([detection_id])
        await self._detections.set_aside(detection_id, reason=reason)

    async def _embedded(
        self, detection_ids: Sequence[str], *, is_good: bool = True
    ) -> list[Detection]:
        claim = await self._detections.claim(limit=50, lease_s=LEASE_S)
        described = [self._described(detection, is_good) for detection in claim.detections]
        await self._detections.finish_embedding(claim.token, described)
        return [await self._detections.get(id_) for id_ in detection_ids]

    def _described(self, detection: Detection, is_good: bool) -> Described:
        reasons = () if is_good else ("blurred",)
        vector = self._random.normal(size=128).astype(np.float32)
        return Described(
            detection_id=detection.id,
            box=detection.box or Box(0, 0, 1, 1),
            embedding=Embedding("test", vector / np.linalg.norm(vector)),
            quality=FaceQuality(acceptable=is_good, size_px=96, sharpness=0.5, reasons=reasons),
        )

    async def _commit(self, assignment: Assignment) -> None:
        lease = await self._leases.acquire(ASSIGN, "test", lease_s=LEASE_S)
        assert lease is not None
        await self._identity.commit(
            [assignment],
            lease=lease,
            lease_s=LEASE_S,
            version=await self._identity.version(),
        )


@asynccontextmanager
async def deciding(system: RunningSystem) -> AsyncIterator[Decider]:
    """Decide about what a system has, which runs without a classifier."""
    async with connected(system.mongodb_uri, system.database) as database:
        yield Decider(database)


async def see(
    system: RunningSystem, photograph: Path, times: int = 1, camera_id: str = "front-door"
) -> list[str]:
    """Have a camera see a face; returns the detections."""
    return [await asyncio.to_thread(system.upload, photograph, camera_id) for _ in range(times)]


async def add_known(page: Page, name: str) -> str:
    """Create somebody known, and stay on their page; returns their id."""
    await add_person(page, name)
    return page.url.rsplit("/", 1)[-1]


def question_about(page: Page, name: str) -> Locator:
    return page.get_by_role("heading", name=f"Is this {name}?")


async def turn_to(page: Page, name: str) -> None:
    """Skip by key until the question about somebody is on the screen."""
    await page.goto("/review")
    await expect(page.get_by_role("heading", name=re.compile(r"^Is this "))).to_be_visible()
    for _ in range(MANY):
        if await question_about(page, name).is_visible():
            return
        await page.keyboard.press("ArrowRight")
    raise AssertionError(f"nobody asks about {name}")


async def open_drawer(page: Page, detection_id: str) -> Locator:
    await page.goto(f"/?detection={detection_id}")
    return page.get_by_role("dialog", name="Detection")


async def open_history(page: Page) -> Locator:
    """Show what was changed of the person whose page it is; returns the rows."""
    await page.get_by_role("tab", name="History").click()
    return page.get_by_role("list", name="History").get_by_role("listitem")


def detections_on(page: Page) -> Locator:
    return page.get_by_role("region", name="Detections").get_by_role("link")


async def undo(page: Page) -> None:
    """Press the button of the notification that says what was done."""
    await page.get_by_role("alert").get_by_role("button", name="Undo").click()
    await expect(page.get_by_text("Undone.")).to_be_visible()
