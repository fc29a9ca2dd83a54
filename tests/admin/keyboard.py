"""Somebody who has a keyboard and no mouse."""

from __future__ import annotations

from playwright.async_api import Locator, expect

MANY = 60
"""More than any page has to step through."""


async def tab_to(wanted: Locator, key: str = "Tab") -> None:
    """Step until that has the focus."""
    await expect(wanted).to_be_visible()
    for _ in range(MANY):
        if await wanted.evaluate("element => element === document.activeElement"):
            return
        await wanted.page.keyboard.press(key)
    raise AssertionError(f"{key} does not lead to {wanted}")


async def press(wanted: Locator, key: str = "Enter") -> None:
    """Step to a button or a link, and press a key there."""
    await tab_to(wanted)
    await wanted.page.keyboard.press(key)


async def type_into(wanted: Locator, text: str) -> None:
    """Step to a field, and write in place of what stands there."""
    await tab_to(wanted)
    await wanted.page.keyboard.press("Control+a")
    await wanted.page.keyboard.type(text)
