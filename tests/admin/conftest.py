"""A browser at the panel of the real system."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    async_playwright,
    expect,
)

from tests.admin.acting import PASSWORD, SHOWN_WITHIN_MS, insert_user, photograph_of, sign_in
from tests.admin.deciding import Decider, deciding
from tests.running import RunningSystem, run_system
from usher.domain.records import Role

CHROMIUM = Path(os.environ.get("USHER_TEST_CHROMIUM", "/usr/bin/chromium"))
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
DESKTOP: ViewportSize = {"width": 1280, "height": 800}

# Chromium reports every refused request, also where refusing is the right answer.
REFUSED_REQUEST = re.compile(r"^Failed to load resource: .* status of 4\d\d\b")


@pytest.fixture(scope="module")
def running_system(
    request: pytest.FixtureRequest, mongodb_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    """A module's system; with `CLASSIFIES = False` in the module, nobody is identified by it."""
    classify = getattr(request.module, "CLASSIFIES", True)
    with run_system(mongodb_uri, tmp_path_factory.mktemp("system"), classify=classify) as system:
        yield system


@pytest.fixture
async def decider(running_system: RunningSystem) -> AsyncIterator[Decider]:
    async with deciding(running_system) as decider:
        yield decider


@pytest.fixture
def photograph(test_data: Path) -> Path:
    return photograph_of(test_data, "Ann_Veneman")


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    if not CHROMIUM.is_file():
        reason = f"there is no Chromium at {CHROMIUM}: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    expect.set_options(timeout=SHOWN_WITHIN_MS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def browser_with_camera(shown: Path, *arguments: str) -> AsyncIterator[Browser]:
    """A browser whose camera plays a film (YUV4MPEG2), and which asks before a page may use it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                *CHROMIUM_ARGUMENTS,
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={shown}",
                *arguments,
            ],
        )
        yield browser
        await browser.close()


@pytest.fixture
async def context(browser: Browser, running_system: RunningSystem) -> AsyncIterator[BrowserContext]:
    """A browser without cookies, at the panel's address; what fails in it fails the test."""
    context = await browser.new_context(
        base_url=running_system.url, viewport=DESKTOP, reduced_motion="reduce", locale="en-GB"
    )
    context.set_default_timeout(SHOWN_WITHIN_MS)
    complaints: list[str] = []
    context.on("console", lambda message: _note(message, complaints))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context
    await context.close()
    assert complaints == []


@pytest.fixture
async def page(
    request: pytest.FixtureRequest, context: BrowserContext, running_system: RunningSystem
) -> Page:
    """The panel, with somebody of the module's `ROLE` signed in; the first admin where it has none.

    With USHER_TEST_ROLE=admin, an admin does what the modules of managers do, too.
    """
    module = getattr(request.module, "ROLE", Role.ADMIN)
    role = Role(os.environ.get("USHER_TEST_ROLE", module))
    page = await context.new_page()
    if role is Role.ADMIN:
        await sign_in(page, running_system.admin_username, running_system.admin_password)
    else:
        await sign_in(page, await insert_user(running_system, role), PASSWORD)
    await expect(page.get_by_role("heading", name="Today", level=1)).to_be_visible()
    return page


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type == "error" and not REFUSED_REQUEST.match(message.text):
        complaints.append(message.text)
