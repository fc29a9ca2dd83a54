"""What tests do with the panel: sign in, add people, have a camera see somebody."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from playwright.async_api import Locator, Page, ViewportSize, expect

from services.api.passwords import hash_password
from tests.running import RunningSystem
from usher.domain.identifiers import new_id
from usher.domain.records import Role, User
from usher.storage.access import Users
from usher.storage.database import connected

PHONE: ViewportSize = {"width": 390, "height": 844}

# A classifier embeds in batches and loads its model first, perhaps on a busy machine.
CLASSIFIED_WITHIN_MS = 60_000
SHOWN_WITHIN_MS = 15_000

PASSWORD = "a password of a test"
STRANGER = re.compile(r"^Stranger p-")


async def sign_in(page: Page, username: str, password: str) -> None:
    await page.goto("/")
    await page.get_by_label("Username").fill(username)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Sign in").click()


async def insert_user(
    system: RunningSystem, role: Role, *cameras: str, must_renew: bool = False
) -> str:
    """Somebody new of that role, with PASSWORD and those cameras, or all; the username."""
    name = f"{role.value}-{new_id()}"
    user = User(
        id=new_id(),
        username=name,
        role=role,
        password_hash=await hash_password(PASSWORD),
        cameras=cameras,
        must_renew=must_renew,
    )
    async with connected(system.mongodb_uri, system.database) as database:
        await Users(database).insert(user)
    return name


async def username_of(page: Page) -> str:
    """Who is signed in."""
    session = await (await page.request.get("/api/v1/session")).json()
    return str(session["user"]["username"])


async def wait_until_connected(page: Page) -> None:
    await expect(page.get_by_role("status").get_by_text("Connected")).to_be_visible(
        timeout=SHOWN_WITHIN_MS
    )


async def add_person(page: Page, name: str) -> None:
    """Create somebody known, and stay on their page."""
    await page.goto("/people")
    await page.get_by_role("button", name="Add person").click()
    dialog = page.get_by_role("dialog", name="Add person")
    await dialog.get_by_label("Name", exact=True).fill(name)
    await dialog.get_by_role("button", name="Add", exact=True).click()
    await expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


async def upload_photographs(page: Page, *photographs: Path) -> Locator:
    """Upload on a person's page; returns the list of results, a row a file."""
    await page.get_by_label("Photographs to add").set_input_files(photographs)
    results = page.get_by_role("list", name="Uploads").get_by_role("listitem")
    await expect(results).to_have_count(len(photographs))
    await expect(page.get_by_role("button", name="Add photographs")).to_be_enabled(
        timeout=CLASSIFIED_WITHIN_MS
    )
    return results


async def assert_picture_loads(picture: Locator) -> None:
    """`decode` fails where the picture is missing or broken."""
    await picture.evaluate("image => image.decode()")


def photograph_of(test_data: Path, name: str) -> Path:
    """A photograph of somebody who appears in one test only."""
    return test_data / "lfw-dev" / "images" / name / f"{name}_0001.jpg"


async def see(
    page: Page, running_system: RunningSystem, photograph: Path, camera_id: str = "front-door"
) -> Locator:
    """Have a camera see a face while Detections is open; returns the face's card."""
    await page.goto("/detections")
    await wait_until_connected(page)
    return card_of(page, await asyncio.to_thread(running_system.upload, photograph, camera_id))


def card_of(page: Page | Locator, detection: str) -> Locator:
    return page.locator(f'a[href*="detection={detection}"]')


async def see_stranger(page: Page, running_system: RunningSystem, photograph: Path) -> Locator:
    """As `see`, and wait until Usher has called them a stranger."""
    card = await see(page, running_system, photograph)
    await expect(card).to_have_accessible_name(STRANGER, timeout=CLASSIFIED_WITHIN_MS)
    return card


async def open_person(page: Page, card: Locator) -> str:
    """From a card by the drawer to the person's page; returns the name that stands there."""
    await card.click()
    await page.get_by_role("dialog", name="Detection").get_by_role("link", name=STRANGER).click()
    heading = page.get_by_role("heading", name=STRANGER, level=1)
    return await heading.inner_text()


async def assert_fits(page: Page) -> None:
    """Nothing stands out to the right, once the page has taken to its width."""
    await page.wait_for_function(
        "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
