"""The browser's own camera in the panel: who is before it, and enrolling them.

The camera is Chromium's pretended one, which plays a film of two people: one is enrolled at first,
the other is not.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Route,
    expect,
)

from tests.admin.acting import (
    CLASSIFIED_WITHIN_MS,
    PHONE,
    add_person,
    assert_fits,
    assert_picture_loads,
    photograph_of,
    sign_in,
    upload_photographs,
)
from tests.admin.conftest import browser_with_camera
from tests.filming import camera_film
from tests.running import RunningSystem
from usher.domain.records import Role

ROLE = Role.MANAGER
ELSEWHERE = "usher.test"
"""A host of another name, so that the browser does not take it for this machine."""


@pytest.fixture(scope="module")
async def browser(
    browser: Browser, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Browser]:
    """A browser with a camera, which asks before a page may use it."""
    known = test_data / "enrol" / "barack-obama" / "2.jpg"
    stranger = photograph_of(test_data, "Ann_Veneman")
    shown = camera_film(tmp_path_factory.mktemp("camera") / "two.y4m", known, stranger)
    elsewhere = f"--host-resolver-rules=MAP {ELSEWHERE} 127.0.0.1"
    async with browser_with_camera(shown, elsewhere) as with_camera:
        yield with_camera


@pytest.fixture
async def watching(page: Page, context: BrowserContext) -> Page:
    """The page, allowed to use the camera."""
    await context.grant_permissions(["camera"])
    return page


async def start_camera(page: Page) -> Locator:
    """Open the page by the navigation and start; returns the list of the faces that it sees."""
    await page.get_by_role("navigation").get_by_role("link", name="Live camera").click()
    await page.get_by_role("button", name="Start the camera").click()
    faces = page.get_by_role("list", name="Faces").get_by_role("listitem")
    await expect(faces).to_have_count(2, timeout=CLASSIFIED_WITHIN_MS)
    return faces


async def test_live_camera_names_the_known_and_sets_strangers_apart(
    watching: Page, test_data: Path
) -> None:
    page = watching
    await add_person(page, "Barack Obama")
    await upload_photographs(page, test_data / "enrol" / "barack-obama" / "1.jpg")

    faces = await start_camera(page)

    known = faces.filter(has_text="Barack Obama")
    stranger = faces.filter(has_text="Usher has not met them.")
    await expect(known).to_have_attribute("data-tone", "known")
    await expect(stranger).to_have_attribute("data-tone", "unknown")
    await expect(page.get_by_text(re.compile(r"^\d+ ms$"))).to_be_visible()
    await expect(page.get_by_text(re.compile("^In the picture: "))).to_contain_text("Stranger")


async def test_live_camera_asks_when_it_is_unsure(watching: Page) -> None:
    page = watching
    somebody = {"id": "p-1", "name": "Laura Bush", "kind": "known"}

    async def unsure(route: Route) -> None:
        response = await route.fetch()
        answer = await response.json()
        for face in answer["faces"]:
            face.update(person=None, confidence=None, candidate=somebody)
        await route.fulfill(response=response, json=answer)

    await page.route("**/api/v1/identify", unsure)
    faces = await start_camera(page)

    await expect(faces.first).to_contain_text("Laura Bush?")
    await expect(faces.first).to_have_attribute("data-tone", "unsure")
    await page.unroute_all(behavior="ignoreErrors")


async def test_live_camera_draws_the_boxes_where_the_faces_are(watching: Page) -> None:
    page = watching
    await start_camera(page)
    video = await page.get_by_label("What the camera shows").bounding_box()
    boxes = page.locator("[aria-hidden=true] > [data-tone]")

    await expect(boxes).to_have_count(2)
    places = [await box.bounding_box() for box in await boxes.all()]

    assert video is not None
    middles = [(box["x"] + box["width"] / 2 - video["x"]) / video["width"] for box in places if box]
    left, right = sorted(middles)
    assert 0.1 < left < 0.4
    assert 0.6 < right < 0.9


async def test_live_camera_keeps_nothing_until_a_face_is_enrolled(
    watching: Page, running_system: RunningSystem
) -> None:
    page = watching
    faces = await start_camera(page)
    stranger = faces.filter(has_text="Usher has not met them.").first
    kept = set(await asyncio.to_thread(crops_in, running_system))

    await stranger.get_by_role("button", name="Enrol this face").click()
    dialog = page.get_by_role("dialog", name="Enrol this face")
    await assert_picture_loads(dialog.get_by_role("img", name="The face to enrol"))
    assert set(await asyncio.to_thread(crops_in, running_system)) == kept
    await dialog.get_by_label("Who is this?").fill("Ann Veneman")
    await dialog.get_by_role("button", name="Save name").click()

    await expect(dialog).to_be_hidden(timeout=CLASSIFIED_WITHIN_MS)
    await expect(faces.filter(has_text="Ann Veneman")).to_have_attribute("data-tone", "known")
    assert len(set(await asyncio.to_thread(crops_in, running_system)) - kept) == 1
    await page.goto("/people?q=Ann")
    await page.get_by_role("link", name=re.compile("Ann Veneman")).click()
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await expect(photographs).to_have_count(1)


async def test_live_camera_adds_a_picture_to_somebody_who_is_there(watching: Page) -> None:
    page = watching
    await add_person(page, "Somebody Present")
    person_url = page.url
    faces = await start_camera(page)

    await faces.last.get_by_role("button", name="Enrol this face").click()
    dialog = page.get_by_role("dialog", name="Enrol this face")
    await dialog.get_by_label("Who is this?").fill("Somebody")
    await dialog.get_by_role("button", name="Somebody Present").click()

    await expect(dialog).to_be_hidden(timeout=CLASSIFIED_WITHIN_MS)
    await page.goto(person_url)
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await expect(photographs).to_have_count(1)


async def test_live_camera_says_what_to_do_when_it_is_refused(page: Page) -> None:
    await page.goto("/live-camera")

    await page.get_by_role("button", name="Start the camera").click()

    refusal = page.get_by_role("alert")
    await expect(refusal).to_contain_text("The camera was refused")
    await expect(refusal).to_contain_text("allow the camera, and try again")
    await expect(page.get_by_role("button", name="Try again")).to_be_visible()


async def test_live_camera_asks_for_https_where_the_address_is_not_safe(
    browser: Browser, running_system: RunningSystem
) -> None:
    address = f"http://{ELSEWHERE}:{urlsplit(running_system.url).port}"
    async with await browser.new_context(base_url=address) as elsewhere:
        page = await elsewhere.new_page()
        await sign_in(page, running_system.admin_username, running_system.admin_password)
        await page.get_by_role("link", name="Live camera").click()

        await page.get_by_role("button", name="Start the camera").click()

        await expect(page.get_by_role("alert")).to_contain_text("only over HTTPS")


async def test_live_camera_stops_when_asked_and_fits_a_phone(watching: Page) -> None:
    page = watching
    await start_camera(page)
    await page.set_viewport_size(PHONE)
    await assert_fits(page)

    await page.get_by_role("button", name="Stop the camera").click()

    await expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    await expect(page.get_by_label("What the camera shows")).to_be_hidden()


async def test_photographs_of_a_person_wait_until_they_are_alone(page: Page) -> None:
    await page.context.grant_permissions(["camera"])
    await add_person(page, "Desk Dora")
    await page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog", name="Take photographs")

    await expect(dialog.get_by_role("status")).to_contain_text(
        "only one person may be in it", timeout=CLASSIFIED_WITHIN_MS
    )
    await expect(dialog.get_by_role("button", name="Take the picture")).to_be_disabled()


def crops_in(system: RunningSystem) -> list[Path]:
    """Not the small pictures for lists, KEY.SIZE.jpg, which are made of crops on demand."""
    return [path for path in system.data.rglob("*.jpg") if path.name.count(".") == 1]
