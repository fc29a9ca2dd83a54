"""Who is who in the panel: questions, answers, what was changed, and how to take it back.

No classifier runs: what a face shows is decided by the test. The system is shared: each test
brings people of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

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
from usher.domain.records import Confidence, Role

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


async def test_drawer_keeps_a_detection_as_a_photograph_and_undo_gives_it_back(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    hanna = await add_known(page, "Hanna Hill")
    (detection,) = await see(running_system, photograph)
    await decider.recognise(hanna, [detection])
    photographs = page.get_by_role("list", name="Photographs").get_by_role("listitem")
    drawer = await open_drawer(page, detection)
    keep = drawer.get_by_role("button", name="Keep as a photograph of Hanna Hill")

    await keep.click()
    await expect(drawer.get_by_text("Confirmed by a person")).to_be_visible()
    await expect(drawer.get_by_text("Somebody said so")).to_be_visible()
    await expect(drawer.get_by_text("By likeness")).to_have_count(0)
    await expect(keep).to_have_count(0)
    await undo(page)
    await expect(keep).to_be_visible()
    await page.goto(f"/people/{hanna}?detection={detection}")
    await expect(drawer.get_by_role("heading", name="Hanna Hill")).to_be_visible()
    await expect(photographs).to_have_count(0)
    await keep.click()

    await expect(page.get_by_text("A photograph of Hanna Hill from now on.")).to_be_visible()
    await page.goto(f"/people/{hanna}")
    await expect(photographs).to_have_count(1)
    await expect(photographs).to_contain_text("From a camera")
    await assert_picture_loads(photographs.get_by_role("img"))


@pytest.mark.parametrize(
    ("confidence", "why"),
    [
        (Confidence.HIGH, "at most 1 stranger in 10,000 would be so like"),
        (Confidence.MEDIUM, "at most 1 stranger in 500 would be so like"),
        (Confidence.LOW, "look closely: more than 1 stranger in 500"),
        (None, "Not by likeness alone"),
    ],
)
async def test_drawer_says_why_somebody_is_recognised(
    page: Page,
    running_system: RunningSystem,
    decider: Decider,
    photograph: Path,
    confidence: Confidence | None,
    why: str,
) -> None:
    known = await add_known(page, f"Kim, {confidence}")
    (detection,) = await see(running_system, photograph)
    await decider.recognise(known, [detection], confidence=confidence)

    drawer = await open_drawer(page, detection)

    await expect(drawer.get_by_role("heading", name=f"Kim, {confidence}")).to_be_visible()
    await expect(drawer.get_by_text(why)).to_be_visible()


async def test_drawer_says_so_when_a_picture_is_no_photograph(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    ivan = await add_known(page, "Ivan Ivory")
    (detection,) = await see(running_system, photograph)
    await decider.recognise(ivan, [detection], is_good=False)

    drawer = await open_drawer(page, detection)

    await expect(
        drawer.get_by_text("Not good enough to be kept as a photograph of Ivan Ivory.")
    ).to_be_visible()
    await expect(drawer.get_by_role("button", name="Not Ivan Ivory")).to_be_visible()
    await expect(drawer.get_by_role("button", name="Keep as a photograph")).to_have_count(0)


async def test_drawer_tells_strangers_apart_and_ignores_one_of_them(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    detections = await see(running_system, photograph, 2)
    stranger = await decider.found_stranger(detections)
    drawer = await open_drawer(page, detections[1])
    name = drawer.get_by_role("link", name=STRANGER)
    await expect(name).to_have_text(f"Stranger {stranger}")

    await drawer.get_by_role("button", name="Not the same stranger").click()
    await expect(page.get_by_text("A stranger of their own from now on.")).to_be_visible()
    await expect(name).not_to_have_text(f"Stranger {stranger}")
    await drawer.get_by_role("button", name="Ignore this person").click()
    await expect(drawer.get_by_text("Ignored: seen, and never reported.")).to_be_visible()
    await expect(drawer.get_by_role("button", name="Stop ignoring")).to_be_visible()

    drawer = await open_drawer(page, detections[0])
    await expect(drawer.get_by_role("link", name=f"Stranger {stranger}")).to_be_visible()
    await expect(drawer.get_by_role("button", name="Ignore this person")).to_be_visible()


async def test_drawer_takes_back_that_a_picture_is_not_a_face(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    (detection,) = await see(running_system, photograph)
    await decider.found_stranger([detection])
    drawer = await open_drawer(page, detection)
    await drawer.get_by_role("button", name="Not a face").click()
    await expect(drawer.get_by_role("heading", name="Not a face")).to_be_visible()

    await drawer.get_by_role("button", name="It is a face").click()
    await drawer.get_by_label("Who is this?").fill("Paula Page")
    await drawer.get_by_role("button", name="Save name").click()

    await expect(drawer.get_by_role("link", name="Paula Page")).to_be_visible()
    await expect(drawer.get_by_role("button", name="Not a face")).to_be_visible()


async def test_drawer_says_why_a_detection_failed_where_it_lay_and_tries_again(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    (detection,) = await see(running_system, photograph)
    await decider.set_aside(detection, reason="a model of another kind")
    drawer = await open_drawer(page, detection)
    await expect(drawer.get_by_text("a model of another kind")).to_be_visible()
    frame = drawer.get_by_role("img", name="The face lay at 960, 270 in a frame of 1920 by 1080")
    await expect(frame).to_be_visible()
    # Both at one moment: the drawer may still be sliding in.
    outer, inner = await frame.evaluate(
        "svg => [svg, svg.querySelector('rect')].map((one) => one.getBoundingClientRect().toJSON())"
    )
    assert inner["x"] - outer["x"] == pytest.approx(outer["width"] / 2, abs=2)
    assert inner["y"] - outer["y"] == pytest.approx(outer["height"] / 4, abs=2)
    assert inner["width"] == pytest.approx(outer["width"] / 20, abs=2)

    await drawer.get_by_role("button", name="Try again").click()

    await expect(drawer.get_by_role("heading", name="Identifying…")).to_be_visible()
    await expect(drawer.get_by_role("button", name="Try again")).to_have_count(0)


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


async def add_with_class(page: Page, name: str, class_: str) -> str:
    """Create somebody known, of a class; their id."""
    person_id = await add_known(page, name)
    await page.get_by_role("button", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog", name=f"Edit {name}")
    await dialog.get_by_label("Class").fill(class_)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()
    return person_id


async def test_attendance_is_of_a_class_a_camera_and_a_day(
    page: Page, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    for name, class_, camera in (("Rose Reed", "staff", "gate"), ("Sara Stone", "guest", "yard")):
        person = await add_with_class(page, name, class_)
        await decider.recognise(person, await see(running_system, photograph, 1, camera))
    await page.goto("/attendance")
    rose, sara = (page.get_by_role("row", name=name) for name in ("Rose Reed", "Sara Stone"))
    await expect(rose).to_contain_text("staff")
    await expect(sara).to_contain_text("guest")

    async def shows(*rows: Locator) -> None:
        for row in (rose, sara):
            await expect(row).to_have_count(int(row in rows))

    class_ = page.get_by_role("combobox", name="Class")
    camera = page.get_by_role("combobox", name="Camera")
    await class_.select_option("staff")
    await shows(rose)
    await camera.select_option("yard")
    await expect(page.get_by_text("Nobody was seen")).to_be_visible()
    await class_.select_option("")
    await shows(sara)
    await camera.select_option("")
    await shows(rose, sara)

    day = page.get_by_role("textbox", name="Day")
    today = await day.input_value()
    await page.get_by_role("button", name="The day before").click()
    await expect(page.get_by_text("Nobody was seen")).to_be_visible()
    assert await day.input_value() < today
    await page.get_by_role("button", name="The day after").click()
    await shows(rose, sara)
    await expect(day).to_have_value(today)


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
