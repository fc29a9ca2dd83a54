"""Who is who in the panel: questions, answers, what was changed, and how to take it back.

No classifier runs: what a face shows is decided by the test. The system is shared: each test
brings people of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import Page, expect

from tests.admin.acting import (
    PHONE,
    STRANGER,
    assert_fits,
    assert_picture_loads,
    photograph_of,
    upload_photographs,
    username_of,
)
from tests.admin.deciding import (
    Decider,
    add_known,
    detections_on,
    open_drawer,
    open_history,
    question_about,
    see,
    turn_to,
    undo,
)
from tests.running import RunningSystem
from usher.domain.records import Role

ROLE = Role.MANAGER
CLASSIFIES = False


async def test_review_merges_all_of_a_stranger_on_yes_by_key_and_asks_again_after_undo(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    alice = await add_known(page, "Alice Archer")
    await decider.found_stranger(await see(running_system, photograph, 2), candidate_id=alice)
    await turn_to(page, "Alice Archer")
    await expect(page.get_by_text("gives all that was seen of this stranger")).to_contain_text(
        "2 pictures"
    )

    await page.keyboard.press("y")

    await expect(page.get_by_text("This is Alice Archer.")).to_be_visible()
    await expect(question_about(page, "Alice Archer")).to_be_hidden()
    await page.keyboard.press("Control+z")
    await expect(page.get_by_text("Undone.")).to_be_visible()
    await turn_to(page, "Alice Archer")
    await page.goto(f"/people/{alice}")
    await expect(page.get_by_text("No camera has seen Alice Archer yet.")).to_be_visible()


async def test_review_asks_no_more_when_the_key_says_no(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    bella = await add_known(page, "Bella Baker")
    detections = await see(running_system, photograph, 2)
    await decider.found_stranger(detections, candidate_id=bella)
    await turn_to(page, "Bella Baker")

    await page.keyboard.press("n")

    await expect(page.get_by_text("This is not Bella Baker.")).to_be_visible()
    for detection in detections:
        drawer = await open_drawer(page, detection)
        await expect(drawer.get_by_role("heading", name=STRANGER)).to_be_visible()
        await expect(question_about(page, "Bella Baker")).to_be_hidden()


async def test_review_takes_a_name_by_key_and_undo_takes_all_of_it_back(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    clara = await add_known(page, "Clara Cook")
    (detection,) = await see(running_system, photograph)
    await decider.leave_open(detection, candidate_id=clara)
    await turn_to(page, "Clara Cook")

    await page.keyboard.press("a")
    dialog = page.get_by_role("dialog", name="Somebody else")
    await expect(dialog.get_by_label("Who is this?")).to_be_focused()
    await page.keyboard.type("Nancy Young")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("Usher knows Nancy Young now.")).to_be_visible()
    await expect(dialog).to_be_hidden()
    await undo(page)
    await turn_to(page, "Clara Cook")
    await page.goto("/people?q=Nancy")
    await expect(page.get_by_text("Nobody is called “Nancy”.")).to_be_visible()


async def test_review_ignores_a_stranger_by_key(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    dora = await add_known(page, "Dora Dean")
    stranger = await decider.found_stranger(
        await see(running_system, photograph), candidate_id=dora
    )
    await turn_to(page, "Dora Dean")

    await page.keyboard.press("i")

    await expect(page.get_by_text("Ignored from now on.")).to_be_visible()
    await expect(question_about(page, "Dora Dean")).to_be_hidden()
    await page.goto(f"/people/{stranger}")
    await expect(page.get_by_role("button", name="Stop ignoring")).to_be_visible()


async def test_review_shows_both_pictures_and_fits_a_phone(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path, test_data: Path
) -> None:
    emma = await add_known(page, "Emma Ellis")
    await upload_photographs(page, photograph_of(test_data, "Donald_Rumsfeld"))
    await decider.found_stranger(await see(running_system, photograph, 2), candidate_id=emma)
    await page.set_viewport_size(PHONE)

    await turn_to(page, "Emma Ellis")

    question = page.get_by_role("region", name="Question")
    await assert_picture_loads(question.get_by_role("img", name="Seen at front-door").first)
    await assert_picture_loads(question.get_by_role("img", name="Emma Ellis, added"))
    await assert_fits(page)


async def test_drawer_asks_about_the_candidate_and_takes_yes(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    flora = await add_known(page, "Flora Ford")
    (detection,) = await see(running_system, photograph)
    await decider.leave_open(detection, candidate_id=flora)
    drawer = await open_drawer(page, detection)
    await expect(question_about(page, "Flora Ford")).to_be_visible()

    await drawer.get_by_role("button", name="Yes").click()

    await expect(drawer.get_by_role("heading", name="Flora Ford", level=2)).to_be_visible()
    await expect(drawer.get_by_text("Confirmed by a person")).to_be_visible()
    await expect(question_about(page, "Flora Ford")).to_be_hidden()


async def test_drawer_has_a_detection_decided_again_when_it_is_not_that_person(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    grace = await add_known(page, "Grace Green")
    (detection,) = await see(running_system, photograph)
    await decider.recognise(grace, [detection])
    drawer = await open_drawer(page, detection)

    await drawer.get_by_role("button", name="Not Grace Green").click()

    await expect(drawer.get_by_role("heading", name="Identifying…")).to_be_visible()
    await undo(page)
    await expect(drawer.get_by_role("heading", name="Grace Green")).to_be_visible()


async def test_merge_is_undone_from_its_notification(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    stranger = await decider.found_stranger(await see(running_system, photograph))
    await add_known(page, "Helen Hall")
    await page.get_by_role("button", name="Merge").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("Strangers", exact=True).click()
    await dialog.get_by_role("button", name=stranger).click()
    await dialog.get_by_role("button", name="Merge into Helen Hall").click()
    await expect(detections_on(page)).to_have_count(1)

    await undo(page)

    await expect(detections_on(page)).to_have_count(0)
    await page.goto(f"/people/{stranger}")
    await expect(page.get_by_role("heading", name=STRANGER, level=1)).to_be_visible()
    await expect(detections_on(page)).to_have_count(1)


async def test_history_says_who_did_what_and_takes_it_back(page: Page) -> None:
    username = await username_of(page)
    await add_known(page, "Irene Innes")
    await page.get_by_role("button", name="Ignore").click()
    await expect(page.get_by_role("button", name="Stop ignoring")).to_be_visible()

    changes = await open_history(page)
    await expect(changes).to_have_count(1)
    await expect(changes).to_contain_text("Irene Innes")
    await expect(changes).to_contain_text(f"{username}, just now")
    await changes.get_by_role("button", name="Undo").click()

    await expect(changes).to_contain_text(f"Undone by {username}")
    await expect(changes.get_by_role("button", name="Undo")).to_be_hidden()
    await expect(page.get_by_role("button", name="Ignore", exact=True)).to_be_visible()


async def test_history_says_why_a_change_has_to_wait_for_a_later_one(page: Page) -> None:
    await add_known(page, "Judy Jones")
    await page.get_by_role("button", name="Ignore").click()
    await page.get_by_role("button", name="Stop ignoring").click()
    await expect(page.get_by_role("button", name="Ignore", exact=True)).to_be_visible()
    changes = await open_history(page)
    await expect(changes).to_have_count(2)

    await changes.last.get_by_role("button", name="Undo").click()

    refusal = page.get_by_role("alert").filter(has_text="That did not work")
    await expect(refusal).to_contain_text(re.compile("later change", re.IGNORECASE))


async def test_split_gives_chosen_detections_to_a_new_stranger_and_is_undone(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    kate = await add_known(page, "Kate King")
    await decider.recognise(kate, await see(running_system, photograph, 2))
    await page.reload()
    await expect(detections_on(page)).to_have_count(2)

    await page.get_by_role("button", name="Some are not Kate King").click()
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="These are somebody else's").click()
    await page.get_by_role("dialog").get_by_role("button", name="A new stranger").click()

    await expect(page.get_by_text("Given to a new stranger: 1 picture.")).to_be_visible()
    await expect(detections_on(page)).to_have_count(1)
    await undo(page)
    await expect(detections_on(page)).to_have_count(2)


async def test_split_gives_chosen_detections_to_somebody_known_and_history_says_so(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    await add_known(page, "Mary Mason")
    lucy = await add_known(page, "Lucy Lane")
    await decider.recognise(lucy, await see(running_system, photograph, 2))
    await page.reload()

    await page.get_by_role("button", name="Some are not Lucy Lane").click()
    await page.get_by_role("checkbox").first.check()
    await page.get_by_role("button", name="These are somebody else's").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Search by name or ID").fill("Mary")
    await dialog.get_by_role("button", name="Mary Mason").click()

    await expect(detections_on(page)).to_have_count(1)
    changes = await open_history(page)
    await expect(changes).to_contain_text("Moved 1 picture from Lucy Lane to Mary Mason")


async def test_identity_page_says_how_sure_it_is_and_who_lacks_photographs(
    page: Page, photograph: Path
) -> None:
    await add_known(page, "Olive Owen")
    await upload_photographs(page, photograph)

    await page.get_by_role("navigation").get_by_role("link", name="Identity").click()

    await expect(page.get_by_role("heading", name="How well Usher knows people")).to_be_visible()
    findings = page.get_by_role("region", name="How often it is wrong")
    await expect(findings).to_contain_text("of strangers would be called by a name")
    await expect(findings).to_contain_text("No estimate yet. It takes twenty people")
    too_few = page.get_by_role("list", name="Too few photographs")
    await too_few.get_by_role("link", name="Add photographs of Olive Owen").click()
    await expect(page.get_by_role("heading", name="Olive Owen", level=1)).to_be_visible()


async def test_snooze_is_shown_on_the_persons_page_and_ended_there(page: Page) -> None:
    person = await add_known(page, "Nora Nap")
    address = f"/api/v1/persons/{person}"
    session = await (await page.request.get("/api/v1/session")).json()
    snoozed = await page.request.patch(
        address,
        data={"snoozed_until": "2100-01-02T12:00:00Z"},
        headers={"X-CSRF-Token": session["csrf_token"]},
    )
    assert snoozed.ok
    await page.reload()
    words = page.get_by_text("Snoozed until 2 Jan 2100")
    await expect(words).to_be_visible()

    await page.get_by_role("button", name="End it").click()

    await expect(page.get_by_text("Not snoozed any more")).to_be_visible()
    await expect(words).to_be_hidden()
    assert (await (await page.request.get(address)).json())["snoozed_until"] is None
