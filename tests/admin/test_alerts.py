"""Alerts in the panel: their rules, who was told, what failed, and what is answered."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.admin.acting import PHONE, assert_fits, insert_user, photograph_of, see_stranger
from tests.admin.conftest import DESKTOP
from tests.running import RunningSystem
from usher.domain.records import AlertStatus, Role
from usher.storage.alerts import MAX_ATTEMPTS
from usher.storage.database import connected


@pytest.fixture
async def alerted(page: Page, running_system: RunningSystem, photograph: Path) -> str:
    """The id of an alert that is waiting, of somebody new."""
    await see_stranger(page, running_system, photograph)
    alerts = await asyncio.to_thread(running_system.admin.alerts)
    return alerts.items[0].id


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
async def test_rule_is_added_with_what_it_would_have_sent_changed_and_removed(
    page: Page, running_system: RunningSystem, alerted: str, viewport: ViewportSize
) -> None:
    await page.set_viewport_size(viewport)
    await page.goto("/alerts")
    await page.get_by_role("link", name="Rules").click()
    await expect(page.get_by_role("heading", name="Strangers")).to_be_visible()
    await expect(page.get_by_text("Strangers anywhere: tells the managers.")).to_be_visible()

    name = f"Night {viewport['width']}"
    await page.get_by_role("button", name="Add rule").click()
    form = page.get_by_role("dialog", name="Add rule")
    await expect(form.get_by_role("button", name="Add", exact=True)).to_be_disabled()
    await form.get_by_label("Name").fill(name)
    preview = form.get_by_role("region", name="What it would have sent")
    await expect(preview).to_contain_text("this would have been 1 alert of 1 visit, in 1 message")
    tells = form.get_by_role("combobox", name="Tells")
    await tells.fill("mail:ann@example.org")
    await tells.press("Enter")
    await expect(preview).to_contain_text("in 2 messages")
    await expect(form.get_by_text("Nothing is sent by mail now")).to_be_visible()
    await form.get_by_label("Strangers").uncheck()
    await expect(form.get_by_role("button", name="Add", exact=True)).to_be_disabled()
    await form.get_by_label("Everybody Usher knows").check()
    await expect(preview).to_contain_text("0 alerts")
    await form.get_by_role("switch", name="Quiet hours: it comes when they end").check(force=True)
    await assert_fits(page)
    await form.get_by_role("button", name="Add", exact=True).click()

    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name))
    await expect(card).to_contain_text(
        "Everybody Usher knows anywhere: tells the managers and ann@example.org; "
        "quiet 22:00 to 06:00."
    )
    await assert_fits(page)
    (rule,) = [one for one in await _rules(running_system) if one["name"] == name]
    assert (rule["about"], rule["to"]) == (["known"], ["managers", "mail:ann@example.org"])
    assert rule["quiet"] == [{"days": [0, 1, 2, 3, 4, 5, 6], "start": 1320, "end": 360}]

    await card.get_by_role("button", name="Change").click()
    form = page.get_by_role("dialog", name="Change rule")
    await form.get_by_label("On", exact=True).uncheck(force=True)
    await form.get_by_role("button", name="Save").click()
    await expect(card.get_by_text("Off")).to_be_visible()

    await card.get_by_role("button", name="Change").click()
    await page.get_by_role("button", name="Remove").click()
    asked = page.get_by_role("dialog", name=f"Remove “{name}”?")
    await asked.get_by_role("button", name="Remove").click()
    await expect(card).to_have_count(0)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
async def test_rule_about_who_does_not_come_has_hours_and_shows_whom_it_missed(
    page: Page, running_system: RunningSystem, test_data: Path, viewport: ViewportSize
) -> None:
    await page.set_viewport_size(viewport)
    name = f"Late, {viewport['width']}"
    await page.goto("/alerts/rules")
    await page.get_by_role("button", name="Add rule").click()
    form = page.get_by_role("dialog", name="Add rule")
    await form.get_by_label("Name").fill(name)
    await form.get_by_text("Who does not come").click()
    await expect(form.get_by_label("Strangers")).to_have_count(0)
    add = form.get_by_role("button", name="Add", exact=True)
    await expect(add).to_be_disabled()
    for _ in range(2):
        await form.get_by_role("button", name="Add hours").click()
    await form.get_by_label("From").nth(1).fill("13:00")
    await form.get_by_label("Until").nth(1).fill("14:30")
    await expect(form.get_by_role("region", name="What it would have sent")).to_contain_text(
        "In the last 24 hours this would have been"
    )
    await assert_fits(page)
    await add.click()

    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=name))
    await expect(card).to_contain_text(
        "Everybody known not seen anywhere, 08:00 to 10:00 on Mon, Tue, Wed, Thu and Fri and "
        "13:00 to 14:30 on Mon, Tue, Wed, Thu and Fri: tells the managers."
    )
    (rule,) = [one for one in await _rules(running_system) if one["name"] == name]
    assert rule["about"] == ["absent"]
    assert [one["start"] for one in rule["hours"]] == [480, 780]


async def test_alert_about_who_did_not_come_says_when_and_where_they_were_last(
    page: Page, running_system: RunningSystem, alerted: str
) -> None:
    ended = datetime.now(UTC).replace(hour=10, minute=0, second=0, microsecond=0)
    absence = {
        "expected_from": ended - timedelta(hours=2),
        "last_seen_at": ended - timedelta(days=1),
    }
    async with connected(running_system.mongodb_uri, running_system.database) as database:
        changes = {"absence": absence, "captured_at": ended}
        await database["alerts"].update_one({"_id": alerted}, {"$set": changes})
    await page.goto("/alerts")
    row = page.get_by_role("list", name="Alerts").get_by_role("listitem")
    await expect(row.filter(has_text="Not seen from")).to_contain_text("last seen")


async def test_alert_that_failed_says_why_and_is_sent_again(
    page: Page, running_system: RunningSystem, alerted: str
) -> None:
    async with connected(running_system.mongodb_uri, running_system.database) as database:
        failed = {
            "status": AlertStatus.FAILED,
            "attempts": MAX_ATTEMPTS,
            "reason": "no mail server",
        }
        changes = {f"deliveries.0.{name}": value for name, value in failed.items()}
        await database["alerts"].update_one(
            {"_id": alerted}, {"$set": {**changes, **failed, "due": False}}
        )
    await page.goto("/alerts?status=failed")
    row = page.get_by_role("list", name="Alerts").get_by_role("listitem")
    await expect(row).to_contain_text("no mail server")
    await row.get_by_role("button", name="Send again").click()
    await expect(page.get_by_text("None with this status.")).to_be_visible()
    alert = (await asyncio.to_thread(running_system.admin.alerts)).items[0]
    assert alert.status is AlertStatus.PENDING


async def test_alert_is_taken_care_of(
    page: Page, running_system: RunningSystem, alerted: str
) -> None:
    await page.goto("/alerts")
    row = page.get_by_role("list", name="Alerts").get_by_role("listitem").first
    await row.get_by_role("button", name="I take care of it").click()
    await expect(row).to_contain_text(f"{running_system.admin_username}: is taken care of")
    await expect(row.get_by_role("button", name="I take care of it")).to_have_count(0)


async def test_browser_says_so_when_there_is_a_new_alert(
    page: Page, running_system: RunningSystem, test_data: Path
) -> None:
    await page.context.grant_permissions(["notifications"])
    # What Chromium would show is the desktop's; here it is kept.
    await page.add_init_script("""
        window.shown = [];
        window.Notification = class {
            static permission = "granted";
            static requestPermission = async () => "granted";
            constructor(title, options) { window.shown.push({ title, ...options }); }
        };
    """)
    await page.goto("/alerts")
    switch = page.get_by_role("switch", name="Notify me in this browser")
    await expect(switch).not_to_be_checked()
    await switch.check(force=True)
    begun = datetime.now(UTC)
    await see_stranger(page, running_system, photograph_of(test_data, "Jacques_Chirac"))
    await page.wait_for_function("() => window.shown.length > 0")
    alerts = (await asyncio.to_thread(running_system.admin.alerts)).items
    (alert,) = [one for one in alerts if one.created_at >= begun]
    first = (await page.evaluate("window.shown"))[0]
    assert first["tag"] == alert.id
    assert alert.camera.name in first["title"]


async def test_account_of_the_chat_is_linked_to_a_user(
    page: Page, running_system: RunningSystem
) -> None:
    username = await insert_user(running_system, Role.MANAGER)
    await page.goto("/users")
    row = page.get_by_role("list", name="Users", exact=True).get_by_role("listitem")
    await row.filter(has_text=username).get_by_role("button").first.click()
    form = page.get_by_role("dialog")
    accounts = form.get_by_role("combobox", name="Accounts in the chat")
    await accounts.fill("@ann")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    async with connected(running_system.mongodb_uri, running_system.database) as database:
        user = await database["users"].find_one({"username": username})
    assert user is not None
    assert user["accounts"] == ["chat:@ann"]


async def _rules(system: RunningSystem) -> list[dict[str, object]]:
    async with connected(system.mongodb_uri, system.database) as database:
        return await database["alert_rules"].find().to_list()
