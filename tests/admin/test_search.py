"""Search by face, attendance, and what a person is here, in a real browser over the real system."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.async_api import Locator, Page, expect

from tests.admin.acting import (
    CLASSIFIED_WITHIN_MS,
    PHONE,
    STRANGER,
    add_person,
    assert_fits,
    assert_picture_loads,
    card_of,
    photograph_of,
    see,
    see_stranger,
    upload_photographs,
)
from tests.admin.test_accessibility import AXE, findings
from tests.running import RunningSystem
from usher.domain.identifiers import new_id
from usher.domain.records import Role
from usher.storage.database import connected

ROLE = Role.MANAGER
OFTEN = 250
"""Times that somebody was seen: three parts of a search."""
EN_DASH = "\N{EN DASH}"


async def search_for(page: Page, photograph: Path) -> Locator:
    """Search with a photograph; returns the region of the results."""
    await page.goto("/search")
    await page.get_by_label("Photograph to search for").set_input_files(photograph)
    results = page.get_by_role("region", name="Results")
    await expect(results).to_be_visible(timeout=CLASSIFIED_WITHIN_MS)
    return results


async def test_search_finds_a_stranger_who_then_gets_a_name(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Albert_Costa")
    await see_stranger(page, running_system, photograph)

    results = await search_for(page, photograph)
    await expect(results.get_by_role("status")).to_contain_text("1 time among")
    band = results.get_by_role("region", name="This face")
    card = band.get_by_role("link")
    await expect(card).to_have_count(1)
    await assert_picture_loads(card.locator("img"))
    await assert_picture_loads(page.get_by_alt_text("What is searched for"))
    who = page.get_by_role("note", name="Who this is")
    await expect(who).to_contain_text("A stranger, seen before.")

    await results.get_by_role("button", name="This is…").click()
    await results.get_by_role("button", name="Choose the sure ones").click()
    await results.get_by_role("button", name="Say who this is").click()
    dialog = page.get_by_role("dialog", name="Who is on 1 picture?")
    await dialog.get_by_label("Who is this?").fill("Albert Costa")
    await dialog.get_by_role("button", name="Save name").click()

    await expect(page.get_by_text("Usher knows Albert Costa now.")).to_be_visible()
    await expect(band.get_by_role("link")).to_have_accessible_name(re.compile("Albert Costa"))


async def test_search_says_how_many_times_a_face_was_seen_and_goes_on_to_the_last(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Vicente_Fox")
    card = await see_stranger(page, running_system, photograph)
    await repeat(running_system, await detection_of(card), OFTEN - 1)

    results = await search_for(page, photograph)
    status = results.get_by_role("status")
    await expect(status).to_contain_text(f"{OFTEN} times among")
    await expect(status).to_contain_text("100 are shown so far")
    cards = results.get_by_role("region", name="This face").get_by_role("listitem")
    for _ in range(OFTEN):
        await page.mouse.wheel(0, 800)
        if await cards.last.get_attribute("aria-posinset") == str(OFTEN):
            break
        await page.wait_for_timeout(50)

    await expect(cards.last).to_have_attribute("aria-setsize", str(OFTEN))
    await expect(status).not_to_contain_text("shown so far")
    await expect(results.get_by_role("button", name="Load more")).to_have_count(0)


async def test_search_is_narrowed_by_camera_and_days(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Adrien_Brody")
    at_the_door = await detection_of(await see_stranger(page, running_system, photograph))
    in_the_yard = await detection_of(await see(page, running_system, photograph, "yard"))
    await expect(card_of(page, in_the_yard)).to_have_accessible_name(
        STRANGER, timeout=CLASSIFIED_WITHIN_MS
    )
    results = await search_for(page, photograph)
    for one in (at_the_door, in_the_yard):
        await expect(card_of(page, one)).to_be_visible()

    await page.get_by_role("combobox", name="Camera").select_option(label="yard")

    await expect(card_of(page, in_the_yard)).to_be_visible()
    await expect(card_of(page, at_the_door)).to_have_count(0)
    await expect(results.get_by_role("status")).to_contain_text("1 time among")
    today = datetime.now().astimezone().date()
    await page.get_by_label("From").fill(str(today - timedelta(days=9)))
    await page.get_by_label("To", exact=True).fill(str(today - timedelta(days=2)))
    await expect(page.get_by_role("heading", name="Not seen")).to_be_visible()
    await page.get_by_label("To", exact=True).fill(str(today + timedelta(days=1)))
    await expect(card_of(page, in_the_yard)).to_be_visible()
    await page.get_by_label("From").fill(str(today + timedelta(days=1)))
    await expect(page.get_by_role("heading", name="Not seen")).to_be_visible()


async def detection_of(card: Locator) -> str:
    address = await card.get_attribute("href") or ""
    return address.rpartition("detection=")[2]


async def repeat(system: RunningSystem, detection_id: str, times: int) -> None:
    """Have a detection so many times more, as if they had been seen just now."""
    async with connected(system.mongodb_uri, system.database) as database:
        detections = database["detections"]
        document = await detections.find_one({"_id": detection_id})
        assert document is not None
        now = {"received_at": datetime.now(UTC)}
        await detections.insert_many(
            [
                {**document, **now, "_id": new_id(), "idempotency_key": new_id()}
                for _ in range(times)
            ]
        )


async def test_search_opens_what_was_found(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Ana_Palacio")
    await see_stranger(page, running_system, photograph)
    results = await search_for(page, photograph)

    await results.get_by_role("link").first.click()

    drawer = page.get_by_role("dialog", name="Detection")
    await expect(drawer.get_by_role("link", name=STRANGER)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(results).to_be_visible()


async def test_search_takes_a_photograph_that_is_pasted_or_dropped(
    page: Page, test_data: Path
) -> None:
    content = base64.b64encode(photograph_of(test_data, "Elsa_Zylberstein").read_bytes()).decode()
    for kind in ("paste", "drop"):
        await page.goto("/search")
        await page.get_by_role("button", name="Choose a photograph").wait_for()
        await page.evaluate(
            """([kind, content]) => {
                const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
                const carried = new DataTransfer();
                carried.items.add(new File([bytes], "photo.jpg", { type: "image/jpeg" }));
                const field = document.querySelector("[data-dragging]");
                const options = { bubbles: true, clipboardData: carried, dataTransfer: carried };
                const made = { paste: ClipboardEvent, drop: DragEvent };
                field.dispatchEvent(new made[kind](kind, options));
            }""",
            [kind, content],
        )
        picture = page.get_by_alt_text("What is searched for")
        await expect(picture).to_be_visible()
        await assert_picture_loads(picture)
        await expect(page.get_by_role("heading", name="Not seen")).to_be_visible(
            timeout=CLASSIFIED_WITHIN_MS
        )


async def test_search_says_what_is_wrong_with_a_photograph(page: Page, test_data: Path) -> None:
    await page.goto("/search")
    field = page.get_by_label("Photograph to search for")
    await field.set_input_files(test_data / "groups" / "dogs.jpg")
    await expect(page.get_by_role("alert")).to_contain_text("No face was found")


@pytest.mark.parametrize("on_phone", [False, True])
async def test_search_asks_which_face_of_several_is_meant(
    page: Page, running_system: RunningSystem, test_data: Path, tmp_path: Path, on_phone: bool
) -> None:
    group, alone = test_data / "groups" / "two_people.jpg", tmp_path / "alone.png"
    with Image.open(group) as both:
        both.crop((both.width // 2, 0, *both.size)).save(alone)
    card = await see(page, running_system, alone)
    link = str(await card.get_attribute("href", timeout=CLASSIFIED_WITHIN_MS))
    detection = parse_qs(urlsplit(link).query)["detection"][0]
    if on_phone:
        await page.set_viewport_size(PHONE)

    asked = list[str]()
    page.on("request", lambda request: asked.append(request.url))
    await page.goto("/search")
    await page.get_by_label("Photograph to search for").set_input_files(group)
    dialog = page.get_by_role("dialog", name="Which face is searched for?")
    faces = dialog.get_by_role("button", name="from the left")
    await expect(faces).to_have_count(2, timeout=CLASSIFIED_WITHIN_MS)
    assert await findings(page, AXE.read_text()) == []
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    async with page.expect_response(re.compile("/api/v1/cameras")):
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert len([url for url in asked if "/api/v1/search" in url]) == 1
    await expect(dialog).to_be_hidden()
    await page.get_by_role("button", name="Choose the face").click()
    if on_phone:
        await faces.last.click()
    else:
        await faces.first.focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")

    await expect(dialog).to_be_hidden()
    same = page.get_by_role("region", name="This face", exact=True)
    await expect(card_of(same, detection)).to_be_visible(timeout=CLASSIFIED_WITHIN_MS)
    await assert_fits(page)


async def test_person_gets_a_class_a_validity_and_managers(page: Page) -> None:
    await add_person(page, "Vera Visitor")
    await page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog", name="Edit Vera Visitor")
    await dialog.get_by_label("Class").fill("Visitor")
    await dialog.get_by_label("Valid from").fill("2026-01-01")
    await dialog.get_by_label("Valid until").fill("2026-01-31")
    await dialog.get_by_label("Managers").fill("@boss")
    await page.keyboard.press("Enter")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()

    content = page.get_by_role("main")
    await expect(content.get_by_text("visitor", exact=True)).to_be_visible()
    await expect(content.get_by_text("Not valid now")).to_be_visible()
    await expect(content.get_by_text("Valid from 1 Jan 2026 until 31 Jan 2026")).to_be_visible()
    await expect(content.get_by_text("Managers: @boss")).to_be_visible()

    await page.goto("/people")
    await page.get_by_label("Class").select_option("visitor")
    cards = page.get_by_role("list", name="Persons").get_by_role("listitem")
    await expect(cards).to_have_count(1)
    await expect(cards).to_contain_text("Vera Visitor")


async def test_attendance_and_visits_show_when_somebody_was_there(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    obama = test_data / "enrol" / "barack-obama"
    await add_person(page, "Barack Obama")
    persons_page = page.url
    await upload_photographs(page, obama / "1.jpg")
    card = await see(page, running_system, obama / "2.jpg", camera_id="gate")
    await expect(card).to_have_accessible_name(
        re.compile("^Barack Obama "), timeout=CLASSIFIED_WITHIN_MS
    )

    await page.get_by_role("navigation").get_by_role("link", name="Attendance").click()
    row = page.get_by_role("row", name="Barack Obama")
    await expect(row).to_be_visible()
    await expect(row.get_by_role("cell").last).to_have_text("1")
    await page.get_by_text("Week", exact=True).click()
    await expect(page.get_by_role("row", name="Barack Obama")).to_contain_text(EN_DASH)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download as CSV").click()
    table = await (await downloading.value).path()
    content = await asyncio.to_thread(table.read_text, "utf-8-sig")
    assert "Barack Obama" in content
    assert content.startswith("day,name,id,class,first seen")

    await page.goto(persons_page)
    await page.get_by_role("tab", name="Visits").click()
    visits = page.get_by_role("region", name="Visits", exact=True).get_by_role("listitem")
    await expect(visits).to_have_count(1)
    await expect(visits).to_contain_text("gate")
    await assert_picture_loads(visits.locator("img"))


async def test_export_gives_a_person_all_that_is_known(page: Page) -> None:
    await add_person(page, "Edith Export")
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Export").click()
    path = await (await downloading.value).path()
    content = await asyncio.to_thread(path.read_bytes)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert json.loads(archive.read("person.json"))["name"] == "Edith Export"


@pytest.mark.parametrize("path", ["/search", "/attendance", "/attendance?span=week"])
async def test_new_page_fits_a_phone(
    page: Page, running_system: RunningSystem, test_data: Path, path: str
) -> None:
    photograph = photograph_of(test_data, "Gwyneth_Paltrow")
    await see_stranger(page, running_system, photograph)
    await page.set_viewport_size(PHONE)
    await page.goto(path)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    if path == "/search":
        await page.get_by_label("Photograph to search for").set_input_files(photograph)
        await expect(page.get_by_role("region", name="Results")).to_be_visible()
        await page.get_by_role("button", name="This is…").click()
    await page.wait_for_load_state("load")
    await assert_fits(page)
