"""Nothing in the panel keeps people out: not what axe finds wrong, nor that they have no mouse."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import BrowserContext, Page, ViewportSize, expect

from tests.admin.acting import (
    PASSWORD,
    PHONE,
    add_person,
    insert_user,
    photograph_of,
    sign_in,
    upload_photographs,
)
from tests.admin.conftest import DESKTOP
from tests.admin.deciding import Decider, see
from tests.admin.keyboard import press, tab_to, type_into
from tests.running import RunningSystem
from usher.domain.records import Role

CLASSIFIES = False

AXE = Path(
    os.environ.get(
        "USHER_TEST_AXE",
        Path(__file__).parents[2] / "admin" / "node_modules" / "axe-core" / "axe.min.js",
    )
)
GRAVE = ("serious", "critical")
PAGES = [
    "/",
    "/detections",
    "/people",
    "/people?kind=unknown",
    "/review",
    "/review?several",
    "/review?queue=strangers",
    "/review?queue=strangers&several",
    "/alerts",
    "/alerts/rules",
    "/identity",
    "/cameras",
    "/live-camera",
    "/devices",
    "/search",
    "/attendance",
    "/settings",
    "/system",
    "/users",
    "/audit",
    "/no-such-page",
]
OPENED = [
    ("/people", "Add person"),
    ("{person}", "Edit"),
    ("{person}", "Merge"),
    ("{person}", "Delete"),
    ("{person}", "Remove this photograph"),
    ("{person}", "Some are not Alice Archer", "Alice Archer", "These are somebody else's"),
    ("/review?queue=strangers", "Name"),
    ("/cameras", "Connect a camera"),
    ("/cameras", "Edit front-door"),
    ("/cameras", "Edit front-door", "Remove"),
    ("/cameras", "Areas of front-door", "Add an area: leave out"),
    ("/alerts/rules", "Add rule"),
    ("/users", "Add user"),
    ("/users", "Edit admin"),
    ("/users", "New token"),
    ("/devices", "New key"),
]
"""Pages, and what one presses there, one after the other, for a dialog."""
Scheme = Literal["light", "dark"]
View = tuple[ViewportSize, Scheme]
LIGHT: View = (DESKTOP, "light")
DARK: View = (DESKTOP, "dark")
ON_A_PHONE: View = (PHONE, "light")
ON_A_DARK_PHONE: View = (PHONE, "dark")


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.is_file():
        reason = f"there is no axe at {AXE}: npm --prefix admin ci"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return AXE.read_text()


FIND = """async () => {
    const { violations, passes } = await axe.run({ resultTypes: ["violations"] });
    return { violations, passed: passes.length };
}"""


async def findings(page: Page, axe: str) -> list[str]:
    """What is grave, with the elements that it is said of."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(axe)
    result: dict[str, Any] = await page.evaluate(FIND)
    assert result["passed"]
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in result["violations"]
        if found["impact"] in GRAVE
        for node in found["nodes"]
    ]


async def view(page: Page, viewport: ViewportSize, scheme: Scheme) -> None:
    """Have the page take to a width and a scheme, whose colours come little by little."""
    await page.set_viewport_size(viewport)
    await page.emulate_media(color_scheme=scheme)
    await page.wait_for_selector(f"html[data-mantine-color-scheme={scheme}]")
    await page.wait_for_function(
        "() => !document.getAnimations().some((one) => one instanceof CSSTransition)"
    )


async def findings_in(views: Sequence[View], page: Page, axe: str) -> dict[str, list[str]]:
    """What is grave, by the view in which it is."""
    found = dict[str, list[str]]()
    for viewport, scheme in views:
        await view(page, viewport, scheme)
        if grave := await findings(page, axe):
            found[f"{viewport['width']} {scheme}"] = grave
    await view(page, *LIGHT)
    return found


async def test_pages_and_what_opens_on_them_keep_nobody_out(
    page: Page,
    running_system: RunningSystem,
    decider: Decider,
    test_data: Path,
    axe: str,
) -> None:
    await add_person(page, "Alice Archer")
    alice = page.url.rsplit("/", 1)[-1]
    photograph = photograph_of(test_data, "Ann_Veneman")
    await upload_photographs(page, photograph)
    await decider.found_stranger(await see(running_system, photograph, 2), candidate_id=alice)
    (seen,) = await see(running_system, photograph)
    await decider.recognise(alice, [seen])

    found: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for path in [*PAGES, f"/people/{alice}", f"/?detection={seen}"]:
        await page.goto(path)
        await expect(page.get_by_role("heading").first).to_be_visible()
        await page.wait_for_load_state("networkidle")
        found[path,] = await findings_in((LIGHT, DARK, ON_A_PHONE), page, axe)
    for path, *pressed in OPENED:
        await page.goto(path.format(person=f"/people/{alice}"))
        for name in pressed:
            button = page.get_by_role("button", name=name, exact=True)
            await button.or_(page.get_by_role("checkbox", name=name)).first.click()
        await expect(page.get_by_role("dialog").last).to_be_visible()
        await page.wait_for_load_state("networkidle")
        found[path, *pressed] = await findings_in((LIGHT, ON_A_DARK_PHONE), page, axe)

    assert {place: grave for place, grave in found.items() if grave} == {}


async def test_pages_of_others_than_admins_keep_nobody_out(
    page: Page, running_system: RunningSystem, axe: str
) -> None:
    await page.context.clear_cookies()
    await page.goto("/users")
    await expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert await findings_in((LIGHT, ON_A_DARK_PHONE), page, axe) == {}

    await sign_in(page, await insert_user(running_system, Role.VIEWER, must_renew=True), PASSWORD)
    await expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
    assert await findings_in((LIGHT, ON_A_DARK_PHONE), page, axe) == {}

    await page.context.clear_cookies()
    await sign_in(page, await insert_user(running_system, Role.MANAGER), PASSWORD)
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
    await page.goto("/users")
    await expect(page.get_by_role("heading", name="API tokens", level=1)).to_be_visible()
    assert await findings_in((LIGHT, ON_A_DARK_PHONE), page, axe) == {}


async def test_findings_tell_of_a_button_without_words(page: Page, axe: str) -> None:
    await page.evaluate("document.querySelector('main').append(document.createElement('button'))")

    (found,) = await findings(page, axe)

    assert found.startswith("button-name: ")


async def test_keys_alone_sign_in_add_a_person_edit_and_delete_them(
    context: BrowserContext, running_system: RunningSystem
) -> None:
    page = await context.new_page()
    await page.goto("/detections")
    await type_into(page.get_by_label("Username"), running_system.admin_username)
    await type_into(page.get_by_label("Password", exact=True), running_system.admin_password)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Detections", level=1)).to_be_visible()

    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await tab_to(page.get_by_role("link", name="People", exact=True), "Shift+Tab")
    await page.keyboard.press("Enter")

    await press(page.get_by_role("button", name="Add person"))
    dialog = page.get_by_role("dialog", name="Add person")
    await expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    await page.keyboard.type("Kay Keys")
    await type_into(dialog.get_by_label("Notes"), "Has no mouse.")
    await press(dialog.get_by_role("button", name="Add", exact=True), "Space")
    await expect(page.get_by_role("heading", name="Kay Keys", level=1)).to_be_visible()
    await expect(page.get_by_role("main")).to_be_focused()

    edit = page.get_by_role("button", name="Edit", exact=True)
    await press(edit)
    dialog = page.get_by_role("dialog", name="Edit Kay Keys")
    await expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    await type_into(dialog.get_by_label("Notes"), "Needs no mouse.")
    await press(dialog.get_by_role("button", name="Save"))
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_text("Needs no mouse.")).to_be_visible()
    await expect(edit).to_be_focused()

    await press(page.get_by_role("tab", name="Detections"), "ArrowRight")
    await expect(page.get_by_role("tab", name="Visits", selected=True)).to_be_focused()

    delete = page.get_by_role("button", name="Delete", exact=True)
    await tab_to(delete, "Shift+Tab")
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Delete Kay Keys?")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(delete).to_be_focused()
    await page.keyboard.press("Enter")
    await press(dialog.get_by_role("button", name="Delete for good"))
    await expect(page.get_by_text("Kay Keys is deleted")).to_be_visible()
    await expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("button", name="Add person")).to_be_focused()
