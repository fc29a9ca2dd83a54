"""The key actions, by each of those who may do them; and what is said to whom has some cameras.

No classifier runs: what a face shows is decided by the test.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.admin.acting import add_person, username_of
from tests.admin.deciding import Decider, open_drawer, see
from tests.admin.test_accessibility import AXE, findings
from tests.admin.test_cameras import signed_in
from tests.running import RunningSystem
from usher.domain.records import Role

CLASSIFIES = False

WHO = {
    "admin": (Role.ADMIN, ()),
    "manager": (Role.MANAGER, ()),
    "manager of the gate": (Role.MANAGER, ("gate",)),
}


@pytest.mark.parametrize("who", WHO)
async def test_who_may_change_people_answers_names_corrects_adds_and_deletes(
    browser: Browser, running_system: RunningSystem, decider: Decider, photograph: Path, who: str
) -> None:
    (detection,) = await see(running_system, photograph, camera_id="gate")
    stranger = await decider.found_stranger([detection])
    role, cameras = WHO[who]
    async with signed_in(browser, running_system, role, *cameras) as context:
        page = context.pages[0]
        await page.goto("/alerts")
        alerts = page.get_by_role("list", name="Alerts").get_by_role("listitem")
        alert = alerts.filter(has_text=f"Stranger {stranger}")
        await alert.get_by_role("button", name="I take care of it").click()
        await expect(alert).to_contain_text(f"{await username_of(page)}: is taken care of")

        drawer = await open_drawer(page, detection)
        await drawer.get_by_label("Who is this?").fill(f"Named by {who}")
        await drawer.get_by_role("button", name="Save name").click()
        await expect(drawer.get_by_role("link", name=f"Named by {who}")).to_be_visible()
        await drawer.get_by_role("button", name="This is somebody else").click()
        await drawer.get_by_label("Who is this?").fill(f"Corrected by {who}")
        await drawer.get_by_role("button", name="Save name").click()
        await expect(drawer.get_by_role("link", name=f"Corrected by {who}")).to_be_visible()

        await add_person(page, f"Added by {who}")
        await delete(page)
        await expect(page.get_by_text(f"Added by {who} is deleted")).to_be_visible()


async def delete(page: Page) -> None:
    await page.get_by_role("button", name="Delete", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()


async def test_manager_of_some_cameras_is_told_why_when_other_cameras_saw_somebody(
    browser: Browser, running_system: RunningSystem, decider: Decider, photograph: Path
) -> None:
    at_both = [
        *await see(running_system, photograph, camera_id="gate"),
        *await see(running_system, photograph, camera_id="yard"),
    ]
    both = await decider.found_stranger(at_both)
    other = await decider.found_stranger(await see(running_system, photograph, camera_id="yard"))
    async with signed_in(browser, running_system, Role.MANAGER, "gate") as context:
        page = context.pages[0]
        refusal = page.get_by_role("alert").filter(has_text="That did not work")
        await page.goto(f"/people/{both}")
        await delete(page)
        await expect(refusal).to_contain_text(
            "Other cameras than yours saw them too: somebody who has those has to do it"
        )
        assert await findings(page, AXE.read_text()) == []
        await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        await expect(page.get_by_role("heading", name=f"Stranger {both}", level=1)).to_be_visible()

        await page.goto(f"/people/{other}")
        await page.get_by_label("Who is this?").fill("Seen elsewhere")
        await page.get_by_role("button", name="Save name").click()
        await expect(refusal).to_contain_text(
            "Your cameras never saw them: somebody whose did has to do it"
        )
        drawer = await open_drawer(page, at_both[1])
        await expect(drawer.get_by_role("alert")).to_contain_text("There is no detection")
