"""Lists that are longer than a window: what is far from it is not in the document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.admin.acting import PHONE, assert_fits
from tests.admin.conftest import DESKTOP
from tests.running import RunningSystem
from usher.domain.identifiers import new_person_id
from usher.domain.records import Person, PersonKind
from usher.storage.database import connected
from usher.storage.documents import to_document

CLASSIFIES = False

CROWD = 400
IN_DOCUMENT = 120
"""Rows of a window of 800 pixels, and some beyond it."""
SCREENS = 1200
"""To scroll at most: many times the list's length, for pages that come late."""


@pytest.fixture(scope="module", autouse=True)
async def crowd(running_system: RunningSystem) -> None:
    """Many known people, the newest first: Somebody 0 to 399."""
    now = datetime.now(UTC)
    people = [
        Person(
            id=new_person_id(),
            kind=PersonKind.KNOWN,
            name=f"Somebody {place}",
            created_at=now - timedelta(minutes=place),
        )
        for place in range(CROWD)
    ]
    async with connected(running_system.mongodb_uri, running_system.database) as database:
        await database["persons"].insert_many([to_document(person) for person in people])


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
async def test_long_list_is_read_to_its_end_and_only_what_is_near_is_in_the_document(
    page: Page, viewport: ViewportSize
) -> None:
    await page.set_viewport_size(viewport)
    await page.goto("/people")
    cards = page.get_by_role("list", name="Persons").get_by_role("listitem")
    await expect(cards.filter(has_text="Somebody 0")).to_be_visible()

    last = cards.filter(has_text=f"Somebody {CROWD - 1}")
    for _ in range(SCREENS):
        await page.mouse.wheel(0, viewport["height"])
        await page.wait_for_timeout(50)
        assert await cards.count() < IN_DOCUMENT
        if await last.count():
            break
    await expect(last).to_have_attribute("aria-posinset", str(CROWD))
    await expect(last).to_have_attribute("aria-setsize", str(CROWD))
    await assert_fits(page)

    await last.get_by_role("link").click()
    await expect(page.get_by_role("heading", name=f"Somebody {CROWD - 1}")).to_be_visible()


async def test_no_card_of_a_long_list_is_left_out(page: Page) -> None:
    await page.goto("/people")
    cards = page.get_by_role("list", name="Persons").get_by_role("listitem")
    await expect(cards.filter(has_text="Somebody 0")).to_be_visible()
    names = cards.locator("[title]")

    seen = set[str]()
    for _ in range(SCREENS):
        seen.update(await names.evaluate_all("names => names.map(({ title }) => title)"))
        if len(seen) == CROWD:
            break
        await page.mouse.wheel(0, DESKTOP["height"])
        await page.wait_for_timeout(50)
    assert seen == {f"Somebody {place}" for place in range(CROWD)}
