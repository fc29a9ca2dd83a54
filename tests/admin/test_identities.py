"""Who is who in the panel: questions, answers, what was changed, and how to take it back.

The system is shared: each test brings people of its own.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Locator, Page, expect

from tests.admin.acting import (
    CLASSIFIED_WITHIN_MS,
    PHONE,
    STRANGER,
    add_person,
    assert_picture_loads,
    open_person,
    overflow_px,
    photograph_of,
    see_stranger,
    upload_photographs,
)
from tests.running import RunningSystem
from usher.storage.database import connected

MANY = 20


def id_of(card: str | None) -> str:
    """The detection that the address of a card names."""
    (detection_id,) = parse_qs(urlsplit(card or "").query)["detection"]
    return detection_id


async def suppose(running_system: RunningSystem, detection_id: str, person_id: str) -> None:
    """Have a detection probably show somebody known, whatever a face's likeness would say."""
    async with connected(running_system.mongodb_uri, running_system.database) as database:
        found = await database["detections"].update_one(
            {"_id": detection_id}, {"$set": {"candidate_id": person_id}}
        )
        assert found.matched_count == 1


async def ask(page: Page, running_system: RunningSystem, photograph: Path, name: str) -> str:
    """Have Usher ask whether a stranger is somebody known; returns the detection."""
    card = await see_stranger(page, running_system, photograph)
    detection_id = id_of(await card.get_attribute("href"))
    await add_person(page, name)
    await suppose(running_system, detection_id, page.url.rsplit("/", 1)[-1])
    return detection_id


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


async def open_history(page: Page) -> Locator:
    await page.get_by_role("tab", name="History").click()
    return page.get_by_role("list", name="History").get_by_role("listitem")


async def see_twice(page: Page, running_system: RunningSystem, photograph: Path, name: str) -> None:
    """Have a camera see somebody twice, name them, and stay on their page."""
    card = await see_stranger(page, running_system, photograph)
    await asyncio.to_thread(running_system.upload, photograph, "back-door")
    await expect(page.get_by_role("link", name=re.compile("p-.*back-door"))).to_be_visible(
        timeout=CLASSIFIED_WITHIN_MS
    )
    await open_person(page, card)
    await page.get_by_label("Who is this?").fill(name)
    await page.get_by_role("button", name="Save name").click()
    await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def detections_on(page: Page) -> Locator:
    return page.get_by_role("region", name="Detections").get_by_role("link")


async def test_review_takes_yes_by_key_and_asks_again_after_undo(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    await ask(page, running_system, photograph_of(test_data, "Alex_Corretja"), "Alex Corretja")
    await turn_to(page, "Alex Corretja")

    await page.keyboard.press("y")

    await expect(page.get_by_text("This is Alex Corretja.")).to_be_visible()
    await expect(question_about(page, "Alex Corretja")).to_be_hidden()
    await page.keyboard.press("Control+z")
    await expect(page.get_by_text("Taken back.")).to_be_visible()
    await turn_to(page, "Alex Corretja")


async def test_review_remembers_no_by_key(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    detection = await ask(
        page, running_system, photograph_of(test_data, "Barbara_Becker"), "Billy Crawford"
    )
    await turn_to(page, "Billy Crawford")

    await page.keyboard.press("n")

    await expect(page.get_by_text("This is not Billy Crawford.")).to_be_visible()
    await page.goto(f"/?detection={detection}")
    drawer = page.get_by_role("dialog", name="Detection")
    await expect(drawer.get_by_role("heading", name=STRANGER)).to_be_visible()
    await expect(question_about(page, "Billy Crawford")).to_be_hidden()


async def test_review_takes_a_name_for_somebody_else(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    detection = await ask(
        page, running_system, photograph_of(test_data, "Cecilia_Chang"), "Elizabeth Pena"
    )
    await turn_to(page, "Elizabeth Pena")

    await page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Somebody else")
    await dialog.get_by_label("Who is this?").fill("Cecilia Chang")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Usher knows Cecilia Chang now.")).to_be_visible()
    await expect(dialog).to_be_hidden()
    await page.goto(f"/?detection={detection}")
    await expect(page.get_by_role("heading", name="Cecilia Chang", level=2)).to_be_visible()


async def test_review_shows_both_pictures_and_fits_a_phone(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Bruce_Gebhardt")
    await ask(page, running_system, photograph, "Donald Rumsfeld")
    await upload_photographs(page, photograph_of(test_data, "Donald_Rumsfeld"))
    await page.set_viewport_size(PHONE)

    await turn_to(page, "Donald Rumsfeld")

    question = page.get_by_role("region", name="Question")
    await assert_picture_loads(question.get_by_role("img", name="Seen at front-door"))
    await assert_picture_loads(question.get_by_role("img", name="Donald Rumsfeld, added"))
    assert await overflow_px(page) <= 0


async def test_drawer_asks_about_the_candidate_and_takes_yes(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    detection = await ask(
        page, running_system, photograph_of(test_data, "Fabiola_Zuluaga"), "Fabiola Zuluaga"
    )
    await page.goto(f"/?detection={detection}")
    drawer = page.get_by_role("dialog", name="Detection")
    await expect(question_about(page, "Fabiola Zuluaga")).to_be_visible()

    await drawer.get_by_role("button", name="Yes").click()

    await expect(drawer.get_by_role("heading", name="Fabiola Zuluaga", level=2)).to_be_visible()
    await expect(question_about(page, "Fabiola Zuluaga")).to_be_hidden()


async def test_drawer_says_confirmed_and_takes_not_this_person(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    await add_person(page, "Jesse James")
    card = await see_stranger(page, running_system, photograph_of(test_data, "Ibrahim_Haddad"))
    await card.click()
    drawer = page.get_by_role("dialog", name="Detection")
    await drawer.get_by_label("Who is this?").fill("Ibrahim Haddad")
    await drawer.get_by_role("button", name="Save name").click()
    await drawer.get_by_role("button", name="This is somebody else").click()
    await drawer.get_by_role("button", name="Jesse James").click()
    await expect(drawer.get_by_role("heading", name="Jesse James")).to_be_visible()
    await expect(drawer.get_by_text("Confirmed by a person")).to_be_visible()

    await drawer.get_by_role("button", name="Not Jesse James").click()

    await expect(drawer.get_by_role("heading", name=STRANGER)).to_be_visible(
        timeout=CLASSIFIED_WITHIN_MS
    )


async def test_merge_is_undone_from_its_notification(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    card = await see_stranger(page, running_system, photograph_of(test_data, "Samuel_Waksal"))
    stranger = await open_person(page, card)
    strangers_page = page.url
    await add_person(page, "Samuel Waksal")
    await page.get_by_role("button", name="Merge").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("Strangers", exact=True).click()
    await dialog.get_by_role("button", name=stranger).click()
    await dialog.get_by_role("button", name="Merge into Samuel Waksal").click()
    await expect(detections_on(page)).to_have_count(1)

    await page.get_by_role("button", name="Undo", exact=True).click()

    await expect(detections_on(page)).to_have_count(0)
    await page.goto(strangers_page)
    await expect(page.get_by_role("heading", name=stranger, level=1)).to_be_visible()
    await expect(detections_on(page)).to_have_count(1)


async def test_history_says_what_was_changed_and_takes_it_back(
    page: Page, running_system: RunningSystem
) -> None:
    await add_person(page, "Keith Lockhart")
    await page.get_by_role("button", name="Ignore").click()
    await expect(page.get_by_role("button", name="Stop ignoring")).to_be_visible()

    changes = await open_history(page)
    await expect(changes).to_have_count(1)
    await expect(changes).to_contain_text("Keith Lockhart")
    await expect(changes).to_contain_text(f"{running_system.admin_username}, just now")
    await changes.get_by_role("button", name="Undo").click()

    await expect(changes).to_contain_text(f"Taken back by {running_system.admin_username}")
    await expect(changes.get_by_role("button", name="Undo")).to_be_hidden()
    await expect(page.get_by_role("button", name="Ignore", exact=True)).to_be_visible()


async def test_history_says_why_a_change_cannot_be_taken_back_before_a_later_one(
    page: Page,
) -> None:
    await add_person(page, "Lily Tomlin")
    await page.get_by_role("button", name="Ignore").click()
    await page.get_by_role("button", name="Stop ignoring").click()
    await expect(page.get_by_role("button", name="Ignore", exact=True)).to_be_visible()
    changes = await open_history(page)
    await expect(changes).to_have_count(2)

    await changes.last.get_by_role("button", name="Undo").click()

    await expect(page.get_by_text("That did not work")).to_be_visible()
    await expect(page.get_by_text(re.compile("later", re.IGNORECASE))).to_be_visible()


async def test_split_gives_chosen_detections_to_a_new_stranger_and_is_undone(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Malcolm_Wild")
    await see_twice(page, running_system, photograph, "Malcolm Wild")
    await expect(detections_on(page)).to_have_count(2)

    await page.get_by_role("button", name="Some are not Malcolm Wild").click()
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="These are somebody else's").click()
    await page.get_by_role("dialog").get_by_role("button", name="A new stranger").click()

    await expect(page.get_by_text("Given to a new stranger: 1 picture.")).to_be_visible()
    await expect(detections_on(page)).to_have_count(1)
    await page.get_by_role("button", name="Undo", exact=True).click()
    await expect(detections_on(page)).to_have_count(2)


async def test_split_gives_chosen_detections_to_somebody_known(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    await add_person(page, "Paul Schrader")
    photograph = photograph_of(test_data, "Phillip_Fulmer")
    await see_twice(page, running_system, photograph, "Phillip Fulmer")

    await page.get_by_role("button", name="Some are not Phillip Fulmer").click()
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="These are somebody else's").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Search by name or ID").fill("Paul")
    await dialog.get_by_role("button", name="Paul Schrader").click()

    await expect(detections_on(page)).to_have_count(1)
    changes = await open_history(page)
    await expect(changes.first).to_contain_text(
        "Moved 1 picture from Phillip Fulmer to Paul Schrader"
    )


async def test_identity_page_says_how_well_people_are_known_and_what_is_missing(
    page: Page, test_data: Path
) -> None:
    await add_person(page, "Rob Niedermayer")
    await upload_photographs(page, photograph_of(test_data, "Rob_Niedermayer"))

    await page.get_by_role("navigation").get_by_role("link", name="Identity").click()

    await expect(page.get_by_role("heading", name="How well Usher knows people")).to_be_visible()
    findings = page.get_by_role("region", name="How often it is wrong")
    await expect(findings).to_contain_text(re.compile(r"strangers to be called by a name"))
    too_few = page.get_by_role("list", name="Too few photographs")
    await too_few.get_by_role("link", name="Add photographs of Rob Niedermayer").click()
    await expect(page.get_by_role("heading", name="Rob Niedermayer", level=1)).to_be_visible()
