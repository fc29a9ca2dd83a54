"""Today: who was seen where, and Detections with its filters."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page, expect

from tests.admin.acting import (
    CLASSIFIED_WITHIN_MS,
    PHONE,
    assert_fits,
    assert_picture_loads,
    photograph_of,
    see,
    wait_until_connected,
)
from tests.admin.test_cameras import card, tell
from tests.running import RunningSystem
from usher.domain.identifiers import new_id, new_person_id
from usher.domain.records import Person, PersonKind, Role, Visit
from usher.storage.database import connected
from usher.storage.documents import to_document

ROLE = Role.MANAGER
CROWD = 250
"""More than are read at once."""


async def test_today_tells_of_a_stranger_as_they_come_and_of_who_they_are_once_named(
    page: Page, running_system: RunningSystem, photograph: Path
) -> None:
    await wait_until_connected(page)
    await asyncio.to_thread(running_system.upload, photograph, "front-door")

    strangers = page.get_by_role("list", name="Strangers today").get_by_role("listitem")
    await expect(strangers).to_have_count(1, timeout=CLASSIFIED_WITHIN_MS)
    await expect(strangers).to_contain_text("front-door")
    await assert_picture_loads(strangers.get_by_role("img"))
    await expect(page.get_by_role("list", name="Cameras")).to_contain_text("front-door")
    await page.set_viewport_size(PHONE)
    await assert_fits(page)

    await strangers.get_by_role("img").click()
    drawer = page.get_by_role("dialog", name="Detection")
    await drawer.get_by_label("Who is this?").fill("Ann Today")
    await page.keyboard.press("Enter")
    await expect(drawer.get_by_role("link", name="Ann Today")).to_be_visible()
    await page.keyboard.press("Escape")

    known = page.get_by_role("list", name="People Usher knows today").get_by_role("listitem")
    await expect(known).to_contain_text("Ann Today")
    await expect(strangers).to_have_count(0)


IDENTIFIED = re.compile("^(?!Identifying)")


async def test_detections_are_narrowed_by_camera_status_quality_person_and_day(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Winona_Ryder")
    card = await see(page, running_system, photograph, "car-park")
    other = await see(page, running_system, photograph, "front-door")
    for one in (card, other):
        await expect(one).to_have_accessible_name(IDENTIFIED, timeout=CLASSIFIED_WITHIN_MS)

    await choose(page, "Camera", "car-park")
    await expect(other).to_have_count(0)
    await choose(page, "Quality", "Good pictures")
    await choose(page, "Status", "Identified")
    await page.reload()
    await expect(card).to_be_visible()
    await choose(page, "Quality", "Poor pictures")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.get_by_role("button", name="Show everything").click()
    await expect(other).to_be_visible()

    person = page.get_by_role("combobox", name="Person")
    await person.fill("nobody of this name")
    await expect(page.get_by_text("Nobody of that name")).to_be_visible()
    found = re.search(r"p-\w+", await card.inner_text())
    assert found is not None
    await person.fill(found[0])
    await page.get_by_role("option", name=f"Stranger {found[0]}").click()
    await expect(page).to_have_url(re.compile(f"person={found[0]}"))
    await expect(card).to_be_visible()

    await page.get_by_label("From").fill("2001-01-01")
    await page.get_by_label("To", exact=True).fill("2001-01-02")
    await expect(card).to_have_count(0)


async def test_today_has_every_stranger_of_a_day_with_many_visits_and_goes_on_with_the_known(
    page: Page, running_system: RunningSystem
) -> None:
    await come_and_go(running_system, {PersonKind.UNKNOWN: CROWD, PersonKind.KNOWN: CROWD})

    await page.goto("/")

    strangers = page.get_by_role("list", name="Strangers today").get_by_role("listitem")
    await expect(strangers.first).to_have_attribute("aria-setsize", at_least(CROWD))
    await expect(page.get_by_role("heading", name=re.compile(r"^Strangers \d+$"))).to_be_visible()
    await expect(page.get_by_role("heading", name="People Usher knows 200+")).to_be_visible()
    whole = page.get_by_role("heading", name=re.compile(r"^People Usher knows \d+$"))
    for _ in range(CROWD):
        if await whole.count():
            break
        await page.mouse.wheel(0, 2000)
        await page.wait_for_timeout(50)
    known = page.get_by_role("list", name="People Usher knows today").get_by_role("listitem")
    await expect(known.first).to_have_attribute("aria-setsize", at_least(CROWD))


def at_least(number: int) -> re.Pattern[str]:
    """A number from this one on: others than this test's may have come. Up to ten more."""
    return re.compile("|".join(f"^{number + more}$" for more in range(11)))


async def come_and_go(system: RunningSystem, counts: dict[PersonKind, int]) -> None:
    """So many people of each kind are there just now, the first kind before the others."""
    now = datetime.now(UTC)
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    people = [Person(id=new_person_id(), kind=kind, created_at=now) for kind in kinds]
    moments = [now - timedelta(milliseconds=len(people) - place) for place in range(len(people))]
    visits = [
        Visit(id=new_id(), person_id=one.id, camera_id="gate", started_at=moment, last_at=moment)
        for one, moment in zip(people, moments, strict=True)
    ]
    async with connected(system.mongodb_uri, system.database) as database:
        await database["persons"].insert_many([to_document(one) for one in people])
        await database["visits"].insert_many([to_document(one) for one in visits])


async def choose(page: Page, name: str, label: str) -> None:
    await page.get_by_role("combobox", name=name, exact=True).select_option(label=label)


async def test_film_that_was_read_on_another_day_is_left_out(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(running_system, "film-of-today", "finished", minutes=0)
    await tell(running_system, "film-of-yesterday", "finished", minutes=24 * 60)
    await tell(running_system, "door-of-yesterday", "stopped", minutes=24 * 60)
    await page.goto("/")
    cameras = page.get_by_role("list", name="Cameras")
    await expect(cameras).to_contain_text("film-of-today: finished")
    await expect(cameras).to_contain_text("door-of-yesterday: stopped for 24 hours")
    await expect(cameras).not_to_contain_text("film-of-yesterday")
    await page.goto("/cameras")
    await expect(card(page, "film-of-yesterday")).to_contain_text("Finished 24 hours ago")
