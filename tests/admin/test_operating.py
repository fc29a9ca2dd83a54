"""Settings and System."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.admin.acting import PHONE, assert_fits


async def test_system_page_says_what_is_kept_and_how_much_room_is_left(page: Page) -> None:
    await page.get_by_role("navigation").get_by_role("link", name="System").click()

    await expect(page.get_by_text(re.compile(r"of .+ GB are free"))).to_be_visible()
    row = page.get_by_role("row").filter(has_text="Audit entries")
    await expect(row).to_contain_text(re.compile(r"\d"))
    works = page.get_by_role("list", name="Who works")
    await expect(works).to_contain_text("A classifier on ")
    await expect(page.get_by_role("alert", name="No notifier runs")).to_be_visible()
    await page.set_viewport_size(PHONE)
    await assert_fits(page)


async def test_admin_chooses_how_long_things_are_kept(page: Page) -> None:
    await page.goto("/settings")
    strangers = page.get_by_label("Delete strangers who were not seen for")
    known = page.get_by_label("Delete pictures of people Usher knows")
    section = page.get_by_role("region", name="How long things are kept")
    save = section.get_by_role("button", name="Save")

    await known.select_option(label="90 days")
    await expect(section.get_by_role("status")).to_contain_text("choose fewer days")
    await expect(save).to_be_disabled()
    await strangers.select_option(label="30 days")
    await save.click()
    dialog = page.get_by_role("dialog", name="Keep things for that long?")
    await expect(dialog).to_contain_text("Nothing is that old now.")
    await dialog.get_by_role("button", name="Save").click()

    await expect(dialog).to_be_hidden()
    await expect(save).to_be_disabled()
    await page.reload()
    await expect(strangers).to_have_value("30")
    await expect(known).to_have_value("90")


async def test_admin_chooses_how_many_strangers_may_be_named(page: Page) -> None:
    """The last of this file: the API ends, for its supervisor to start it anew."""
    await page.get_by_role("navigation").get_by_role("link", name="Settings").click()
    await expect(page.get_by_role("radio", name="10 (as installed)")).to_be_checked()
    await page.set_viewport_size(PHONE)
    await assert_fits(page)

    await page.get_by_role("radio", name="1 (very strict)").check()
    section = page.get_by_role("region", name="How sure Usher must be")
    await section.get_by_role("button", name="Save").click()

    await expect(section.get_by_role("status").filter(has_text="Saved.")).to_be_visible()
