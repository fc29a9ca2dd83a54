"""Review by key: strangers one after the other, and several at once.

No classifier runs: what a face shows is decided by the test. The system is shared: each test
brings people of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.admin.acting import PHONE, assert_fits, assert_picture_loads
from tests.admin.deciding import (
    MANY,
    Decider,
    add_known,
    detections_on,
    open_drawer,
    question_about,
    see,
    turn_to,
    undo,
)
from tests.running import RunningSystem
from usher.domain.records import Role

ROLE = Role.MANAGER
CLASSIFIES = False


async def turn_to_stranger(page: Page, person_id: str) -> Locator:
    """Skip by key until a stranger is on the screen; returns what says who it is."""
    await page.goto("/review?queue=strangers")
    await expect(page.get_by_role("heading", name="Who is this?")).to_be_visible()
    name = page.get_by_role("link", name=f"Stranger {person_id}")
    for _ in range(MANY):
        if await name.is_visible():
            return name
        await page.keyboard.press("ArrowRight")
    raise AssertionError(f"nobody asks about {person_id}")


async def choose(page: Page, *names: str) -> None:
    for name in names:
        await page.get_by_role("checkbox", name=name).check()


async def test_review_names_a_stranger_by_key_and_u_takes_it_back(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    stranger = await decider.found_stranger(await see(running_system, photograph, 2))
    shown = await turn_to_stranger(page, stranger)
    pictures = page.get_by_role("region", name="Stranger").get_by_role("img")
    await assert_picture_loads(pictures.first)

    await page.keyboard.press("n")
    dialog = page.get_by_role("dialog", name="Who is this?")
    await expect(dialog.get_by_label("Who is this?")).to_be_focused()
    await page.keyboard.type("Fanny Finsy")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Usher knows Fanny Finsy now.")).to_be_visible()
    await expect(shown).to_be_hidden()
    await page.keyboard.press("u")
    await expect(page.get_by_text("Undone.")).to_be_visible()
    await turn_to_stranger(page, stranger)


async def test_review_says_by_key_that_a_stranger_is_the_same_as_somebody(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    await add_known(page, "Same Sara")
    sara = page.url
    stranger = await decider.found_stranger(await see(running_system, photograph, 2))
    shown = await turn_to_stranger(page, stranger)

    await page.keyboard.press("s")
    dialog = page.get_by_role("dialog", name="Who is this?")
    await expect(dialog.get_by_label("Who is this?")).to_be_focused()
    await page.keyboard.type("Same")
    choice = dialog.get_by_role("button", name="Same Sara")
    await expect(choice).to_be_visible()
    await choice.press("Enter")

    await expect(page.get_by_text("This is Same Sara.")).to_be_visible()
    await expect(shown).to_be_hidden()
    await page.goto(sara)
    await expect(detections_on(page)).to_have_count(2)


async def test_review_ignores_a_stranger_of_the_queue_by_key(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    stranger = await decider.found_stranger(await see(running_system, photograph))
    shown = await turn_to_stranger(page, stranger)

    await page.keyboard.press("i")

    await expect(page.get_by_text("Ignored from now on.")).to_be_visible()
    await expect(shown).to_be_hidden()


async def test_review_takes_pictures_out_that_show_no_face(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    detections = await see(running_system, photograph, 2)
    stranger = await decider.found_stranger(detections)
    shown = await turn_to_stranger(page, stranger)

    await page.keyboard.press("f")

    await expect(page.get_by_text("Taken out: not a face.")).to_be_visible()
    await expect(shown).to_be_hidden()
    for detection in detections:
        drawer = await open_drawer(page, detection)
        await expect(drawer.get_by_role("heading", name="Not a face")).to_be_visible()


async def test_review_takes_the_picture_of_a_question_out_by_key(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    gina = await add_known(page, "Gina Gray")
    (detection,) = await see(running_system, photograph)
    await decider.leave_open(detection, candidate_id=gina)
    await turn_to(page, "Gina Gray")

    await page.keyboard.press("f")

    await expect(page.get_by_text("Taken out: not a face.")).to_be_visible()
    await expect(question_about(page, "Gina Gray")).to_be_hidden()
    await undo(page)
    await turn_to(page, "Gina Gray")


async def test_review_makes_several_strangers_one_person_with_a_name(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    one = await decider.found_stranger(await see(running_system, photograph))
    other = await decider.found_stranger(await see(running_system, photograph))
    await page.goto("/review?queue=strangers&several")
    await choose(page, one, other)
    await expect(page.get_by_text("2 chosen")).to_be_visible()

    await page.keyboard.press("n")
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("All 2 become one person")
    await page.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'i', bubbles: true}))"
    )
    await expect(dialog.get_by_label("Who is this?")).to_be_focused()
    await page.keyboard.type("Twice Tina")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Usher knows Twice Tina now.")).to_be_visible()
    await expect(page.get_by_role("checkbox", name=one)).to_be_hidden()
    await expect(page.get_by_role("checkbox", name=other)).to_be_hidden()
    await page.goto("/people?q=Twice")
    await expect(page.get_by_role("link", name=re.compile("Twice Tina"))).to_contain_text(
        "2 sightings"
    )


async def test_review_takes_back_what_was_answered_to_several(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    one = await decider.found_stranger(await see(running_system, photograph))
    other = await decider.found_stranger(await see(running_system, photograph))
    await page.goto("/review?queue=strangers")
    await page.get_by_role("switch", name="Several at once").click()
    await choose(page, one, other)

    await page.keyboard.press("i")
    await expect(page.get_by_role("checkbox", name=one)).to_be_hidden()
    await expect(page.get_by_role("checkbox", name=other)).to_be_hidden()
    await undo(page)

    await expect(page.get_by_role("checkbox", name=one)).to_be_visible()
    await expect(page.get_by_role("checkbox", name=other)).to_be_visible()


async def test_review_answers_yes_to_several_questions(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    pages = []
    for name in ("Vera Vale", "Wilma West"):
        person = await add_known(page, name)
        pages.append(page.url)
        await decider.found_stranger(await see(running_system, photograph), candidate_id=person)
    await page.goto("/review?several")
    await choose(page, "Vera Vale?", "Wilma West?")

    await page.get_by_role("button", name="Yes").click()

    await expect(page.get_by_text("2 questions answered.")).to_be_visible()
    for url in pages:
        await page.goto(url)
        await expect(detections_on(page)).to_have_count(1)


async def test_review_of_several_says_what_keys_do_and_fits_a_phone(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    stranger = await decider.found_stranger(await see(running_system, photograph))
    await page.goto("/review?queue=strangers&several")
    await expect(page.get_by_role("checkbox", name=stranger)).to_be_visible()
    await expect(page.get_by_role("button", name="Name")).to_be_disabled()
    await expect(page.get_by_text("to take the last answer back")).to_be_visible()

    await page.set_viewport_size(PHONE)

    await assert_fits(page)
