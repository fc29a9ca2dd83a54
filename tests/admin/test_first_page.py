"""The page that somebody opens: what it shows is asked for before its code is there."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, Request, Route, expect

from tests.admin.acting import SHOWN_WITHIN_MS, wait_until_connected
from tests.running import RunningSystem

CLASSIFIES = False

LISTS = {
    "/": [f"/api/v1/visits?kind={kind}&" for kind in ("unknown", "known", "ignored")],
    "/detections": ["/api/v1/detections"],
    "/people": ["/api/v1/persons?kind=known"],
}


@pytest.mark.parametrize("path", LISTS)
async def test_first_list_is_asked_for_before_the_code_is_there_and_once(
    page: Page, path: str
) -> None:
    asked = list[str]()
    are_lists_asked_for = asyncio.Event()

    def times(beginning: str) -> int:
        return sum(address.startswith(beginning) for address in asked)

    def note(request: Request) -> None:
        asked.append("/" + request.url.partition("://")[2].partition("/")[2])
        if all(times(one) for one in LISTS[path]):
            are_lists_asked_for.set()

    async def hold_back(route: Route) -> None:
        await asyncio.wait_for(are_lists_asked_for.wait(), SHOWN_WITHIN_MS / 1000)
        await route.continue_()

    await page.goto("about:blank")
    page.on("request", note)
    await page.route("**/assets/*.js", hold_back)
    await page.goto(path)
    await wait_until_connected(page)

    assert [times(one) for one in LISTS[path]] == [1] * len(LISTS[path]), asked
    assert asked.count("/api/v1/session") == asked.count("/api/v1/cameras") == 1
    assert await page.evaluate("window.askedAhead.size") == 0, "something was asked for in vain"


async def test_what_was_refused_ahead_is_asked_for_again_after_signing_in(
    page: Page, running_system: RunningSystem
) -> None:
    await page.context.clear_cookies()
    await page.goto("/people")

    await page.get_by_label("Username").fill(running_system.admin_username)
    await page.get_by_label("Password", exact=True).fill(running_system.admin_password)
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.get_by_role("heading", name="People", level=1)).to_be_visible()
    await expect(page.get_by_text("Nobody here")).to_be_visible()
