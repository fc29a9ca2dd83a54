from __future__ import annotations

import pytest

from .conftest import Api, upload

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/persons", 200),
        ("GET", "/api/v1/openapi.json", 200),
        ("GET", "/api/v1/persons/none", 404),
        ("GET", "/api/v1/nothing", 404),
        ("PUT", "/api/v1/persons", 405),
        ("POST", "/api/v1/persons", 422),
        ("POST", "/api/v1/identify", 415),
        ("GET", "/healthz", 200),
        ("GET", "/metrics", 200),
        ("GET", "/", 404),
    ],
)
async def test_headers_stand_in_every_response(
    api: Api, method: str, path: str, status: int
) -> None:
    response = await api.admin.request(method, f"http://usher.test{path}")
    assert response.status_code == status
    for name, value in HEADERS.items():
        assert value in response.headers[name], name
    assert "server" not in response.headers


async def test_headers_stand_in_a_response_that_is_sent_before_the_application_sees_it(
    api: Api,
) -> None:
    response = await api.nobody.post("/session", headers={"content-length": "999999999"})
    assert response.status_code == 413
    assert HEADERS.keys() <= response.headers.keys()


async def test_scripts_may_only_come_from_the_origin_itself(api: Api) -> None:
    policy = (await api.nobody.get("/nothing")).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "script-src" not in policy
    assert "unsafe-eval" not in policy


async def test_images_stay_out_of_shared_caches(api: Api) -> None:
    detection_id = (await upload(api.device)).json()["id"]
    response = await api.viewer.get(f"/detections/{detection_id}/image")
    assert response.headers["cache-control"] == "private, no-cache"
    assert response.headers["x-content-type-options"] == "nosniff"
