"""The admin panel in a real browser, over the real system.

The system is shared and keeps what earlier tests did: each test brings people of its own.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, Route, expect

from services.notifier.messages import link_to
from tests.admin.acting import (
    CLASSIFIED_WITHIN_MS,
    PHONE,
    SHOWN_WITHIN_MS,
    STRANGER,
    add_person,
    assert_fits,
    assert_picture_loads,
    card_of,
    open_person,
    photograph_of,
    see,
    see_stranger,
    sign_in,
    upload_photographs,
    wait_until_connected,
)
from tests.filming import film, frames_in
from tests.running import RunningSystem
from usher.domain.records import Role

ROLE = Role.MANAGER


async def test_sign_in_shows_an_error_when_the_password_is_wrong(
    context: BrowserContext, running_system: RunningSystem
) -> None:
    page = await context.new_page()

    await sign_in(page, running_system.admin_username, "not the password")

    await expect(page.get_by_role("alert")).to_contain_text(re.compile("password", re.IGNORECASE))
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_sign_in_enters_and_sign_out_leaves(page: Page) -> None:
    await page.reload()
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()

    await page.get_by_role("button", name=re.compile("^Account: ")).click()
    await page.get_by_role("menuitem", name="Sign out").click()

    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()


async def test_notes_are_written_with_a_new_person_and_changed(page: Page) -> None:
    await page.goto("/people")
    await page.get_by_role("button", name="Add person").click()
    dialog = page.get_by_role("dialog", name="Add person")
    await dialog.get_by_label("Name", exact=True).fill("Nora Noted")
    await dialog.get_by_label("Notes").fill("Has the keys.\nComes on Mondays.")
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_text("Has the keys. Comes on Mondays.")).to_be_visible()

    await page.get_by_role("button", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog", name="Edit Nora Noted")
    await expect(dialog.get_by_label("Notes")).to_have_value("Has the keys.\nComes on Mondays.")
    await dialog.get_by_label("Notes").fill("Gave the keys back.")
    await dialog.get_by_role("button", name="Save").click()

    await expect(dialog).to_be_hidden()
    await expect(page.get_by_text("Gave the keys back.")).to_be_visible()
    await expect(page.get_by_text("Has the keys.")).to_have_count(0)


async def test_upload_enrols_a_person_and_says_which_file_was_refused(
    page: Page, test_data: Path
) -> None:
    await add_person(page, "Joe Biden")

    results = await upload_photographs(
        page, test_data / "enrol" / "joe-biden" / "1.jpg", test_data / "groups" / "dogs.jpg"
    )

    await expect(results.nth(0)).to_contain_text("Added")
    await expect(results.nth(1)).to_contain_text(re.compile("face", re.IGNORECASE))
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await expect(photographs).to_have_count(1)
    await assert_picture_loads(photographs)


async def test_photograph_is_there_once_when_it_is_sent_again_after_a_lost_answer(
    page: Page, test_data: Path
) -> None:
    await add_person(page, "Elsa Zylberstein")
    photograph = photograph_of(test_data, "Elsa_Zylberstein")

    async def lose_the_answer(route: Route) -> None:
        if route.request.method == "POST":
            await route.fulfill(response=await route.fetch(), body="")
        else:
            await route.continue_()

    await page.route("**/faces", lose_the_answer)
    await upload_photographs(page, photograph)
    await page.unroute("**/faces")
    results = await upload_photographs(page, photograph)

    await expect(results).to_contain_text("Added")
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await expect(photographs).to_have_count(1)
    await upload_photographs(page, photograph)
    await expect(photographs).to_have_count(2)


async def test_video_gives_photographs_of_its_person(
    page: Page, test_data: Path, tmp_path: Path
) -> None:
    man = test_data / "videos" / "head-pose-face-detection-male.gif"
    film(tmp_path / "man.mp4", frames_in(man))
    await add_person(page, "Man Who Turns")

    results = await upload_photographs(page, tmp_path / "man.mp4")

    await expect(results).to_contain_text(re.compile(r"Added [2-8] photographs of it\."))
    photographs = page.get_by_role("list", name="Photographs").get_by_role("img")
    await assert_picture_loads(photographs.nth(1))


async def test_known_person_is_called_by_name_when_a_camera_sees_them(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    obama = test_data / "enrol" / "barack-obama"
    await add_person(page, "Barack Obama")
    await upload_photographs(page, obama / "1.jpg")

    card = await see(page, running_system, obama / "2.jpg")

    await expect(card).to_have_accessible_name(
        re.compile("^Barack Obama .*front-door"), timeout=CLASSIFIED_WITHIN_MS
    )


async def test_detection_appears_without_a_reload(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Ann_Veneman")

    card = await see(page, running_system, photograph, camera_id="car-park")

    await expect(card).to_be_visible(timeout=SHOWN_WITHIN_MS)
    await expect(card).to_contain_text("car-park")
    await assert_picture_loads(card.locator("img"))


async def test_list_catches_up_when_events_were_missed(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    await page.route("**/api/v1/events", lambda route: route.fulfill(status=404))
    await page.goto("/detections")
    await expect(page.get_by_role("status").get_by_text("Connecting")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    photograph = photograph_of(test_data, "Winona_Ryder")
    detection = await asyncio.to_thread(running_system.upload, photograph, "front-door")
    await expect(card_of(page, detection)).to_have_count(0)

    await page.unroute("**/api/v1/events")

    await expect(card_of(page, detection)).to_be_visible()


async def test_stranger_becomes_known_when_named_in_the_drawer(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    card = await see_stranger(
        page, running_system, test_data / "enrol" / "lin-manuel-miranda" / "1.png"
    )
    await card.click()
    drawer = page.get_by_role("dialog", name="Detection")

    await drawer.get_by_label("Who is this?").fill("Lin-Manuel Miranda")
    await drawer.get_by_role("button", name="Save name").click()

    await expect(drawer.get_by_role("heading", name="Lin-Manuel Miranda")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(drawer).to_be_hidden()
    await expect(card).to_have_accessible_name(re.compile("^Lin-Manuel Miranda "))
    await expect(card).to_be_focused()


async def test_link_of_an_alert_leads_to_the_person(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    await see_stranger(page, running_system, photograph_of(test_data, "Laura_Linney"))
    alert = (await asyncio.to_thread(running_system.admin.alerts)).items[0]
    assert alert.person is not None

    await page.goto(link_to(running_system.url, alert.person))

    heading = page.get_by_role("heading", name=f"Stranger {alert.person.id}", level=1)
    await expect(heading).to_be_visible()


async def test_one_detection_is_given_to_somebody_else(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    card = await see_stranger(page, running_system, photograph_of(test_data, "Allyson_Felix"))
    await card.click()
    drawer = page.get_by_role("dialog", name="Detection")
    await drawer.get_by_label("Who is this?").fill("Wrong Name")
    await drawer.get_by_role("button", name="Save name").click()
    await expect(drawer.get_by_role("heading", name="Wrong Name")).to_be_visible()

    await drawer.get_by_role("button", name="This is somebody else").click()
    await drawer.get_by_label("Who is this?").fill("Allyson Felix")
    await drawer.get_by_role("button", name="Save name").click()

    await expect(drawer.get_by_role("heading", name="Allyson Felix")).to_be_visible()
    await expect(drawer.get_by_label("Who is this?")).to_be_hidden()
    await expect(page.get_by_text("This is Allyson Felix.")).to_be_visible()


async def test_detection_is_taken_out_when_it_is_not_a_face(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    card = await see_stranger(page, running_system, photograph_of(test_data, "Michael_Phelps"))
    await card.click()

    await page.get_by_role("dialog").get_by_role("button", name="Not a face").click()

    await page.keyboard.press("Escape")
    await expect(card).to_have_accessible_name(re.compile("^Not a face "))


async def test_merge_folds_a_stranger_into_a_known_person(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    card = await see_stranger(page, running_system, photograph_of(test_data, "Robert_Evans"))
    stranger = await open_person(page, card)
    strangers_page = page.url
    await add_person(page, "Robert Evans")

    await page.get_by_role("button", name="Merge").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("Strangers", exact=True).click()
    await dialog.get_by_role("button", name=stranger).click()
    await expect(dialog).to_contain_text(f"1 sighting and 1 photograph of {stranger} will belong")
    await dialog.get_by_role("button", name="Merge into Robert Evans").click()

    await expect(dialog).to_be_hidden()
    detections = page.get_by_role("region", name="Detections").get_by_role("link")
    await expect(detections).to_have_count(1)
    await expect(detections).to_have_accessible_name(re.compile("^Robert Evans "))
    await page.goto(strangers_page)
    await expect(page.get_by_role("alert")).to_be_visible()


async def test_delete_says_what_goes_and_removes_the_person(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    card = await see_stranger(page, running_system, photograph_of(test_data, "Padraig_Harrington"))
    name = await open_person(page, card)
    persons_page = page.url

    await page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog", name=f"Delete {name}?")
    await expect(dialog).to_contain_text("1 sighting, with their pictures")
    await dialog.get_by_role("button", name="Delete for good").click()

    await expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()
    await page.goto(persons_page)
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.goto("/detections")
    await wait_until_connected(page)
    await expect(card).to_have_count(0)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/detections",
        "/people",
        "/people?kind=unknown",
        "/review",
        "/alerts",
        "/identity",
        "/cameras",
        "/devices",
    ],
)
async def test_page_fits_a_phone(
    page: Page, running_system: RunningSystem, test_data: Path, path: str
) -> None:
    await see_stranger(page, running_system, photograph_of(test_data, "Pedro_Malan"))
    await page.set_viewport_size(PHONE)

    await page.goto(path)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.wait_for_load_state("load")

    await assert_fits(page)


async def test_person_and_drawer_fit_a_phone(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    card = await see_stranger(page, running_system, photograph_of(test_data, "Fernando_Vargas"))
    await page.set_viewport_size(PHONE)

    await card.click()
    drawer = page.get_by_role("dialog", name="Detection")
    await expect(drawer.get_by_label("Who is this?")).to_be_visible()
    await assert_fits(page)
    await drawer.get_by_role("link", name=STRANGER).click()

    await expect(page.get_by_role("heading", name=STRANGER, level=1)).to_be_visible()
    await assert_fits(page)


async def test_navigation_opens_by_the_burger_on_a_phone(page: Page) -> None:
    await page.set_viewport_size(PHONE)

    await page.get_by_role("button", name="Navigation").click()
    await page.get_by_role("link", name="Alerts").click()

    await expect(page.get_by_role("heading", name="Alerts", level=1)).to_be_visible()
    await expect(page.get_by_role("link", name="People")).not_to_be_in_viewport()


async def test_back_closes_what_lies_over_the_page_and_then_leaves_it(page: Page) -> None:
    await page.get_by_role("link", name="People").click()
    heading = page.get_by_role("heading", name="People", level=1)
    await expect(heading).to_be_visible()
    dialog = page.get_by_role("dialog", name="Add person")
    for _ in range(2):
        await page.get_by_role("button", name="Add person").click()
        await dialog.get_by_label("Name").fill("Ann")
        await page.go_back()
        await expect(dialog).to_be_hidden()
        await expect(heading).to_be_visible()
    await page.get_by_role("button", name="Add person").click()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
    await page.go_forward()
    await expect(heading).to_be_visible()


async def test_back_closes_a_dialog_over_the_first_page_of_a_tab(page: Page) -> None:
    await page.goto("/people")
    heading = page.get_by_role("heading", name="People", level=1)
    dialog = page.get_by_role("dialog", name="Add person")
    for _ in range(2):
        await page.get_by_role("button", name="Add person").click()
        await expect(dialog).to_be_visible()
        await page.go_back()
        await expect(dialog).to_be_hidden()
        await expect(heading).to_be_visible()
    await page.get_by_role("button", name="Add person").click()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()


async def test_back_from_the_page_that_a_dialog_led_to_ends_where_the_dialog_stood(
    page: Page,
) -> None:
    await page.goto("/people")
    await page.get_by_role("button", name="Add person").click()
    dialog = page.get_by_role("dialog", name="Add person")
    await dialog.get_by_label("Name").fill("Backward Bess")
    await dialog.get_by_role("button", name="Add").click()
    await expect(page.get_by_role("heading", name="Backward Bess", level=1)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()
    await expect(dialog).to_be_hidden()
    await page.go_back()
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()


async def test_back_closes_the_navigation_on_a_phone(page: Page) -> None:
    await page.get_by_role("link", name="People").click()
    await page.set_viewport_size(PHONE)
    burger = page.get_by_role("button", name="Navigation")
    await burger.click()
    await page.go_back()
    await expect(burger).to_have_attribute("aria-expanded", "false")
    await expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()


async def test_second_click_of_two_does_nothing(page: Page) -> None:
    sent = list[str]()

    async def answer_late(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(route.request.url)
            await asyncio.sleep(0.5)
        await route.continue_()

    await page.goto("/people")
    await page.route("**/api/v1/persons", answer_late)
    await page.get_by_role("button", name="Add person").click()
    dialog = page.get_by_role("dialog", name="Add person")
    await dialog.get_by_label("Name", exact=True).fill("Dora Double")
    await dialog.get_by_role("button", name="Add", exact=True).dblclick()
    await expect(page.get_by_role("heading", name="Dora Double")).to_be_visible()
    await expect(page.get_by_text("That did not work")).to_have_count(0)
    assert len(sent) == 1
