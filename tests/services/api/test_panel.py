from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from services.api.app import create_app
from usher.settings import Settings
from usher.storage.database import Database

from .conftest import check_problem

SECRET = "not the panel's"


@pytest.fixture
async def browser(tmp_path: Path, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """On a panel of three files, before an application that has not loaded its models."""
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (dist / "index.html").write_text("<title>Usher</title>")
    (dist / "favicon.svg").write_text("<svg/>")
    (dist / "assets" / "app-abc.js").write_text("run()")
    (tmp_path / "secret.txt").write_text(SECRET)
    app = create_app(Settings(data=tmp_path, admin_dist=dist), database)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://usher.test") as browser:
        yield browser


@pytest.mark.parametrize("path", ["/", "/index.html", "/persons/p-1", "/detections", "/a/b/c"])
async def test_panel_answers_with_its_page_whatever_the_address(
    browser: httpx2.AsyncClient, path: str
) -> None:
    response = await browser.get(path)
    assert (response.status_code, response.text) == (200, "<title>Usher</title>")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-frame-options"] == "DENY"


async def test_panel_serves_its_files(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/favicon.svg")).text == "<svg/>"
    asset = await browser.get("/assets/app-abc.js")
    assert asset.text == "run()"
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/assets/none.js", "/api/", "/api/v1/none", "/api/v2/persons"])
async def test_panel_is_not_found_when_an_asset_or_api_address_does_not_exist(
    browser: httpx2.AsyncClient, path: str
) -> None:
    check_problem(await browser.get(path), 404)


@pytest.mark.parametrize(
    "path",
    [
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/assets/%2e%2e/%2e%2e/secret.txt",
        "/assets/..%5c..%5csecret.txt",
        "/assets/%2fetc%2fpasswd",
        "/assets/app-abc.js%00",
        "/assets/" + "a" * 5000,
    ],
)
async def test_panel_gives_nothing_from_outside_of_its_folder(
    browser: httpx2.AsyncClient, path: str
) -> None:
    response = await browser.get(httpx2.URL(f"http://usher.test{path}"))
    assert response.status_code in (200, 404)
    assert SECRET not in response.text
    assert "root:" not in response.text


async def test_panel_says_how_to_build_it_when_it_is_not(
    tmp_path: Path, database: Database
) -> None:
    app = create_app(Settings(data=tmp_path, admin_dist=tmp_path / "none"), database)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app)) as browser:
        response = await browser.get("http://usher.test/")
    assert response.status_code == 404
    assert "make setup" in response.text
