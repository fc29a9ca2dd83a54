"""Takes the pictures of the panel that the documentation shows.

    .venv/bin/python docs/images/take.py

The API runs on a database of its own, in which nine people stand whom nobody is: their faces are
drawn. Needs Chromium, as the panel's tests do.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from playwright.async_api import Browser, Page, async_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from tests.running import RunningSystem, run_system  # noqa: E402
from usher.domain.face import FaceQuality  # noqa: E402
from usher.domain.geometry import Box  # noqa: E402
from usher.domain.identifiers import new_id  # noqa: E402
from usher.domain.records import (  # noqa: E402
    Confidence,
    Detection,
    DetectionStatus,
    Embedding,
    Face,
    Person,
    PersonKind,
    Visit,
)
from usher.storage.crops import CropStore  # noqa: E402
from usher.storage.database import Database, connected  # noqa: E402
from usher.storage.documents import to_document  # noqa: E402
from usher.storage.embedded import EmbeddedServer  # noqa: E402
from usher.storage.leases import AT_ONCE  # noqa: E402
from usher.vision.images import encode_jpeg  # noqa: E402
from usher.vision.selftest import draw_face  # noqa: E402

NAMES = ("Ada Winter", "Ben Okafor", "Carla Mendes", "David Chen", "Elif Kaya", None, None, None)
CAMERAS = {"front-door": "Front door", "reception": "Reception", "car-park": "Car park"}
SIDE_PX = 220
DESKTOP, PHONE = (1280, 800), (390, 800)
QUALITY = FaceQuality(acceptable=True, size_px=120, sharpness=60.0, reasons=())
MODEL = "dlib-resnet-v1-crops"


def drawn(person: int, shot: int) -> bytes:
    """A picture of somebody, JPEG: tint and shape are theirs, turn and light the shot's."""
    whose, how = np.random.default_rng(person), np.random.default_rng([person, shot])
    tint = whose.uniform(0.55, 1.15) * np.array([1.0, whose.uniform(0.8, 1), whose.uniform(0.7, 1)])
    wide, tall = whose.uniform(0.85, 1.1, 2)
    middle = SIDE_PX / 2
    turn = cv2.getRotationMatrix2D((middle, middle), how.uniform(-9, 9), how.uniform(0.9, 1.1))
    turn[0, :2] *= wide
    turn[1, :2] *= tall
    turn[:, 2] += middle - turn[:, :2] @ (middle, middle) - turn[:, 2]
    face = cv2.warpAffine(
        draw_face(SIDE_PX), turn, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REPLICATE
    )
    light = tint * how.uniform(0.9, 1.1)
    return encode_jpeg(np.clip(face * light, 0, 255).astype(np.uint8))


async def fill(database: Database, crops: CropStore) -> None:
    """People, where they were today, and a face that is probably somebody's."""
    now = datetime.now(UTC).replace(microsecond=0)
    for camera_id, name in CAMERAS.items():
        since = {"state": "live", "state_since": now - timedelta(hours=9), "reported_at": now}
        document = {"_id": camera_id, "name": name, "managers": [], **since}
        await database["cameras"].insert_one(document)
    people = [
        Person(
            id=f"p-{new_id()[:6]}",
            kind=PersonKind.KNOWN if name else PersonKind.UNKNOWN,
            created_at=now,
            name=name,
        )
        for name in NAMES
    ]
    await database["persons"].insert_many([to_document(one) for one in people])
    for number, person in enumerate(people):
        await _references(database, crops, person, number)
        for nth in range(1 + number % 3):
            at = now - timedelta(minutes=11 * number + 60 * nth)
            camera_id = list(CAMERAS)[(number + nth) % len(CAMERAS)]
            await _visit(database, crops, person, number, nth, at, camera_id)
    question = {"candidate_id": people[0].id}
    await database["detections"].update_many({"person_id": people[-1].id}, {"$set": question})


async def _references(database: Database, crops: CropStore, person: Person, number: int) -> None:
    rng = np.random.default_rng(number)
    base = rng.normal(size=128)
    for shot in range(3):
        vector = (base + rng.normal(scale=0.2, size=128)).astype(np.float32)
        face = Face(
            id=new_id(),
            person_id=person.id,
            embedding=Embedding(MODEL, vector / np.linalg.norm(vector)),
            crop=crops.put(drawn(number, 100 + shot)),
            origin="enrolment",
            created_at=person.created_at,
        )
        await database["faces"].insert_one(to_document(face))


async def _visit(
    database: Database,
    crops: CropStore,
    person: Person,
    number: int,
    nth: int,
    at: datetime,
    camera_id: str,
) -> None:
    visit = Visit(id=new_id(), person_id=person.id, camera_id=camera_id, started_at=at, last_at=at)
    await database["visits"].insert_one({**to_document(visit), "detections": 1})
    detection = Detection(
        id=new_id(),
        camera_id=camera_id,
        device_id="drawn",
        idempotency_key=new_id(),
        content_sha256="0" * 64,
        captured_at=at,
        received_at=at,
        crop=crops.put(drawn(number, nth)),
        status=DetectionStatus.CLASSIFIED,
        box=Box(40, 40, SIDE_PX - 40, SIDE_PX - 40),
        quality=QUALITY,
        person_id=person.id,
        confidence=Confidence.HIGH,
        visit_id=visit.id,
    )
    waits = {"available_at": AT_ONCE, "claim_token": None}
    await database["detections"].insert_one({**to_document(detection), **waits})


async def take(system: RunningSystem) -> None:
    """One picture a page."""
    async with async_playwright() as playwright:
        chromium = os.environ.get("USHER_TEST_CHROMIUM", "/usr/bin/chromium")
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        wide = await _signed_in(browser, system, DESKTOP)
        await _picture(wide, "/", "panel.png")
        await _picture(wide, "/review", "review.png")
        narrow = await _signed_in(browser, system, PHONE)
        await _picture(narrow, "/", "phone.png")
        await browser.close()


async def _signed_in(browser: Browser, system: RunningSystem, size: tuple[int, int]) -> Page:
    page = await browser.new_page(
        base_url=system.url,
        viewport={"width": size[0], "height": size[1]},
        reduced_motion="reduce",
        locale="en-GB",
        timezone_id=_where_it_is_afternoon(),
    )
    await page.goto("/")
    await page.get_by_label("Username").fill(system.admin_username)
    await page.get_by_label("Password", exact=True).fill(system.admin_password)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Today").wait_for()
    return page


def _where_it_is_afternoon() -> str:
    """A zone whose day is some hours old; its name has the sign the other way round."""
    return f"Etc/GMT{datetime.now(UTC).hour - 13:+d}"


async def _picture(page: Page, path: str, name: str) -> None:
    await page.goto(path)
    await page.wait_for_load_state("networkidle")
    await page.wait_for_timeout(500)
    await page.screenshot(path=HERE / name)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="usher-pictures-") as given:
        folder = Path(given)
        async with EmbeddedServer(folder / "mongodb") as server:
            (folder / "data").mkdir()
            with run_system(server.uri, folder / "data", classify=False) as system:
                async with connected(server.uri, system.database) as database:
                    await fill(database, CropStore(folder / "data" / "crops"))
                await take(system)


if __name__ == "__main__":
    asyncio.run(main())
