"""Photographs of a person: taken with the browser's own camera, cut out of a group, doubtful."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.admin.acting import (
    CLASSIFIED_WITHIN_MS,
    PHONE,
    add_person,
    assert_fits,
    upload_photographs,
)
from tests.admin.conftest import browser_with_camera
from tests.admin.test_accessibility import AXE, findings
from tests.filming import camera_film
from usher.domain.records import Role

ROLE = Role.MANAGER


@pytest.fixture(scope="module")
async def browser(
    browser: Browser, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    """A browser whose camera shows one person."""
    photograph = test_data / "enrol" / "barack-obama" / "2.jpg"
    shown = camera_film(tmp_path_factory.mktemp("camera") / "one.y4m", photograph)
    async with browser_with_camera(shown) as with_camera:
        yield with_camera


async def test_camera_takes_photographs_of_a_person_and_adds_them(
    page: Page, context: BrowserContext
) -> None:
    await context.grant_permissions(["camera"])
    await add_person(page, "Barack Obama")
    await page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Take photographs")
    taken = dialog.get_by_role("list", name="Pictures taken").get_by_role("listitem")
    take = dialog.get_by_role("button", name="Take the picture")

    await expect(dialog.get_by_text("Look straight at the camera.")).to_be_visible()
    await expect(take).to_be_enabled(timeout=CLASSIFIED_WITHIN_MS)
    await take.click()
    await expect(dialog.get_by_text("Turn the head a little to the left.")).to_be_visible()
    await take.click()
    await expect(taken).to_have_count(2)
    assert await findings(page, AXE.read_text()) == []
    await page.set_viewport_size(PHONE)
    await assert_fits(page)
    await dialog.get_by_role("button", name="Take again: Straight").click()
    await expect(taken).to_have_count(1)
    await dialog.get_by_role("button", name="Add 1 photograph").click()

    await expect(dialog).to_be_hidden()
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await expect(photographs).to_have_count(1, timeout=CLASSIFIED_WITHIN_MS)


async def test_camera_stops_when_the_dialog_closes(page: Page, context: BrowserContext) -> None:
    await context.grant_permissions(["camera"])
    await add_person(page, "Somebody Shy")
    await page.get_by_role("button", name="Use the camera").click()
    video = page.get_by_label("What the camera shows")
    await expect(video).to_be_visible(timeout=CLASSIFIED_WITHIN_MS)
    tracks = await video.evaluate_handle("video => video.srcObject.getTracks()")

    await page.keyboard.press("Escape")

    await expect(video).to_be_hidden()
    assert await tracks.evaluate("tracks => tracks.every(t => t.readyState === 'ended')")
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await expect(photographs).to_have_count(0)


async def drop(target: Locator, *photographs: Path) -> None:
    """Drop files as from the desktop."""
    contents = [
        [photograph.name, base64.b64encode(photograph.read_bytes()).decode()]
        for photograph in photographs
    ]
    files = await target.page.evaluate_handle(
        """contents => {
            const transfer = new DataTransfer();
            for (const [name, content] of contents) {
                const bytes = Uint8Array.from(atob(content), (sign) => sign.charCodeAt(0));
                transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
            }
            return transfer;
        }""",
        contents,
    )
    for event in ("dragover", "drop"):
        await target.dispatch_event(event, {"dataTransfer": files})


async def test_photographs_are_dropped_on_the_page_and_one_is_removed(
    page: Page, test_data: Path
) -> None:
    first, second, *_ = sorted((test_data / "lfw-dev" / "images" / "Kofi_Annan").iterdir())
    await add_person(page, "Dropped")
    await drop(page.get_by_text("or drop them here"), first, second)
    photographs = page.get_by_role("list", name="Photographs").get_by_role("listitem")
    await expect(photographs).to_have_count(2, timeout=CLASSIFIED_WITHIN_MS)
    uploads = page.get_by_role("list", name="Uploads").get_by_role("listitem")
    await expect(uploads.filter(has_text="Added.")).to_have_count(2)

    kept = await photographs.first.get_by_role("img").get_attribute("src")
    await photographs.last.get_by_role("button", name="Remove this photograph").click()
    dialog = page.get_by_role("dialog", name="Remove this photograph?")
    await expect(dialog).to_contain_text("New faces will no longer be compared with it.")
    await expect(dialog).not_to_contain_text("It is the only one")
    await dialog.get_by_role("button", name="Remove photograph").click()

    await expect(photographs).to_have_count(1)
    await page.reload()
    await expect(photographs.get_by_role("img")).to_have_attribute("src", str(kept))
    await photographs.get_by_role("button", name="Remove this photograph").click()
    await expect(dialog).to_contain_text("Dropped will not be recognised until there is another")
    await dialog.get_by_role("button", name="Cancel").click()
    await expect(photographs).to_have_count(1)


@pytest.mark.parametrize("on_phone", [False, True])
async def test_one_face_of_a_group_is_chosen(page: Page, test_data: Path, on_phone: bool) -> None:
    if on_phone:
        await page.set_viewport_size(PHONE)
    await add_person(page, f"Left one, {on_phone}")
    group = test_data / "groups" / "two_people.jpg"
    (row,) = await (await upload_photographs(page, group)).all()
    await expect(row).to_contain_text("The photograph shows 2 faces")
    await row.get_by_role("button", name="Choose the face").click()

    dialog = page.get_by_role("dialog", name=f"Which of them is Left one, {on_phone}?")
    await expect(dialog.get_by_role("button", name="from the left")).to_have_count(
        2, timeout=CLASSIFIED_WITHIN_MS
    )
    assert await findings(page, AXE.read_text()) == []
    await assert_fits(page)
    await dialog.get_by_role("button", name="Face 1 from the left").click()

    await expect(dialog).to_be_hidden()
    await expect(row).to_contain_text("Added.", timeout=CLASSIFIED_WITHIN_MS)
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await expect(photographs).to_have_count(1)


async def test_photograph_of_somebody_else_is_marked(page: Page, test_data: Path) -> None:
    alice, bob = (
        sorted((test_data / "lfw-dev" / "images" / name).iterdir())
        for name in ("Jennifer_Capriati", "Kofi_Annan")
    )
    await add_person(page, "Bob")
    await upload_photographs(page, *bob[:3])
    await add_person(page, "Alice")
    await upload_photographs(page, *alice[:3])
    await expect(page.get_by_text("Are all of these the same person?")).to_have_count(0)
    await upload_photographs(page, bob[3])

    warning = page.get_by_role("alert").filter(has_text="Are all of these the same person?")
    await expect(warning).to_contain_text("1 photograph may show somebody else")
    await expect(warning.get_by_role("link", name="Bob")).to_be_visible()
    photographs = page.get_by_role("list", name="Photographs").get_by_role("listitem")
    await expect(photographs.filter(has_text="Somebody else?")).to_have_count(1)
    assert await findings(page, AXE.read_text()) == []
