"""Cameras in the panel: how they are, and how one is connected.

The system is shared and keeps what earlier tests did: each test brings cameras of its own.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from tests.admin.acting import (
    PASSWORD,
    PHONE,
    assert_fits,
    assert_picture_loads,
    insert_user,
    sign_in,
)
from tests.running import RunningSystem
from usher.client import UsherClient
from usher.domain.errors import CameraDenied, NotAuthenticated
from usher.domain.records import CameraState, Role
from usher.storage.database import connected
from usher.wire import CameraReport

RATES = {
    "fps": 14.93,
    "detector_fps": 5.98,
    "skipped": 1243,
    "faces": 4,
    "tracks": 2,
    "stage_ms": {"detect": 21.5},
}
BOOKS = {
    "produced": 20,
    "delivered": 8,
    "dropped": 2,
    "refused": 0,
    "pending": 10,
    "bytes": 411_200,
}


def picture(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (640, 360), colour).save(buffer, "JPEG")
    return buffer.getvalue()


async def tell(
    system: RunningSystem,
    camera_id: str,
    state: str,
    minutes: float = 3,
    *,
    frame: bytes | None = None,
    **fields: Any,
) -> None:
    """Say how a camera is, as its detector does."""
    since = datetime.now(UTC) - timedelta(minutes=minutes, seconds=5)
    report = CameraReport.model_validate({"state": state, "since": since, **fields})
    with UsherClient(system.url, system.device_key) as client:
        await asyncio.to_thread(client.report_camera, camera_id, report, frame)


async def silence(system: RunningSystem, camera_id: str) -> None:
    """Make a camera's last report two minutes old."""
    async with connected(system.mongodb_uri, system.database) as database:
        long_ago = datetime.now(UTC) - timedelta(minutes=2, seconds=5)
        await database["cameras"].update_one(
            {"_id": camera_id}, {"$set": {"reported_at": long_ago}}
        )


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article", name=name, exact=True)


async def test_frozen_camera_is_shown_with_its_picture_and_what_to_do(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(
        running_system,
        "frozen-yard",
        "frozen",
        frame=picture("teal"),
        reason="the same picture for 20 s",
        rates=RATES,
        spool=BOOKS,
        width=1280,
        height=720,
    )
    await page.get_by_role("navigation").get_by_role("link", name="Cameras").click()
    shown = card(page, "frozen-yard")

    await expect(shown).to_contain_text("Frozen for 3 minutes")
    await expect(shown).to_contain_text("The picture does not change; check the camera")
    await expect(shown).to_contain_text("The same picture for 20 s.")
    for word in ("14.9", "1,243", "10 crops, 412 kB", "2 crops"):
        await expect(shown).to_contain_text(word)
    await assert_picture_loads(shown.get_by_role("img", name="What frozen-yard saw last"))


async def test_change_of_state_is_shown_without_a_reload(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(running_system, "door-that-breaks", "live", 65)
    await page.goto("/cameras")
    shown = card(page, "door-that-breaks")
    await expect(shown).to_contain_text("Live for 1 hour")
    await expect(page.get_by_role("status").get_by_text("Connected")).to_be_visible()

    await tell(running_system, "door-that-breaks", "gone", 0)

    await expect(shown).to_contain_text("Gone")
    await expect(shown).to_contain_text("check its power and its cable")


async def test_picture_is_fetched_anew_when_a_newer_one_came(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(running_system, "door-with-pictures", "live", frame=picture("red"))
    await page.goto("/cameras")
    image = card(page, "door-with-pictures").get_by_role("img", name=re.compile("saw last"))
    await assert_picture_loads(image)
    before = await image.get_attribute("src")

    await tell(running_system, "door-with-pictures", "frozen", frame=picture("blue"))

    await expect(image).not_to_have_attribute("src", str(before))
    await assert_picture_loads(image)
    assert await first_pixel(image) == "blue"


async def first_pixel(image: Locator) -> str:
    """Which of red and blue a shown picture is."""
    red, _, blue, _ = await image.evaluate(
        """image => {
            const canvas = document.createElement("canvas");
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            return Array.from(context.getImageData(2, 2, 1, 1).data);
        }"""
    )
    return "red" if red > blue else "blue"


async def test_first_page_says_which_cameras_need_attention(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(running_system, "dark-cellar", "black")
    await tell(running_system, "quiet-loft", "live")
    await silence(running_system, "quiet-loft")
    await tell(running_system, "fine-porch", "live")
    await page.goto("/")
    line = page.get_by_role("alert").filter(has_text="attention")

    await expect(line).to_contain_text("dark-cellar (black for 3 minutes)")
    await expect(line).to_contain_text("quiet-loft (offline for 2 minutes)")
    await expect(line).not_to_contain_text("fine-porch")
    await line.get_by_role("link").click()

    await expect(page.get_by_role("heading", name="Cameras", level=1)).to_be_visible()
    await expect(card(page, "quiet-loft")).to_contain_text("Its detector is not heard of")


async def test_camera_is_named_gets_managers_and_is_removed(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(running_system, "cam-17", "stopped")
    await page.goto("/cameras")
    await page.get_by_role("button", name="Edit cam-17").click()
    dialog = page.get_by_role("dialog", name="Camera")
    await dialog.get_by_label("Name").fill("Old warehouse")
    managers = dialog.get_by_role("combobox", name="Managers")
    await managers.fill("@ann")
    await managers.press("Enter")
    await managers.fill("@bob")
    await dialog.get_by_role("button", name="Save").click()
    await expect(card(page, "Old warehouse")).to_contain_text("cam-17")
    (camera,) = [one for one in running_system.admin.cameras() if one.id == "cam-17"]
    assert camera.managers == ["@ann", "@bob"]

    await page.get_by_role("button", name="Edit Old warehouse").click()
    await expect(dialog.get_by_text("@ann")).to_be_visible()
    await dialog.get_by_role("button", name="Remove").click()
    question = page.get_by_role("dialog", name="Remove Old warehouse?")
    await question.get_by_role("button", name="Remove").click()

    await expect(card(page, "Old warehouse")).to_have_count(0)


# ---- Connecting ----------------------------------------------------------------------------------


async def ask_for_code(page: Page, name: str) -> Locator:
    await page.goto("/cameras")
    await page.get_by_role("button", name="Connect a camera").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill(name)
    await dialog.get_by_label("Another one").check()
    await dialog.get_by_role("button", name="Make a code").click()
    await expect(dialog.get_by_role("region", name="Code")).to_have_text(
        re.compile(r"^\w{4}-\w{4}$")
    )
    return dialog


async def run_command(command: str, directory: Path) -> str:
    """Run a command that the panel shows, as it stands there; what it prints."""
    program, *arguments = command.split()
    assert program == ".venv/bin/usher"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "usher", *arguments),
        cwd=directory,
        env={name: value for name, value in os.environ.items() if not name.startswith("USHER")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


async def test_camera_is_connected_by_running_the_command_that_is_shown(
    page: Page, tmp_path: Path
) -> None:
    dialog = await ask_for_code(page, "Café, back door")
    code = await dialog.get_by_role("region", name="Code").inner_text()
    pairing = await dialog.get_by_label("1. Run there, in Usher's folder", exact=True).input_value()
    starting = await dialog.get_by_label("2. Then start it", exact=True).input_value()
    assert f"--pair {code} " in pairing
    assert "--camera-id cafe-back-door " in starting
    await expect(dialog.get_by_role("status")).to_contain_text("Waiting for the device")
    await expect(dialog).to_contain_text(re.compile(r"for (10:00|9:\d\d) more"))

    printed = await run_command(pairing, tmp_path)

    assert "Café, back door" in printed
    assert (tmp_path / "data" / "detector.key").stat().st_mode & 0o777 == 0o600
    status = dialog.get_by_role("status")
    await expect(status.first).to_contain_text("Café, back door has fetched its key")
    await expect(status.last).to_contain_text("Waiting for the camera")
    await expect(dialog.get_by_text(code)).to_have_count(0)
    await dialog.get_by_role("button", name="Done").click()
    await page.get_by_role("navigation").get_by_role("link", name="Devices").click()
    await expect(page.get_by_role("button", name="Revoke Café, back door")).to_be_visible()


async def test_camera_at_ushers_own_computer_needs_no_code_and_gets_its_name(
    page: Page, running_system: RunningSystem
) -> None:
    await page.goto("/cameras")
    await page.get_by_role("button", name="Connect a camera").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Loading bay")
    await dialog.get_by_role("button", name="Next").click()
    command = dialog.get_by_label("Run in a terminal, in Usher's folder", exact=True)
    assert "detect --source 0 --camera-id loading-bay " in await command.input_value()
    await dialog.get_by_text("Network camera").click()
    assert "--source rtsp://USER:PASSWORD@ADDRESS/stream1 " in await command.input_value()
    await expect(dialog.get_by_role("status")).to_contain_text("Waiting for the camera")

    await tell(running_system, "loading-bay", "live")

    await expect(dialog.get_by_role("status")).to_contain_text("Loading bay is there: live")
    await dialog.get_by_role("button", name="Close").last.click()
    await expect(card(page, "Loading bay")).to_be_visible()


async def test_another_code_is_made_when_one_has_expired(page: Page) -> None:
    await page.clock.install()
    dialog = await ask_for_code(page, "Slow hands")
    code = await dialog.get_by_role("region", name="Code").inner_text()

    await page.clock.fast_forward("11:00")
    await expect(dialog).to_contain_text("The code has expired")
    await expect(dialog.get_by_text(code)).to_have_count(0)
    await page.clock.set_system_time(datetime.now(UTC))
    await dialog.get_by_role("button", name="Make a new code").click()

    await expect(dialog.get_by_role("region", name="Code")).not_to_have_text(code)


async def test_device_key_is_shown_once_and_works_until_it_is_revoked(
    page: Page, running_system: RunningSystem
) -> None:
    await page.get_by_role("navigation").get_by_role("link", name="Devices").click()
    await page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Back door")
    await dialog.get_by_role("button", name="Create key").click()

    key = await dialog.get_by_label("Key", exact=True).input_value()
    command = await dialog.get_by_label("Command", exact=True).input_value()
    await dialog.get_by_role("button", name="Done").click()

    assert key in command
    assert "usher detect" in command
    await page.reload()
    await expect(page.get_by_role("button", name="Revoke Back door")).to_be_visible()
    assert key not in await page.content()

    report = CameraReport(state=CameraState.LIVE, since=datetime.now(UTC))
    with UsherClient(running_system.url, key) as client:
        await asyncio.to_thread(client.report_camera, "back-door", report)
        await page.get_by_role("button", name="Revoke Back door").click()
        question = page.get_by_role("dialog", name="Revoke the key of Back door?")
        await question.get_by_role("button", name="Revoke").click()
        await expect(page.get_by_role("button", name="Revoke Back door")).to_have_count(0)
        with pytest.raises(NotAuthenticated):
            await asyncio.to_thread(client.report_camera, "back-door", report)


async def test_key_is_for_the_cameras_that_are_named_and_for_no_other(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(running_system, "west-gate", "live")
    await page.goto("/devices")
    await page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("Both gates")
    cameras = dialog.get_by_role("combobox", name="Cameras")
    for written in ("west-gate", "East gate"):  # the second is yet to come
        await cameras.fill(written)
        await cameras.press("Enter")
    await cameras.press("Tab")  # what is open closes
    await dialog.get_by_role("button", name="Create key").click()
    key = await dialog.get_by_label("Key", exact=True).input_value()
    command = await dialog.get_by_label("Command", exact=True).input_value()
    await dialog.get_by_role("button", name="Done").click()

    assert "--camera-id east-gate " in command
    row = page.get_by_role("listitem").filter(has_text="Both gates")
    await expect(row).to_contain_text("for east-gate, west-gate · never used")
    report = CameraReport(state=CameraState.LIVE, since=datetime.now(UTC))
    with UsherClient(running_system.url, key) as client:
        await asyncio.to_thread(client.report_camera, "east-gate", report)
        with pytest.raises(CameraDenied, match="make another key"):
            await asyncio.to_thread(client.report_camera, "north-gate", report)


async def test_code_is_for_the_camera_that_is_connected_when_some_are_named(
    page: Page, running_system: RunningSystem
) -> None:
    await page.goto("/cameras")
    await page.get_by_role("button", name="Connect a camera").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("North wing")
    await dialog.get_by_label("Another one").check()
    cameras = dialog.get_by_role("combobox", name="Cameras")
    await cameras.fill("north-stairs")
    await cameras.press("Enter")
    await cameras.press("Tab")
    await dialog.get_by_role("button", name="Make a code").click()
    await expect(dialog.get_by_role("region", name="Code")).to_be_visible()
    async with connected(running_system.mongodb_uri, running_system.database) as database:
        code = await database["pairing_codes"].find_one({"name": "North wing"})
    assert code is not None
    assert code["cameras"] == ["north-stairs", "north-wing"]


async def test_connecting_and_a_card_fit_a_phone(page: Page, running_system: RunningSystem) -> None:
    await tell(
        running_system,
        "a-camera-with-a-rather-long-name-that-has-no-end-and-no-space",
        "frozen",
        frame=picture("teal"),
        reason="x" * 300,
        rates=RATES,
        spool=BOOKS,
    )
    await page.set_viewport_size(PHONE)
    dialog = await ask_for_code(page, "Front door")
    await assert_fits(page)
    await dialog.get_by_role("button", name="Close").last.click()
    await expect(dialog).to_be_hidden()
    await assert_fits(page)


@asynccontextmanager
async def signed_in(
    browser: Browser, system: RunningSystem, role: Role, *cameras: str
) -> AsyncIterator[BrowserContext]:
    """A browser in which somebody of that role is signed in, who has those cameras, or all."""
    name = await insert_user(system, role, *cameras)
    context = await browser.new_context(base_url=system.url, locale="en-GB")
    page = await context.new_page()
    await sign_in(page, name, PASSWORD)
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
    yield context
    await context.close()


@pytest.mark.parametrize(("role", "edits"), [(Role.VIEWER, False), (Role.MANAGER, True)])
async def test_page_offers_only_what_one_may_do(
    browser: Browser, running_system: RunningSystem, role: Role, edits: bool
) -> None:
    await tell(running_system, "for-all-to-see", "live")
    async with signed_in(browser, running_system, role) as context:
        page = context.pages[0]
        await page.goto("/cameras")
        await expect(card(page, "for-all-to-see")).to_contain_text("Live for 3 minutes")
        edit = page.get_by_role("button", name="Edit for-all-to-see")
        await expect(edit).to_have_count(1 if edits else 0)
        await expect(page.get_by_role("button", name="Connect a camera")).to_have_count(0)


async def test_areas_are_drawn_on_the_picture_by_mouse_and_by_key(
    page: Page, running_system: RunningSystem
) -> None:
    await tell(running_system, "side-gate", "live")
    await page.goto("/cameras")
    await card(page, "side-gate").get_by_role("button", name="Areas of side-gate").click()
    dialog = page.get_by_role("dialog", name="Where side-gate looks for faces")
    await expect(dialog).to_contain_text("Nothing is drawn")

    await dialog.get_by_role("button", name="Add an area: leave out").click()
    corners = dialog.get_by_role("button", name=re.compile(r"^Area 1, corner \d of"))
    await expect(corners).to_have_count(4)
    await corners.first.focus()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("Shift+ArrowUp")
    await corners.nth(2).drag_to(
        dialog.get_by_role("button", name="Area 1: another corner after corner 3"), force=True
    )
    await dialog.get_by_role("button", name="another corner after corner 1").click()
    await expect(corners).to_have_count(5)
    await corners.last.press("Delete")
    await expect(corners).to_have_count(4)
    await page.set_viewport_size(PHONE)
    await assert_fits(page)
    await dialog.get_by_role("button", name="Save").click()

    await expect(card(page, "side-gate")).to_contain_text("1 area drawn.")
    (camera,) = [one for one in running_system.admin.cameras() if one.id == "side-gate"]
    assert camera.regions is not None
    (drawn,) = camera.regions.exclude
    assert drawn[0] == (0.29, 0.25)
    assert drawn[3] != (0.7, 0.7)
    await card(page, "side-gate").get_by_role("button", name="Areas of side-gate").click()
    await dialog.get_by_role("button", name="Remove area 1").click()
    await dialog.get_by_role("button", name="Save").click()
    await expect(card(page, "side-gate")).not_to_contain_text("1 area drawn.")
