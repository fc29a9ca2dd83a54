"""Users, their scope, API tokens and the audit in the panel, as an admin and as they themselves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.admin.acting import (
    PASSWORD,
    PHONE,
    STRANGER,
    add_person,
    assert_fits,
    open_person,
    photograph_of,
    see_stranger,
    sign_in,
    upload_photographs,
    username_of,
)
from tests.admin.test_cameras import card, signed_in, tell
from tests.running import RunningSystem
from usher.client import UsherClient
from usher.domain.identifiers import new_id
from usher.domain.records import Role

CHOSEN = "chosen by nobody else"


def row(page: Page, list_name: str, text: str) -> Locator:
    rows = page.get_by_role("list", name=list_name, exact=True).get_by_role("listitem")
    return rows.filter(has_text=text)


async def add_user(page: Page, username: str, role: str, *cameras: str) -> str:
    """Add somebody; the password that is shown."""
    await page.goto("/users")
    await page.get_by_role("button", name="Add user").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Username").fill(username)
    await dialog.get_by_text(role, exact=True).click()
    for camera in cameras:
        await dialog.get_by_label("Cameras").fill(camera)
        await page.get_by_role("option", name=camera).click()
        await dialog.get_by_label("Cameras").press("Tab")  # what is open closes
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(dialog).to_contain_text("cannot show it again")
    password = await dialog.get_by_label("Password", exact=True).input_value()
    await dialog.get_by_role("button", name="Done").click()
    return password


async def create_token(page: Page, name: str) -> str:
    """Make a token on the page of tokens; the key that is shown."""
    await page.get_by_role("button", name="New token").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_role("button", name="Create token").click()
    key = await dialog.get_by_label("Token", exact=True).input_value()
    assert key in await dialog.get_by_label("Header", exact=True).input_value()
    await dialog.get_by_role("button", name="Done").click()
    return key


async def follow(page: Page, name: str) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()
    await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


async def account(page: Page, item: str) -> None:
    await page.get_by_role("button", name=re.compile("^Account")).click()
    await page.get_by_role("menuitem", name=item).click()


@asynccontextmanager
async def other_browser(browser: Browser, system: RunningSystem) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=system.url, locale="en-GB")
    yield await context.new_page()
    await context.close()


async def choose_password(page: Page, username: str, given: str) -> None:
    """Sign in for the first time, choose a password, and sign in with it."""
    await sign_in(page, username, given)
    await expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
    await page.get_by_label("Current password").fill(given)
    await page.get_by_label("New password").fill(CHOSEN)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    await sign_in(page, username, CHOSEN)
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()


async def test_new_user_chooses_a_password_and_sees_their_own_cameras(
    page: Page, browser: Browser, running_system: RunningSystem
) -> None:
    for camera in ("ada-s-door", "nobody-s-yard"):
        await tell(running_system, camera, "live")
    given = await add_user(page, "ada", "Manager", "ada-s-door")
    await expect(row(page, "Users", "ada")).to_contain_text("Sees ada-s-door")
    await expect(row(page, "Users", "ada")).to_contain_text("has not chosen a password yet")

    async with other_browser(browser, running_system) as own:
        await choose_password(own, "ada", given)
        await own.goto("/cameras")
        await expect(card(own, "ada-s-door")).to_be_visible()
        await expect(card(own, "nobody-s-yard")).to_have_count(0)


async def test_user_is_signed_out_at_once_when_their_role_changes(
    page: Page, browser: Browser, running_system: RunningSystem
) -> None:
    given = await add_user(page, "bob", "Viewer")
    async with other_browser(browser, running_system) as own:
        await choose_password(own, "bob", given)
        await page.get_by_role("button", name="Edit bob").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_text("Manager", exact=True).click()
        await dialog.get_by_role("button", name="Save").click()
        await expect(row(page, "Users", "bob")).to_contain_text("Manager")

        await own.get_by_role("navigation").get_by_role("link", name="People").click()
        await expect(own.get_by_role("button", name="Sign in")).to_be_visible()


async def test_user_may_not_sign_in_until_an_admin_lets_them_again(
    page: Page, browser: Browser, running_system: RunningSystem
) -> None:
    async with signed_in(browser, running_system, Role.VIEWER) as context:
        own = context.pages[0]
        name = await username_of(own)
        await page.goto("/users")
        await set_may_sign_in(page, name, False)
        await expect(row(page, "Users", name)).to_contain_text("May not sign in")
        await own.get_by_role("navigation").get_by_role("link", name="People").click()
        await expect(own.get_by_role("button", name="Sign in")).to_be_visible()
        await sign_in(own, name, PASSWORD)
        await expect(own.get_by_role("alert")).to_be_visible()

        await set_may_sign_in(page, name, True)
        await expect(row(page, "Users", name)).not_to_contain_text("May not sign in")
        await sign_in(own, name, PASSWORD)
        await expect(own.get_by_role("heading", name="Today", level=1)).to_be_visible()


async def set_may_sign_in(page: Page, name: str, may: bool) -> None:
    await page.get_by_role("button", name=f"Edit {name}").click()
    dialog = page.get_by_role("dialog", name=name)
    switch = dialog.get_by_role("switch", name="May sign in")
    await expect(switch).to_be_checked(checked=not may)
    await switch.set_checked(may, force=True)
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog).to_be_hidden()


async def test_user_gets_a_new_password_and_is_removed(page: Page) -> None:
    first = await add_user(page, "cy", "Viewer")
    await page.get_by_role("button", name="Edit cy").click()
    await page.get_by_role("dialog").get_by_role("button", name="New password").click()
    question = page.get_by_role("dialog", name="A new password for cy?")
    await question.get_by_role("button", name="Make a new one").click()
    shown = page.get_by_role("dialog", name="The password of cy")
    assert await shown.get_by_label("Password", exact=True).input_value() != first
    await shown.get_by_role("button", name="Done").click()

    await page.get_by_role("button", name="Edit cy").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    question = page.get_by_role("dialog", name="Remove cy?")
    await question.get_by_role("button", name="Remove").click()
    await expect(page.get_by_role("button", name="Edit cy")).to_have_count(0)


async def test_back_closes_a_question_before_the_dialog_that_asks_it(page: Page) -> None:
    await add_user(page, "ned", "Viewer")
    await page.get_by_role("button", name="Edit ned").click()
    dialog = page.get_by_role("dialog", name="ned", exact=True)
    await dialog.get_by_role("button", name="Remove").click()
    question = page.get_by_role("dialog", name="Remove ned?")
    await expect(question).to_be_visible()
    await page.go_back()
    await expect(question).to_be_hidden()
    await expect(dialog).to_be_visible()
    await page.go_back()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_role("button", name="Edit ned")).to_be_visible()


async def test_last_admin_is_told_why_they_stay(page: Page, running_system: RunningSystem) -> None:
    await page.goto("/users")
    await page.get_by_role("button", name=f"Edit {running_system.admin_username}").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("Viewer", exact=True).click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("This is the last admin")).to_be_visible()


async def test_token_is_shown_once_works_and_is_revoked(
    page: Page, running_system: RunningSystem
) -> None:
    name = f"Time clock {new_id()[:6]}"
    await page.goto("/users")
    key = await create_token(page, name)
    await expect(row(page, "API tokens", name)).to_contain_text("never used")

    with UsherClient(running_system.url, key) as client:
        await asyncio.to_thread(client.stats)
    await page.reload()
    await expect(row(page, "API tokens", name)).to_contain_text(re.compile("used (just|now|\\d)"))

    await page.get_by_role("button", name=f"Revoke {name}").click()
    question = page.get_by_role("dialog", name=f"Revoke {name}?")
    await question.get_by_role("button", name="Revoke").click()
    await expect(row(page, "API tokens", name)).to_have_count(0)


async def test_audit_says_what_was_done_and_that_nothing_was_changed(page: Page) -> None:
    await add_user(page, "dee", "Viewer")
    await page.get_by_role("navigation").get_by_role("link", name="Audit").click()
    entry = row(page, "Audit", "added the user").filter(has_text="dee")
    await expect(entry).to_contain_text("admin added the user dee (viewer)")

    await page.get_by_role("combobox", name="What").click()
    await page.get_by_role("option", name="Signed in", exact=True).click()
    await expect(entry).to_have_count(0)
    await expect(row(page, "Audit", "signed in").first).to_be_visible()

    await page.get_by_role("button", name="Check for changes").click()
    await expect(page.get_by_role("status").filter(has_text="entries")).to_contain_text(
        "are as they were written"
    )


async def test_audit_leads_to_whom_and_what_it_is_of(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    picture = await see_stranger(page, running_system, photograph_of(test_data, "Jacques_Rogge"))
    await picture.click()
    drawer = page.get_by_role("dialog", name="Detection")
    await drawer.get_by_role("button", name="Not a face").click()
    await expect(drawer.get_by_role("heading", name="Not a face")).to_be_visible()
    await page.keyboard.press("Escape")
    await add_person(page, "Frieda")

    await follow(page, "Audit")
    await row(page, "Audit", "said who is on a detection").first.get_by_role("link").click()
    await expect(drawer.get_by_role("heading", name="Not a face")).to_be_visible()
    await page.go_back()
    added = row(page, "Audit", "added the person").first
    await added.get_by_role("link", name="Frieda").click()
    await expect(page.get_by_role("heading", name="Frieda", level=1)).to_be_visible()


async def test_audit_is_narrowed_by_who_and_by_days(
    page: Page, browser: Browser, running_system: RunningSystem
) -> None:
    async with signed_in(browser, running_system, Role.VIEWER) as context:
        name = await username_of(context.pages[0])
    await add_user(page, "eve", "Viewer")
    await follow(page, "Audit")
    added = row(page, "Audit", "added the user").filter(has_text="eve")
    entries = page.get_by_role("list", name="Audit").get_by_role("listitem")
    await expect(added).to_be_visible()

    who = page.get_by_role("combobox", name="Who")
    await who.fill(name)
    await page.get_by_role("option", name=name).click()
    await expect(entries).to_have_count(1)
    await expect(entries).to_contain_text(f"{name} signed in")
    await page.reload()

    today = datetime.now().astimezone().date()
    day = timedelta(days=1)
    since, until = page.get_by_label("From"), page.get_by_label("To", exact=True)
    for first, last, shown in (
        (today + day, None, False),
        (today, today, True),
        (today - day, today - day, False),
    ):
        await since.fill(first.isoformat())
        await until.fill(last.isoformat() if last else "")
        await expect(added).to_have_count(int(shown))
        await expect(page.get_by_text("Nothing here")).to_have_count(int(not shown))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MANAGER])
async def test_users_and_audit_are_for_admins(
    browser: Browser, running_system: RunningSystem, role: Role
) -> None:
    async with signed_in(browser, running_system, role) as context:
        page = context.pages[0]
        for name in ("System", "Users", "Audit"):
            await expect(page.get_by_role("link", name=name, exact=True)).to_have_count(0)
        for path in ("/system", "/audit"):
            await page.goto(path)
            await expect(page.get_by_role("alert").first).to_contain_text("may not do that")
        await account(page, "API tokens")
        await expect(page.get_by_role("heading", name="API tokens", level=1)).to_be_visible()


@pytest.mark.parametrize("path", ["/users", "/audit"])
async def test_page_fits_a_phone(page: Page, path: str) -> None:
    await page.set_viewport_size(PHONE)
    await page.goto(path)
    await expect(page.get_by_role("listitem").first).to_be_visible()
    await assert_fits(page)


OFFERED = {
    "manager": "Today Review People Detections Search Attendance Live-camera Alerts Cameras "
    "Devices Identity Settings",
    "viewer": "Today People Detections Attendance Alerts Cameras Identity",
}
"""The pages that the navigation leads to."""
MANAGING = re.compile(
    "^(Add|New|Edit|Merge|Ignore|Delete|Undo|Remove|Revoke|Use the camera|Some are not|Areas)"
)
"""What buttons begin with that change something."""


@pytest.mark.parametrize("role", OFFERED)
async def test_role_is_offered_what_it_may_do_and_nothing_else(
    page: Page, browser: Browser, running_system: RunningSystem, role: str, test_data: Path
) -> None:
    await add_person(page, f"Known to the {role}")
    await upload_photographs(page, photograph_of(test_data, "Winona_Ryder"))
    person = page.url
    given = await add_user(page, f"{role}-who-walks", role.capitalize())
    async with other_browser(browser, running_system) as own:
        await choose_password(own, f"{role}-who-walks", given)
        links = own.get_by_role("navigation", name="Main").get_by_role("link")
        names = [" ".join(name.split("\n")[:1]) for name in await links.all_inner_texts()]
        assert [name.replace(" ", "-") for name in names] == OFFERED[role].split()

        offered = set[str]()
        for address in [*[await link.get_attribute("href") for link in await links.all()], person]:
            assert address is not None
            await own.goto(address)
            await expect(own.get_by_role("heading", level=1)).to_be_visible()
            await own.wait_for_load_state("networkidle")
            await expect(own.get_by_text("may not do that")).to_have_count(0)
            buttons = own.get_by_role("main").get_by_role("button")
            offered |= {name for name in await buttons.all_inner_texts() if MANAGING.match(name)}
        if role == "viewer":
            assert offered == set()
        else:
            assert {"Add person", "Edit", "Merge", "Ignore", "Delete"} <= offered
            assert "New key" not in offered
        await own.goto("/system")
        await expect(own.get_by_role("alert")).to_contain_text(f"A {role} may not do that")


async def test_viewer_is_not_asked_who_a_stranger_is(
    page: Page, browser: Browser, running_system: RunningSystem, test_data: Path
) -> None:
    photograph = photograph_of(test_data, "Sarah_Canale")
    name = await open_person(page, await see_stranger(page, running_system, photograph))
    await expect(page.get_by_role("button", name="Save name")).to_be_visible()
    path = urlsplit(page.url).path
    async with signed_in(browser, running_system, Role.VIEWER) as context:
        own = context.pages[0]
        await own.goto(path)
        await expect(own.get_by_role("heading", name=name, level=1)).to_be_visible()
        await expect(own.get_by_role("list", name="Detections").get_by_role("link")).to_have_count(
            1
        )
        await expect(own.get_by_role("button", name="Save name")).to_have_count(0)


async def test_viewer_reads_everything_that_is_theirs(
    page: Page, browser: Browser, running_system: RunningSystem, test_data: Path
) -> None:
    await see_stranger(page, running_system, photograph_of(test_data, "Laura_Linney"))
    async with signed_in(browser, running_system, Role.VIEWER) as context:
        own = context.pages[0]
        main = own.get_by_role("main")
        strangers = own.get_by_role("list", name="Strangers today")
        await strangers.get_by_role("img").first.click()
        drawer = own.get_by_role("dialog", name="Detection")
        await expect(drawer.get_by_role("link", name=STRANGER)).to_be_visible()
        await expect(drawer.get_by_role("textbox")).to_have_count(0)
        await drawer.get_by_role("link", name=STRANGER).click()
        stranger = await own.get_by_role("heading", name=STRANGER, level=1).inner_text()
        await own.get_by_role("tab", name="Visits").click()
        visits = own.get_by_role("region", name="Visits", exact=True)
        await expect(visits.get_by_role("listitem")).to_have_count(1)

        await follow(own, "Detections")
        await own.get_by_role("combobox", name="Camera").select_option(label="front-door")
        await expect(main.get_by_role("link", name=STRANGER).first).to_be_visible()
        await follow(own, "People")
        await own.get_by_role("tab", name="Strangers").click()
        await own.get_by_label("Search by name or ID").fill(stranger.split()[-1])
        await expect(own.get_by_role("list", name="Persons").get_by_role("link")).to_have_count(1)
        await follow(own, "Attendance")
        await own.get_by_text("Week", exact=True).click()
        async with own.expect_download() as downloading:
            await own.get_by_role("link", name="Download as CSV").click()
        assert (await downloading.value).suggested_filename.endswith(".csv")
        await follow(own, "Alerts")
        await expect(
            own.get_by_role("list", name="Alerts").get_by_role("link").first
        ).to_be_visible()

        await account(own, "API tokens")
        key = await create_token(own, "Only reads")
        with UsherClient(running_system.url, key) as client:
            await asyncio.to_thread(client.stats)
        await account(own, "Change password")
        dialog = own.get_by_role("dialog")
        await dialog.get_by_label("Current password").fill(PASSWORD)
        await dialog.get_by_label("New password").fill(CHOSEN)
        await dialog.get_by_role("button", name="Change password").click()
        await expect(own.get_by_role("button", name="Sign in")).to_be_visible()
