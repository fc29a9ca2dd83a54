"""Lists that are longer than a window: what is far from it is not in the document."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from tests.admin.acting import PHONE, assert_fits
from tests.running import RunningSystem, run_system
from usher.domain.identifiers import new_person_id
from usher.domain.records import Person, PersonKind
from usher.storage.database import connected
from usher.storage.documents import to_document

CROWD = 400
IN_DOCUMENT = 120
"""Rows of a window of 800 pixels, and some beyond it."""


@pytest.fixture(scope="module")
def running_system(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    with run_system(mongodb_uri, tmp_path_factory.mktemp("system"), classify=False) as system:
        yield system


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


@pytest.mark.parametrize("viewport", [None, PHONE])
async def test_long_list_is_read_to_its_end_and_only_what_is_near_is_in_the_document(
    page: Page, viewport: dict[str, int] | None
) -> None:
    if viewport is not None:
        await page.set_viewport_size(PHONE)
    await page.goto("/people")
    cards = page.get_by_role("list", name="Persons").get_by_role("listitem")
    last = cards.filter(has_text=f"Somebody {CROWD - 1}")
    await expect(cards.filter(has_text="Somebody 0")).to_be_visible()

    async with page.expect_response(lambda response: "cursor=" in response.url):
        await page.mouse.wheel(0, 100_000)
    while await last.count() == 0:
        await page.mouse.wheel(0, 3_000)
        await page.wait_for_timeout(50)
        assert await cards.count() < IN_DOCUMENT
    await expect(last).to_be_in_viewport(ratio=0.1)
    await expect(last).to_have_attribute("aria-posinset", str(CROWD))
    await expect(last).to_have_attribute("aria-setsize", str(CROWD))
    await assert_fits(page)

    await last.get_by_role("link").click()
    await expect(page.get_by_role("heading", name=f"Somebody {CROWD - 1}")).to_be_visible()
