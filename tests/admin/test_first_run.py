"""A system that has seen nobody: what it says about itself, and where it leads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.admin.acting import PHONE, assert_fits, photograph_of, see, upload_photographs
from tests.running import RunningSystem, run_system


@pytest.fixture
def running_system(
    mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    """The API without a classifier, empty for each test."""
    with run_system(mongodb_uri, tmp_path_factory.mktemp("system"), classify=False) as system:
        yield system


async def test_empty_system_leads_to_the_first_person_and_the_first_camera(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    steps = page.get_by_role("list", name="First steps").get_by_role("listitem")
    await expect(steps).to_have_count(3)

    await steps.nth(0).get_by_role("link", name="Add the first person").click()
    dialog = page.get_by_role("dialog", name="Add person")
    await expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    await page.keyboard.type("First Fiona")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="First Fiona", level=1)).to_be_visible()
    await upload_photographs(page, photograph_of(test_data, "Ann_Veneman"))

    await page.get_by_role("navigation").get_by_role("link", name="Today", exact=True).click()
    await expect(steps.nth(0)).to_contain_text("(done)")
    await steps.nth(1).get_by_role("link", name="Connect a camera").click()
    await expect(page.get_by_role("dialog", name="Connect a camera")).to_be_visible()

    photograph = photograph_of(test_data, "Winona_Ryder")
    card = await see(page, running_system, photograph)
    await expect(card).to_be_visible()
    await expect(steps).to_have_count(0)


async def test_empty_pages_say_why_and_have_a_button_for_it(page: Page) -> None:
    await page.goto("/cameras")
    await page.get_by_role("button", name="Connect the first camera").click()
    await expect(page.get_by_role("dialog", name="Connect a camera")).to_be_visible()

    await page.goto("/people")
    await page.get_by_role("button", name="Add the first person").click()
    await expect(page.get_by_role("dialog", name="Add person")).to_be_visible()

    await page.goto("/people")
    await page.get_by_role("link", name="Enrol at this camera").click()
    await expect(page.get_by_role("heading", name="Live camera", level=1)).to_be_visible()

    await page.goto("/review?queue=strangers")
    await expect(page.get_by_role("heading", name="No strangers")).to_be_visible()


async def test_first_steps_fit_a_phone(page: Page) -> None:
    await page.set_viewport_size(PHONE)

    for path in ("/", "/people", "/cameras", "/live-camera", "/review"):
        await page.goto(path)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await page.wait_for_load_state("networkidle")
        await assert_fits(page)
